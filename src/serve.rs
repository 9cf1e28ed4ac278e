//! The composition root: configuration → store, catalog, listeners, router, mDNS → readiness → wait → drain → goodbye.
//! Called by `main.rs`.
