//! The door of each kind of value that TOML has no type for: what passes is legal, what does not says what would be.
//! Called by serde for the fields of `Config`.

use std::fmt;
use std::marker::PhantomData;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::PathBuf;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

use crate::mdns::NAME_MAX;

/// An `http://` or `https://` URL without query and fragment; a trailing slash is taken off.
pub(super) fn http_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = String::deserialize(deserializer)?;
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some(rest) = rest else {
        return Err(Error::custom(format!(
            "`{url}` does not begin with http:// or https://"
        )));
    };
    if rest.is_empty() || rest.starts_with(['/', ':']) {
        return Err(Error::custom(format!("`{url}` has no host")));
    }
    if let Some(bad) = rest
        .chars()
        .find(|c| matches!(c, '?' | '#' | '@') || !c.is_ascii_graphic())
    {
        return Err(Error::custom(format!(
            "`{url}` has a {bad:?}: only host, port and path belong here"
        )));
    }
    let authority = rest.split('/').next().unwrap_or_default();
    check_authority(authority).map_err(|wrong| Error::custom(format!("`{url}` has {wrong}")))?;
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

/// Takes `HOST` and `HOST:PORT`; else says what is wrong.
fn check_authority(authority: &str) -> Result<(), String> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if !is_host(host) {
        return Err(format!(
            "the host `{host}`, which is neither a name nor an address; one of IPv6 stands in brackets"
        ));
    }
    match port.filter(|port| !is_port(port)) {
        Some(port) => Err(format!("the port `{port}`, which is no number from 1 to 65535")),
        None => Ok(()),
    }
}

/// A name with a number at its end would be an IPv4 address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| !label.is_empty() && label.chars().all(legal);
    let has_number = name.rsplit('.').next().is_some_and(is_number);
    name.parse::<Ipv4Addr>().is_ok() || (name.split('.').all(is_label) && !has_number)
}

fn is_port(port: &str) -> bool {
    is_number(port) && port.parse::<NonZeroU16>().is_ok()
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A path. Empty, it would be the working directory, or none at all; `~` would be a folder of that name.
pub(super) fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    Path::deserialize(deserializer).map(|path| path.0)
}

/// As [`path`], of a setting that may be left out.
pub(super) fn optional_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PathBuf>, D::Error> {
    path(deserializer).map(Some)
}

/// As [`path`], of each of a list.
pub(super) fn paths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PathBuf>, D::Error> {
    let paths = Vec::<Path>::deserialize(deserializer)?;
    Ok(paths.into_iter().map(|path| path.0).collect())
}

struct Path(PathBuf);

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(WrittenOut).map(Self)
    }
}

/// Refuses while the entry of a list is read, so that this very entry is pointed at.
struct WrittenOut;

impl Visitor<'_> for WrittenOut {
    type Value = PathBuf;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a path")
    }

    fn visit_str<E: Error>(self, path: &str) -> Result<PathBuf, E> {
        if path.is_empty() {
            return Err(E::custom("the path is empty: name one, or leave the setting out"));
        }
        if is_for_a_shell(path) {
            return Err(E::custom(format!(
                "no shell reads `{path}`, which would be a folder of that very name: write the path in full, from `/`"
            )));
        }
        Ok(PathBuf::from(path))
    }
}

/// Whether the path begins with what a shell would replace: a home directory or a variable.
fn is_for_a_shell(path: &str) -> bool {
    path == "~" || path.starts_with("~/") || path.starts_with('$')
}

/// An absolute URL path of letters, digits, `-`, `_` and `/`, as pypiserver wants its health endpoint.
pub(super) fn url_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let path = String::deserialize(deserializer)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
    // Of two slashes in a row, a request keeps one.
    let is_path = path.starts_with('/') && path != "/" && !path.contains("//");
    if !is_path || !path.chars().all(legal) {
        return Err(Error::custom(format!(
            "`{path}` is not a path: it begins with `/` and goes on with letters, digits, `-`, `_` and single `/`"
        )));
    }
    Ok(Some(path))
}

/// One label of a host name (RFC 1123 section 2.1) of letters, digits and inner hyphens; made lower case. It is shorter
/// than a label may be, so that a number can be added to it.
pub(super) fn dns_label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !(1..=NAME_MAX).contains(&name.len()) || !name.chars().all(legal) || name.starts_with('-') || name.ends_with('-')
    {
        return Err(Error::custom(format!(
            "`{name}` cannot be a host name: use up to {NAME_MAX} letters, digits and inner hyphens, without `.local`"
        )));
    }
    Ok(name.to_ascii_lowercase())
}

/// The longest time: `TCP_USER_TIMEOUT` counts milliseconds in 31 bits (tcp(7)).
const MOST_SECONDS: u64 = i32::MAX as u64 / 1_000;

/// The largest number of anything else: on 32 bits, tokio counts up to 536,870,911 connections.
const MOST: u64 = 500_000_000;

/// A time above zero, up to [`MOST_SECONDS`].
pub(super) fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    positive_up_to(MOST_SECONDS, deserializer)
}

/// A number above zero, up to [`MOST`].
pub(super) fn positive<'de, D: Deserializer<'de>, N: TryFrom<u64>>(deserializer: D) -> Result<N, D::Error> {
    positive_up_to(MOST, deserializer)
}

