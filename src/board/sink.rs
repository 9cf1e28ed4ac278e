//! Where the content of a board's files goes. `index/` brings the sink; the view fills it.

use std::io::{self, Read};

use crate::dist::ContentId;

/// Where the content of a board's files goes: the cache, which stores each content once.
///
/// What is part of the view shows only when the archive has been read to its end; so everything that may be is staged
/// on the way, and what is not kept is to be dropped with the sink.
pub trait Sink {
    /// Copies one content to its end; [`ContentId::of_copied`] does it.
    ///
    /// # Errors
    /// Those of the content, and of writing the copy.
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId>;
    /// Makes a staged content permanent; the same one may be kept more than once.
    ///
    /// # Errors
    /// Those of the system.
    fn keep(&mut self, content: &ContentId) -> io::Result<()>;
}
