//! The base URL that the client knows this server by, for the answers that need absolute URLs. Called by the handlers, as
//! an extractor, and by `service.rs`, which lets no request pass whose host is in doubt.

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::HOST;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri, Version};

use ipnet::IpNet;

use super::error::HttpError;
use super::right::exchange;
use super::{App, Connection, Tls};

/// `http://HOST:PORT[/prefix]`, without a slash at its end, always with a port: upip takes 443 for granted, even for `http:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Origin(pub(super) String);

/// As [`Origin`], for mip, which leaves the port out of `Host`: then it is the port that the board has reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BoardOrigin(pub(super) String);

impl FromRequestParts<Arc<App>> for BoardOrigin {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        let connection = &exchange(parts).connection;
        // A trusted peer that names no other client may be a board itself.
        let is_forwarded = app.site.is_proxy(connection.peer) && says_anything(&parts.headers);
        let port = (!is_forwarded).then(|| connection.local.port());
        Origin::of(app, connection, &parts.uri, &parts.headers, port).map(|Origin(base)| Self(base))
    }
}

impl FromRequestParts<Arc<App>> for Origin {
    type Rejection = HttpError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Self::Rejection> {
        Self::of(app, &exchange(parts).connection, &parts.uri, &parts.headers, None)
    }
}

impl Origin {
    /// The base URL in a request for this target, with these headers, and with `port` where the client names none; None:
    /// the scheme's.
    ///
    /// # Errors
    /// [`HttpError::BadHost`].
    pub(super) fn of(
        app: &App,
        connection: &Connection,
        uri: &Uri,
        headers: &HeaderMap,
        port: Option<u16>,
    ) -> Result<Self, HttpError> {
        if let Some(base) = &app.site.base_url {
            return Ok(Self(base.clone()));
        }
        let forwarded = if app.site.is_proxy(connection.peer) {
            Forwarded::of(headers)
        } else {
            Forwarded::default()
        };
        Self::from_request(connection, uri, headers, &forwarded, port)
    }

    fn from_request(
        connection: &Connection,
        uri: &Uri,
        headers: &HeaderMap,
        forwarded: &Forwarded<'_>,
        port: Option<u16>,
    ) -> Result<Self, HttpError> {
        // In capitals, too (RFC 3986 section 3.1).
        let told = |scheme: &&str| forwarded.proto.is_some_and(|proto| proto.eq_ignore_ascii_case(scheme));
        let scheme = ["http", "https"]
            .into_iter()
            .find(told)
            .unwrap_or(match connection.tls {
                Tls::None(_) => "http",
                Tls::Spoken | Tls::Missing => "https",
            });
        // A host in the request's target goes before the header (RFC 9112 section 3.2.2).
        let asked = None
            .or_else(|| Some(("X-Forwarded-Host header", forwarded.host?)))
            .or_else(|| Some(("request's target", uri.authority()?.as_str())))
            .or_else(|| Some(("Host header", headers.get(HOST)?.to_str().ok()?)))
            .filter(|(_, host)| !host.is_empty());
        let authority = match asked {
            Some((_, host)) if is_authority(host.as_bytes()) => Cow::Borrowed(host),
            Some((place, host)) => return Err(bad_host(place, host)),
            // The address that was reached serves as well.
            None => SocketAddr::new(connection.local.ip().to_canonical(), connection.local.port())
                .to_string()
                .into(),
        };
        let prefix = forwarded.prefix.filter(|prefix| is_path(prefix)).unwrap_or_default();
        Ok(Self(url(scheme, &authority, prefix, port)))
    }
}

/// A request names one host, which may be empty, or none in HTTP/1.0, which knows no Host (RFC 9112 section 3.2).
///
/// # Errors
/// [`HttpError::BadHost`], [`HttpError::NotOneHost`].
pub(super) fn check_host(request: &Parts) -> Result<(), HttpError> {
    let mut hosts = request.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_authority(host.as_bytes()) => Ok(()),
        (Some(host), None) => Err(bad_host("Host header", &String::from_utf8_lossy(host.as_bytes()))),
        (None, _) if request.version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(HttpError::NotOneHost("no")),
        (Some(_), Some(_)) => Err(HttpError::NotOneHost("more than one")),
    }
}

