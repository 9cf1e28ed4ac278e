//! Byte ranges (RFC 9110 section 14), one at a time: what uv and resumed downloads ask for. Called by `files.rs`.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::{IF_RANGE, RANGE};

/// The part of a file that is wanted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Everything: no range, one that is not understood, or several.
    All,
    /// These bytes; not empty.
    Part(Range<u64>),
    /// Bytes that the file does not have.
    Nothing,
}

/// Reads `Range` and `If-Range` for a file of `size` bytes with this strong entity tag.
pub(super) fn wanted(headers: &HeaderMap, size: u64, etag: &str) -> Wanted {
    let Some(range) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::All;
    };
    if headers
        .get(IF_RANGE)
        .is_some_and(|tag| tag.as_bytes() != etag.as_bytes())
    {
        return Wanted::All;
    }
    let Some(bytes) = range.strip_prefix("bytes=").and_then(|spec| parse(spec.trim(), size)) else {
        return Wanted::All;
    };
    if bytes.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(bytes)
    }
}

/// `first-last`, `first-` or `-length`; None when it is none of them.
fn parse(spec: &str, size: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_once('-')?;
    // Rust reads a sign, too.
    if spec.contains('+') {
        return None;
    }
    if first.is_empty() {
        let length: u64 = last.parse().ok()?;
        return Some(size.saturating_sub(length)..size);
    }
    let first: u64 = first.parse().ok()?;
    let last = if last.is_empty() { u64::MAX } else { last.parse().ok()? };
    (first <= last).then(|| first.min(size)..last.saturating_add(1).min(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(range: &'static str, size: u64) -> Wanted {
        wanted(
            &HeaderMap::from_iter([(RANGE, range.parse().unwrap())]),
            size,
            "\"tag\"",
        )
    }

    #[test]
    fn ranges_of_all_forms() {
        assert_eq!(of("bytes=0-0", 10), Wanted::Part(0..1));
        assert_eq!(of("bytes=5-", 10), Wanted::Part(5..10));
        assert_eq!(of("bytes=-3", 10), Wanted::Part(7..10));
        assert_eq!(of("bytes=-30", 10), Wanted::Part(0..10));
        assert_eq!(of("bytes=9-99", 10), Wanted::Part(9..10));
        assert_eq!(of("bytes=10-", 10), Wanted::Nothing);
        assert_eq!(of("bytes=-0", 10), Wanted::Nothing);
        assert_eq!(of("bytes=0-", 0), Wanted::Nothing);
        for ignored in [
            "bytes=5-4",
            "bytes=0-1,3-4",
            "lines=1-2",
            "bytes=x-",
            "bytes=+0-+1",
            "bytes=0-18446744073709551616",
        ] {
            assert_eq!(of(ignored, 10), Wanted::All, "{ignored}");
        }
        assert_eq!(of("bytes=0-18446744073709551615", 10), Wanted::Part(0..10));
    }

    #[test]
    fn a_changed_file_is_sent_whole() {
        let headers = |tag: &'static str| {
            HeaderMap::from_iter([(RANGE, "bytes=0-0".parse().unwrap()), (IF_RANGE, tag.parse().unwrap())])
        };
        assert_eq!(wanted(&headers("\"tag\""), 10, "\"tag\""), Wanted::Part(0..1));
        assert_eq!(wanted(&headers("\"other\""), 10, "\"tag\""), Wanted::All);
    }
}
