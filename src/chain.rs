//! An error with all its sources, in one line: for the log, for answers, and for whatever else tells of one.

use std::error::Error;
use std::fmt;
use std::iter::successors;

/// `Display` of an error never prints its source (`lib.rs`, law 3); this does.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut causes = successors(self.0.source(), |&cause| cause.source());
        causes.try_for_each(|cause| write!(f, ": {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::telemetry::TelemetryError;

    #[test]
    fn a_chain_is_one_line() {
        let outer = TelemetryError::Thread(io::Error::other("disk full"));
        assert_eq!(
            Chain(&outer).to_string(),
            "the log's thread cannot be started: disk full"
        );
    }
}
