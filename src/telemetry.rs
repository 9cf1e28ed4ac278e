//! Where log lines go: the journal when systemd connected us to it, else stderr or a file. Called by `serve.rs`.