/// Without the host itself: before an `@` stands a password.
fn bad_host(place: &'static str, host: &str) -> HttpError {
    let flaw = match host
        .chars()
        .find(|&character| !u8::try_from(character).is_ok_and(is_of_authority))
    {
        Some(character) => format!("holds {character:?}"),
        None => "is too long".to_owned(),
    };
    HttpError::BadHost { place, flaw }
}

/// Whether a proxy says anything of the client's request.
fn says_anything(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with("x-forwarded-"))
}

/// What a proxy says of the client's request. The first value of a list is what the client itself asked for.
#[derive(Debug, Default)]
struct Forwarded<'a> {
    proto: Option<&'a str>,
    host: Option<&'a str>,
    prefix: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    fn of(headers: &'a HeaderMap) -> Self {
        let first = |name: &str| Some(headers.get(name)?.to_str().ok()?.split(',').next()?.trim());
        Self {
            proto: first("x-forwarded-proto"),
            host: first("x-forwarded-host"),
            prefix: first("x-forwarded-prefix"),
        }
    }
}

/// Who sent the request: behind a proxy that is believed, what it says (`X-Forwarded-For`, of which the last address
/// that is no such proxy's counts), so that the log tells clients apart, and one's wrong passwords are not held against all.
///
/// Each proxy adds at the end whom it was asked by. What cannot be read ends the search at the peer: whatever stands
/// before it may be the client's own invention.
pub(super) fn client(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_proxy(&peer) {
        return peer;
    }
    let lists = headers.get_all("x-forwarded-for").iter().rev();
    let hops = lists.flat_map(|list| list.as_bytes().rsplit(|byte| *byte == b','));
    hops.map(hop)
        .find(|hop| hop.is_none_or(|hop| !is_proxy(&hop)))
        .flatten()
        .unwrap_or(peer)
}

/// An address as proxies write it: `192.0.2.1`, `2001:db8::1` or `[2001:db8::1]`, some with a port.
fn hop(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim();
    let bare = || {
        text.strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(text)
    };
    let with_port = text.parse::<SocketAddr>().map(|address| address.ip());
    with_port
        .or_else(|_| bare().parse())
        .ok()
        .map(|address| address.to_canonical())
}

fn is_authority(text: &[u8]) -> bool {
    text.len() <= 261 && text.iter().copied().all(is_of_authority)
}

/// Characters of a host and a port (RFC 3986 section 3.2.2; `%` comes before the zone of a link-local address), and none
/// that means anything in HTML, JSON or a shell.
fn is_of_authority(byte: u8) -> bool {
    /// Every request is asked for its host.
    const TABLE: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0_u8;
        while byte < 128 {
            table[byte as usize] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']' | b'%');
            byte += 1;
        }
        table
    };
    TABLE[usize::from(byte)]
}

fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._~/+".contains(&b))
}

/// A configured URL with its port, and without a slash at its end.
pub fn with_port(base_url: &str) -> String {
    let (scheme, rest) = base_url.split_once("://").unwrap_or(("http", base_url));
    let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    url(scheme, authority, path, None)
}

/// With this port where the authority has none, or else the scheme's, which the `url` crate would drop again.
fn url(scheme: &str, authority: &str, path: &str, port: Option<u16>) -> String {
    let mut url = String::with_capacity(64);
    url.extend([scheme, "://", authority.trim_end_matches(':')]);
    if !has_port(authority) {
        let port = port.unwrap_or(if scheme == "https" { 443 } else { 80 });
        url.extend([":", &port.to_string()]);
    }
    url + path.trim_end_matches('/')
}

fn has_port(authority: &str) -> bool {
    let digits = authority.bytes().rev().take_while(u8::is_ascii_digit).count();
    digits > 0 && authority[..authority.len() - digits].ends_with(':')
}

#[cfg(test)]
mod tests {
    use super::super::wire::Outgoing;
    use super::*;

    #[test]
    fn the_port_is_always_there() {
        for (url, expected) in [
            ("http://pi", "http://pi:80"),
            ("https://pi/", "https://pi:443"),
            ("http://pi:8089", "http://pi:8089"),
            ("http://[fe80::1]", "http://[fe80::1]:80"),
            ("http://[fe80::1]:8089/x/", "http://[fe80::1]:8089/x"),
            ("https://example.org/pypi/", "https://example.org:443/pypi"),
        ] {
            assert_eq!(with_port(url), expected);
        }
    }

