//! The command line: clap types, and nothing else. Called by `main.rs`.
