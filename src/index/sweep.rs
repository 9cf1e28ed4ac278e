//! Removes from the cache what was derived from files that are gone. Called by `follow.rs`, where blocking is allowed.

use std::collections::HashSet;
use std::fs;

use super::Index;
use super::boards::{is_of_tarballs, tarballs_of};
use super::catalog::Catalog;
use super::views::{Bytecode, bytecode_key};
use crate::board::View;
use crate::chain::Chain;
use crate::dist::ContentId;
use crate::store::{CacheError, Needed};

/// What the releases that are here still need.
#[derive(Default)]
struct Derived {
    keys: HashSet<[u8; 32]>,
    contents: HashSet<ContentId>,
    /// Names of folders.
    tarballs: HashSet<String>,
}

impl Index {
    /// Removes what nothing needs any more. Nobody may prepare boards meanwhile. Cheap when nothing went since the last call.
    pub(super) fn sweep(&self) {
        if let Err(error) = self.try_sweep() {
            self.workshop.litter();
            tracing::warn!(error = %Chain(&error), "the cache could not be swept");
        }
    }

    fn try_sweep(&self) -> Result<(), CacheError> {
        let files = self.catalog().file_count();
        // An empty folder may be a disk that is not mounted yet.
        if files == 0 {
            return Ok(());
        }
        // What went while the server was away is still known of.
        let is_littered = self.workshop.take_litter() || self.cache.known()? > files as u64;
        if !is_littered {
            return Ok(());
        }
        // No view and no tarball comes meanwhile.
        let _closed = self.workshop.closed();
        let catalog = self.catalog();
        let needed = self.needed(&catalog);
        self.cache.sweep(&Needed {
            is_file: &|path| catalog.file(path).is_some(),
            derived: &needed.keys,
        })?;
        self.contents.sweep(&needed.contents);
        self.sweep_tarballs(&needed.tarballs);
        Ok(())
    }

    fn needed(&self, catalog: &Catalog) -> Derived {
        let mut needed = Derived::default();
        for release in catalog.projects().flat_map(|project| project.releases()) {
            let key = self.view_key(release);
            needed.tarballs.insert(tarballs_of(&key));
            needed.keys.extend([key, bytecode_key(&key)]);
            let Some(view) = self.derived::<View>(&key) else {
                continue;
            };
            let sources = view.to_compile();
            needed
                .keys
                .extend(sources.into_iter().map(|source| self.compiled_key(source)));
            let bytecode = self.derived::<Bytecode>(&bytecode_key(&key)).unwrap_or_default();
            let files = view.files.iter().chain(&view.mpy).chain(&bytecode.files);
            needed.contents.extend(files.map(|file| file.content));
        }
        needed
    }

    /// What else lies there is not ours: somebody may keep packages below the cache.
    fn sweep_tarballs(&self, needed: &HashSet<String>) {
        let folders = fs::read_dir(self.tarballs()).into_iter().flatten().flatten();
        let is_litter = |name: &str| is_of_tarballs(name) && !needed.contains(name);
        for folder in folders {
            if folder.file_name().to_str().is_some_and(is_litter) {
                // What cannot be removed is litter in a cache.
                fs::remove_dir_all(folder.path()).ok();
            }
        }
    }
}
