//! What asks for a password. Read by the [`Authenticator`](super::Authenticator); `http/` names the [`Action`]s.

/// What a client wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// See the index pages.
    List,
    /// Get a file.
    Download,
    /// Add a file.
    Upload,
    /// Take a file or a release away.
    Remove,
}

/// What asks for a password, by pypiserver's three names. `true` asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The index pages.
    pub list: bool,
    /// The files.
    pub download: bool,
    /// Uploads and removals.
    pub update: bool,
}

impl Policy {
    /// Whether `action` asks for a password.
    pub(super) fn protects(self, action: Action) -> bool {
        match action {
            Action::List => self.list,
            Action::Download => self.download,
            Action::Upload | Action::Remove => self.update,
        }
    }
}
