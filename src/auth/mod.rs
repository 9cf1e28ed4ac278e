//! Who may do what: the policy, Basic credentials (RFC 7617), the htpasswd file. Called by `http/` and the `passwd` command.
