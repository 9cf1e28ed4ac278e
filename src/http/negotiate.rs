//! Content negotiation (RFC 9110 section 12) as far as an index needs it. Called by the handlers.

use axum::http::header::{ACCEPT, ACCEPT_ENCODING, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName};

use crate::index::Format;

/// A media type of the Simple API (PEP 691), and what it is a representation of.
const SIMPLE: [(&str, Format); 5] = [
    ("application/vnd.pypi.simple.v1+json", Format::Json),
    ("application/vnd.pypi.simple.latest+json", Format::Json),
    ("application/vnd.pypi.simple.v1+html", Format::Html),
    ("application/vnd.pypi.simple.latest+html", Format::Html),
    ("text/html", Format::Html),
];

/// What a client gets that does not care, or whose wishes cannot be met.
const HTML: (Format, &str) = (Format::Html, "text/html; charset=utf-8");

/// The representation to send, and its media type. PEP 691 lets a server answer with its default where nothing fits.
pub(super) fn simple(headers: &HeaderMap) -> (Format, &'static str) {
    let offers = members(headers, ACCEPT).filter_map(|(media_type, quality)| {
        let offer = SIMPLE.iter().find(|(name, _)| name.eq_ignore_ascii_case(media_type))?;
        (quality > 0).then_some((quality, offer))
    });
    // The first of equals, not the last, as `max_by_key` would have it.
    let best = offers.reduce(|best, next| if next.0 > best.0 { next } else { best });
    match best {
        Some((_, (_, Format::Json))) => (Format::Json, SIMPLE[0].0),
        Some((_, (name, Format::Html))) if *name != "text/html" => (Format::Html, SIMPLE[2].0),
        _ => HTML,
    }
}

/// The members of a header that is a list, each with its weight.
fn members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = (&str, u16)> {
    let lists = headers.get_all(name).into_iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).map(weighted)
}

/// A member of a list such as `text/html; q=0.5`, and its weight in thousandths.
fn weighted(member: &str) -> (&str, u16) {
    let mut parts = member.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    let quality = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let quality = quality.map_or(1.0, |q| q.parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0));
    (name, (quality * 1000.0) as u16)
}

/// Whether a compressed page may be sent.
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    members(headers, ACCEPT_ENCODING).any(|(name, quality)| quality > 0 && name.eq_ignore_ascii_case("gzip"))
}

/// Whether the client has the representation of this entity tag already (RFC 9110 section 13.1.2: weak comparison).
pub(super) fn has(headers: &HeaderMap, etag: &[u8]) -> bool {
    let Some(first) = headers.get(IF_NONE_MATCH) else {
        return false;
    };
    // Nearly every client has one.
    if first.as_bytes() == etag {
        return true;
    }
    let lists = headers.get_all(IF_NONE_MATCH);
    let tags = lists.iter().flat_map(|list| list.as_bytes().split(|b| *b == b','));
    tags.map(<[u8]>::trim_ascii)
        .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(ACCEPT, value.parse().unwrap())])
    }

    #[test]
    fn pip_gets_json_and_a_browser_html() {
        let pip = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01";
        assert_eq!(
            simple(&accept(pip)),
            (Format::Json, "application/vnd.pypi.simple.v1+json")
        );
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
        assert_eq!(simple(&accept(browser)), HTML);
        assert_eq!(simple(&accept("application/vnd.pypi.simple.v1+json;q=0, */*")), HTML);
        assert_eq!(
            simple(&accept("application/vnd.pypi.simple.latest+html")).1,
            "application/vnd.pypi.simple.v1+html"
        );
        assert_eq!(simple(&HeaderMap::new()), HTML);
    }

    #[test]
    fn entity_tags_compare_weakly() {
        let headers = HeaderMap::from_iter([(IF_NONE_MATCH, r#""a", W/"b""#.parse().unwrap())]);
        assert!(has(&headers, br#""a""#) && has(&headers, br#""b""#) && !has(&headers, br#""c""#));
    }
}
