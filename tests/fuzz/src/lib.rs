//! What is fuzzed: everything that strangers can send, and the files that users write by hand. Each target holds the room
//! to what it promises, not just to not panicking. Fuzzed by `run`; `cargo test` replays the seeds.

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

/// Places in which each seed is damaged.
const PLACES: usize = 200;

impl Target {
    /// Runs the target on its seeds, and on each seed cut short and with bits flipped. Gives how many inputs that were.
    pub fn replay(&self) -> usize {
        let mut inputs = 0;
        for seed in (self.seeds)() {
            (self.run)(&seed);
            for at in (0..seed.len()).step_by((seed.len() / PLACES).max(1)) {
                (self.run)(&seed[..at]);
                let mut damaged = seed.clone();
                damaged[at] ^= 1 << (at % 8);
                (self.run)(&damaged);
                inputs += 2;
            }
        }
        inputs
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_and_what_damage_makes_of_them_break_no_promise() {
        for target in &TARGETS {
            assert!(target.replay() > 0, "{} has no seeds", target.name);
        }
    }
}
