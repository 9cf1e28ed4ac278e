//! The catalog and the use cases over it: publish, remove, rescan. Where store, catalog and dist meet. Called by `http/` and `serve.rs`.