fn positive_up_to<'de, D: Deserializer<'de>, N: TryFrom<u64>>(most: u64, deserializer: D) -> Result<N, D::Error> {
    let number = u64::deserialize(deserializer)?;
    if number == 0 {
        return Err(Error::custom("0 would refuse everything"));
    }
    let counted = Some(number).filter(|number| *number <= most);
    let counted = counted.and_then(|number| N::try_from(number).ok());
    counted.ok_or_else(|| Error::custom(format!("{number} is more than {most}, which is the most")))
}

/// A number of bytes above zero: an integer, or text such as `"500 MB"` or `"4 GiB"`.
pub(super) fn byte_size<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: TryFrom<u64>,
{
    let bytes = deserializer.deserialize_any(ByteSize(PhantomData::<N>))?;
    N::try_from(bytes).map_err(|_| Error::custom(format!("{bytes} bytes are more than this machine can address")))
}

struct ByteSize<N>(PhantomData<N>);

impl<N> Visitor<'_> for ByteSize<N> {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of bytes above zero, or text such as \"500 MB\" or \"4 GiB\"")
    }

    fn visit_u64<E: Error>(self, bytes: u64) -> Result<u64, E> {
        match bytes {
            0 => Err(E::custom("0 would refuse everything")),
            _ if i64::try_from(bytes).is_err() => Err(E::custom("no machine has so many bytes")),
            _ => Ok(bytes),
        }
    }

    fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
        let unsigned =
            u64::try_from(bytes).map_err(|_| E::invalid_value(serde::de::Unexpected::Signed(bytes), &self))?;
        self.visit_u64(unsigned)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        let bytes = parse_byte_size(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
        self.visit_u64(bytes)
    }
}

/// `"4 GiB"` → 4 × 2³⁰. Units as IEC 80000-13 has them, in any case; none is bytes.
fn parse_byte_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error as ValueError, StrDeserializer};

    fn text(value: &str) -> StrDeserializer<'_, ValueError> {
        value.into_deserializer()
    }

    #[test]
    fn urls_lose_their_trailing_slash() {
        assert_eq!(
            http_url(text("https://pkgs.example/pypi/")).unwrap().unwrap(),
            "https://pkgs.example/pypi"
        );
        for url in [
            "http://[::1]:8089",
            "http://[2001:db8::1]",
            "http://192.0.2.1:80/x",
            "http://my_pypi:65535",
            "http://3com.example.",
        ] {
            assert_eq!(http_url(text(url)).unwrap().unwrap(), url);
        }
    }

    #[test]
    fn urls_that_clients_could_not_use_are_refused() {
        for url in [
            "pkgs.example",
            "ftp://pkgs.example",
            "http://",
            "http:///x",
            "http://a b",
            "http://a/?q",
            "http://u:p@a",
            "http://a:99999/",
            "http://a:0",
            "http://a:",
            "http://a:+80",
            "http://a:b:80",
            "http://::1",
            "http://[::g]:80",
            "http://[::1]x",
            "http://300.1.1.1",
            "http://a..b",
            "http://a,b",
        ] {
            assert!(http_url(text(url)).is_err(), "{url}");
        }
    }

    #[test]
    fn byte_sizes_have_units() {
        assert_eq!(parse_byte_size("4 GiB"), Some(4 << 30));
        assert_eq!(parse_byte_size("500MB"), Some(500_000_000));
        assert_eq!(parse_byte_size("17"), Some(17));
        for wrong in ["", "GiB", "4 apples", "-1", "99999999999 TiB"] {
            assert_eq!(parse_byte_size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_are_above_zero_and_can_be_counted() {
        let value = |number: u64| IntoDeserializer::<ValueError>::into_deserializer(number);
        for right in [1, MOST] {
            assert_eq!(positive(value(right)), Ok(right));
        }
        for wrong in [0, MOST + 1, i64::MAX as u64] {
            assert!(positive::<_, u64>(value(wrong)).is_err(), "{wrong}");
            assert!(seconds(value(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn host_names_are_one_label() {
        assert_eq!(dns_label(text("Lab-2")).unwrap(), "lab-2");
        assert!(dns_label(text(&"a".repeat(60))).is_ok());
        for wrong in ["", "lab.local", "-lab", "lab-", "lab_2", "höhle", &"a".repeat(61)] {
            assert!(dns_label(text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_is_not_empty() {
        assert_eq!(optional_path(text("/a b")).unwrap().unwrap(), PathBuf::from("/a b"));
        assert!(path(text("")).is_err() && optional_path(text("")).is_err());
    }

    #[test]
    fn a_path_that_only_a_shell_understands_is_refused() {
        for wrong in ["~", "~/packages", "$HOME/packages", "${HOME}/packages"] {
            let told = path(text(wrong)).unwrap_err().to_string();
            assert!(told.contains(wrong) && told.contains("in full"), "{told}");
        }
        for right in ["/srv/~", "~backup/packages", "a$b"] {
            assert_eq!(path(text(right)).unwrap(), PathBuf::from(right));
        }
    }

    #[test]
    fn health_paths_are_absolute() {
        assert_eq!(url_path(text("/live/z-1")).unwrap().unwrap(), "/live/z-1");
        for wrong in ["", "/", "//", "//live", "/a//b", "live", "/a b", "/a?b"] {
            assert!(url_path(text(wrong)).is_err(), "{wrong}");
        }
    }
}
