//! Bytes counted as they are unpacked: how many an archive may have in all, and how many a member does have.

use std::cell::Cell;
use std::io::{self, Read};

use super::{ArchiveError, Limits};

/// What unpacks to less than this many bytes is no bomb, however well it was compressed.
const EXEMPT_FROM_RATIO: u64 = 1 << 20;

/// The bytes that an archive may unpack to, and how many it has so far.
pub(super) struct Budget {
    unpacked_limit: u64,
    ratio_limit: u32,
    ratio_bytes: u64,
    spent: Cell<u64>,
}

impl Budget {
    pub(super) fn new(packed_bytes: u64, limits: &Limits) -> Self {
        let grown = packed_bytes.saturating_mul(u64::from(limits.ratio));
        Self {
            unpacked_limit: limits.unpacked_bytes,
            ratio_limit: limits.ratio,
            ratio_bytes: grown.max(EXEMPT_FROM_RATIO),
            spent: Cell::new(0),
        }
    }

    /// Which limit is exceeded, if one is.
    pub(super) fn refusal(&self) -> Option<ArchiveError> {
        if self.spent.get() > self.unpacked_limit {
            return Some(ArchiveError::Unpacked {
                limit: self.unpacked_limit,
            });
        }
        (self.spent.get() > self.ratio_bytes).then_some(ArchiveError::Ratio {
            limit: self.ratio_limit,
        })
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        self.spent.set(self.spent.get().saturating_add(bytes as u64));
        self.refusal().map_or(Ok(()), |refusal| Err(io::Error::other(refusal)))
    }
}

/// Counts what is read against the budget.
pub(super) struct Metered<'a, R> {
    inner: R,
    budget: &'a Budget,
}

impl<'a, R: Read> Metered<'a, R> {
    pub(super) fn new(inner: R, budget: &'a Budget) -> Self {
        Self { inner, budget }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.budget.spend(length)?;
        Ok(length)
    }
}

/// The content of a member, which is as long as its header says or an error.
pub(super) struct Content<'a> {
    inner: &'a mut dyn Read,
    left: u64,
    has_failed: bool,
}

impl<'a> Content<'a> {
    pub(super) fn new(inner: &'a mut dyn Read, size: u64) -> Self {
        Self {
            inner,
            left: size,
            has_failed: false,
        }
    }

    /// Whether an error of the visitor may have come from here.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed
    }

    fn read_checked(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        if length == 0 && self.left > 0 && !buffer.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a member is shorter than its header says",
            ));
        }
        let too_long = || io::Error::new(io::ErrorKind::InvalidData, "a member is longer than its header says");
        self.left = self.left.checked_sub(length as u64).ok_or_else(too_long)?;
        Ok(length)
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.read_checked(buffer);
        let is_failure = |error: &io::Error| error.kind() != io::ErrorKind::Interrupted;
        self.has_failed |= read.as_ref().is_err_and(is_failure);
        read
    }
}