    #[test]
    fn the_last_hop_that_is_no_proxy_is_the_client() {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
        let client_of = |peer: &str, lists: &[&'static str]| {
            let header = |list: &&'static str| ("x-forwarded-for".parse().unwrap(), list.parse().unwrap());
            let headers = lists.iter().map(header).collect();
            client(peer.parse().unwrap(), &headers, &proxies).to_string()
        };
        for (lists, expected) in [
            (["192.0.2.7"].as_slice(), "192.0.2.7"),
            (&["198.51.100.1, 192.0.2.7, 10.0.0.2"], "192.0.2.7"),
            (&["198.51.100.1", "192.0.2.7", "10.0.0.2"], "192.0.2.7"),
            (&["192.0.2.7:40001, 10.0.0.2:443"], "192.0.2.7"),
            (&["::ffff:192.0.2.7"], "192.0.2.7"),
            (&["[2001:db9::7]:40001, [2001:db8::2]"], "2001:db9::7"),
            (&["192.0.2.7, unknown"], "10.0.0.1"),
            (&["192.0.2.7, "], "10.0.0.1"),
            (&["10.0.0.3"], "10.0.0.1"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(client_of("10.0.0.1", lists), expected, "{lists:?}");
        }
        assert_eq!(
            client_of("192.0.2.9", &["192.0.2.7"]),
            "192.0.2.9",
            "a stranger is not believed"
        );
    }

    fn origin(headers: &[(&'static str, &'static str)]) -> Result<Origin, HttpError> {
        origin_of("/", headers)
    }

    fn origin_of(target: &str, headers: &[(&'static str, &'static str)]) -> Result<Origin, HttpError> {
        let local = "[::ffff:192.0.2.2]:8089".parse().unwrap();
        let connection = Connection::new("192.0.2.1".parse().unwrap(), local, Tls::None(Outgoing::default()));
        let headers = headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect();
        Origin::from_request(
            &connection,
            &target.parse().unwrap(),
            &headers,
            &Forwarded::of(&headers),
            None,
        )
    }

    #[test]
    fn follows_the_host_and_a_proxy() {
        assert_eq!(origin(&[("host", "pi.local:8089")]).unwrap().0, "http://pi.local:8089");
        assert_eq!(origin(&[]).unwrap().0, "http://192.0.2.2:8089");
        let proxied = [
            ("host", "backend"),
            ("x-forwarded-host", "a.example, b"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-prefix", "/pkg/"),
        ];
        assert_eq!(origin(&proxied).unwrap().0, "https://a.example:443/pkg");
        let scheme = |proto| origin(&[("host", "a:1"), ("x-forwarded-proto", proto)]).unwrap().0;
        assert_eq!(
            ["HTTPS", "Http", "ws"].map(scheme),
            ["https://a:1", "http://a:1", "http://a:1"]
        );
        let refused = |headers| origin(headers).unwrap_err().to_string();
        let said = refused(&[("host", "a\"onload=")]);
        assert!(
            said.starts_with("the host in the Host header holds '\"': it must be HOST or HOST:PORT"),
            "{said}"
        );
        let said = refused(&[("host", "a"), ("x-forwarded-host", "a b")]);
        assert!(
            said.starts_with("the host in the X-Forwarded-Host header holds ' ': "),
            "{said}"
        );
    }

    #[test]
    fn a_host_in_the_target_goes_before_the_header() {
        let of = |target| origin_of(target, &[("host", "x:1")]);
        assert_eq!(
            of("http://other.example:99/a/json").unwrap().0,
            "http://other.example:99"
        );
        let said = of("http://user:password@other.example/a/json").unwrap_err().to_string();
        assert!(
            said.starts_with("the host in the request's target holds '@': "),
            "{said}"
        );
        let forwarded = [("x-forwarded-host", "a.example:8443")];
        let proxied = origin_of("http://other.example:99/a/json", &forwarded);
        assert_eq!(proxied.unwrap().0, "http://a.example:8443");
    }
}
