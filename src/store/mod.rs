//! The directory: stage, publish, open, walk, watch, remove; and the cache of what is derived. Called by `index/` and `http/files.rs`.
