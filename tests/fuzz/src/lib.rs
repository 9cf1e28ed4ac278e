//! What is fuzzed: everything that strangers can send, and the files that users write by hand. Each target holds the room
//! to what it promises, not just to not panicking.

mod archive;
mod board;
mod form;
mod text;

use std::path::Path;
use std::{fs, io};

/// One door of the house, and inputs that reach behind it.
pub struct Target {
    /// The name that `run` and the corpus know it by.
    pub name: &'static str,
    /// Takes any input; panics when a promise is broken.
    pub run: fn(&[u8]),
    /// Inputs to start from.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All targets.
pub const TARGETS: [Target; 9] = [
    Target {
        name: "filename",
        run: text::filename,
        seeds: text::filename_seeds,
    },
    Target {
        name: "metadata",
        run: text::metadata,
        seeds: text::metadata_seeds,
    },
    Target {
        name: "tar",
        run: archive::tar,
        seeds: archive::tar_seeds,
    },
    Target {
        name: "zip",
        run: archive::zip,
        seeds: archive::zip_seeds,
    },
    Target {
        name: "htpasswd",
        run: text::htpasswd,
        seeds: text::htpasswd_seeds,
    },
    Target {
        name: "config",
        run: text::config,
        seeds: text::config_seeds,
    },
    Target {
        name: "form",
        run: form::form,
        seeds: form::form_seeds,
    },
    Target {
        name: "view",
        run: board::view,
        seeds: board::view_seeds,
    },
    Target {
        name: "resolve",
        run: board::resolve,
        seeds: board::resolve_seeds,
    },
];

impl Target {
    /// Writes the seeds into a folder, one file each.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn write_seeds(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut numbered = (self.seeds)().into_iter().enumerate();
        numbered.try_for_each(|(number, seed)| fs::write(folder.join(format!("seed-{number}")), seed))
    }
}

fn seeds(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
