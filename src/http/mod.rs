//! HTTP in, one use case, HTTP out: a file a protocol. Called by `serve.rs`.
