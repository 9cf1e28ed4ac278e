//! The door of each kind of value that TOML has no type for: what passes is legal, what does not says what would be.
//! Called by serde for the fields of `Config`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

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
    Ok(Some(url.trim_end_matches('/').to_owned()))
}

/// An absolute URL path of letters, digits, `-`, `_` and `/`, as pypiserver wants its health endpoint.
pub(super) fn url_path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let path = String::deserialize(deserializer)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/');
    if path.trim_matches('/').is_empty() || !path.starts_with('/') || !path.chars().all(legal) {
        return Err(Error::custom(format!(
            "`{path}` is not a path: it begins with `/` and goes on with letters, digits, `-`, `_` and `/`"
        )));
    }
    Ok(Some(path))
}

/// One label of a host name (RFC 1123 section 2.1): 1 to 63 of letters, digits and inner hyphens; made lower case.
pub(super) fn dns_label<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if !(1..=63).contains(&name.len()) || !name.chars().all(legal) || name.starts_with('-') || name.ends_with('-') {
        return Err(Error::custom(format!(
            "`{name}` is not a host name: 1 to 63 letters, digits and inner hyphens, without `.local`"
        )));
    }
    Ok(name.to_ascii_lowercase())
}

/// A number above zero.
pub(super) fn positive<'de, D, N>(deserializer: D) -> Result<N, D::Error>
where
    D: Deserializer<'de>,
    N: Deserialize<'de> + Default + PartialEq,
{
    let number = N::deserialize(deserializer)?;
    if number == N::default() {
        return Err(Error::custom("0 would refuse everything"));
    }
    Ok(number)
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
        assert_eq!(
            http_url(text("http://[::1]:8089")).unwrap().unwrap(),
            "http://[::1]:8089"
        );
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
    fn host_names_are_one_label() {
        assert_eq!(dns_label(text("Lab-2")).unwrap(), "lab-2");
        for wrong in ["", "lab.local", "-lab", "lab-", "lab_2", "höhle"] {
            assert!(dns_label(text(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn health_paths_are_absolute() {
        assert_eq!(url_path(text("/live/z-1")).unwrap().unwrap(), "/live/z-1");
        for wrong in ["", "/", "live", "/a b", "/a?b"] {
            assert!(url_path(text(wrong)).is_err(), "{wrong}");
        }
    }
}
