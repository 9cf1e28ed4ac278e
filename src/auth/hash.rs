//! One hash of an htpasswd file: parsed so strictly that checking a password cannot fail, panic or take minutes.
//! Called by [`passwords`](super::passwords) and `passwd`.

#[cfg(feature = "legacy-htpasswd")]
mod legacy;

use bcrypt::{BcryptError, HashParts, Version};
use sha_crypt::{PasswordVerifier, ShaCrypt};

#[cfg(feature = "legacy-htpasswd")]
use self::legacy::LegacyHash;

/// Most expensive bcrypt that is checked: about 3 s on a desktop machine. Each step doubles it; 31 takes days.
const MAX_BCRYPT_COST: u32 = 15;

/// Most rounds of SHA-crypt that are checked: about half a second on a desktop machine.
const SHA_CRYPT_ROUNDS: std::ops::RangeInclusive<u32> = 1_000..=1_000_000;

/// Rounds of a SHA-crypt hash that names none.
const SHA_CRYPT_DEFAULT_ROUNDS: u32 = 5_000;

/// Cost of the hashes that `micropypi passwd` makes: 50 ms on a desktop machine, a third of a second on a Raspberry Pi 3.
const NEW_BCRYPT_COST: u32 = 10;

/// A password's hash. Has no `Debug`, so that no log can hold it.
pub(super) enum PasswordHash {
    /// `$2a$`, `$2b$`, `$2y$`.
    Bcrypt { text: Box<str>, cost: u32 },
    /// `$5$`, `$6$`.
    ShaCrypt { text: Box<str>, rounds: u32 },
    /// What apache's tool makes with `-m`, `-s`, `-d`.
    #[cfg(feature = "legacy-htpasswd")]
    Legacy(LegacyHash),
}

/// How much work it is to check a password: equal works take equal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Work {
    /// One of the cheap old kinds.
    Legacy,
    /// `$5$` with so many rounds.
    Sha256Crypt { rounds: u32 },
    /// `$6$` with so many rounds.
    Sha512Crypt { rounds: u32 },
    /// bcrypt with that cost.
    Bcrypt { cost: u32 },
}

impl PasswordHash {
    /// The one door. The error says what is wrong without a word of the text.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        match text.get(..4).unwrap_or_default() {
            "$2a$" | "$2b$" | "$2y$" => parse_bcrypt(text),
            "$2x$" => Err("a `$2x$` hash comes from a faulty bcrypt: set the password anew with `micropypi passwd`"),
            _ if text.starts_with("$5$") => parse_sha_crypt(text, 43),
            _ if text.starts_with("$6$") => parse_sha_crypt(text, 86),
            _ => parse_legacy(text),
        }
    }

    /// A new hash for `password`, as `$2y$` because apache's tools read no other letter.
    pub(super) fn make(password: &str) -> Result<String, BcryptError> {
        Ok(bcrypt::hash_with_result(password, NEW_BCRYPT_COST)?.format_for_version(Version::TwoY))
    }

    /// Whether `password` is the one. Blocks for as long as the hash was made to take.
    pub(super) fn verify(&self, password: &str) -> bool {
        match self {
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text).unwrap_or(false),
            Self::ShaCrypt { text, .. } => ShaCrypt::default()
                .verify_password(password.as_bytes(), &**text)
                .is_ok(),
            #[cfg(feature = "legacy-htpasswd")]
            Self::Legacy(hash) => hash.verify(password),
        }
    }

    /// How much work [`verify`](Self::verify) is.
    pub(super) fn work(&self) -> Work {
        match self {
            Self::Bcrypt { cost, .. } => Work::Bcrypt { cost: *cost },
            Self::ShaCrypt { text, rounds } if text.starts_with("$5$") => Work::Sha256Crypt { rounds: *rounds },
            Self::ShaCrypt { rounds, .. } => Work::Sha512Crypt { rounds: *rounds },
            #[cfg(feature = "legacy-htpasswd")]
            Self::Legacy(_) => Work::Legacy,
        }
    }

    /// Whether it ought to be replaced by a better one.
    pub(super) fn is_legacy(&self) -> bool {
        self.work() == Work::Legacy
    }
}

fn parse_bcrypt(text: &str) -> Result<PasswordHash, &'static str> {
    let parts: HashParts = text.parse().map_err(|_| "the bcrypt hash is cut off or garbled")?;
    match parts.get_cost() {
        cost @ 4..=MAX_BCRYPT_COST => Ok(PasswordHash::Bcrypt {
            text: text.into(),
            cost,
        }),
        _ => Err("the cost of the bcrypt hash is not from 4 to 15: a login would take too long"),
    }
}

/// `$5$[rounds=N$]salt$hash`, as crypt(5) has it.
fn parse_sha_crypt(text: &str, hash_len: usize) -> Result<PasswordHash, &'static str> {
    const GARBLED: &str = "the SHA-crypt hash is cut off or garbled";
    let body = text.get(3..).ok_or(GARBLED)?;
    let (rounds, body) = match body.strip_prefix("rounds=") {
        Some(rest) => rest.split_once('$').ok_or(GARBLED)?,
        None => ("", body),
    };
    let (salt, hash) = body.split_once('$').ok_or(GARBLED)?;
    let salt_fits = (1..=16).contains(&salt.len()) && is_crypt_base64(salt);
    if !salt_fits || hash.len() != hash_len || !is_crypt_base64(hash) {
        return Err(GARBLED);
    }
    let rounds = match rounds {
        "" => SHA_CRYPT_DEFAULT_ROUNDS,
        digits => digits.parse().map_err(|_| GARBLED)?,
    };
    if !SHA_CRYPT_ROUNDS.contains(&rounds) {
        return Err("the rounds of the SHA-crypt hash are not from 1000 to 1000000: a login would take too long");
    }
    Ok(PasswordHash::ShaCrypt {
        text: text.into(),
        rounds,
    })
}

#[cfg(feature = "legacy-htpasswd")]
fn parse_legacy(text: &str) -> Result<PasswordHash, &'static str> {
    LegacyHash::parse(text).map(PasswordHash::Legacy)
}

#[cfg(not(feature = "legacy-htpasswd"))]
fn parse_legacy(_text: &str) -> Result<PasswordHash, &'static str> {
    Err(
        "no hash that this build knows (bcrypt, `$5$`, `$6$`): MD5, SHA-1 and DES hashes need the feature `legacy-htpasswd`, \
         and plain text is not accepted; set the password with `micropypi passwd`",
    )
}

/// The alphabet of crypt(5).
fn is_crypt_base64(text: &str) -> bool {
    text.bytes()
        .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'/')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Made by apache's htpasswd 2.4.71 from the password `secret`.
    const BCRYPT: &str = "$2y$04$2mJNt02x2snj313YuGdH3OH8R0U2PU0ScMK7ze6pTFaStbGjk0rqe";
    const SHA_256: &str = "$5$92B2pIcPvJabqD0c$sobWDtGUOOuVLpXVhA9hxQpWPnesiTzEd47bartplS4";
    const SHA_256_ROUNDS: &str = "$5$rounds=20000$/AztYjgiVNKiH9Uh$qhFvg.ZaECrkwshBhvZ2E.jWqsMnyVk5BcOlU3.Sy57";
    const SHA_512: &str =
        "$6$ztq2No2NuWmktsgZ$2lSTOaAZL3dlweNsa.4OeuNPOB37YHkYNP7pdTQn2WZdjJG4e1cRrj5E3X0WGlnk/.c53JlcUcW8fPwjMTdS7.";
    const MD5: &str = "$apr1$B9PeqsI.$3Y/KnPFr4vJT3kkPZXM.a/";
    const SHA_1: &str = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    const DES: &str = "pnUPvTX1JxpFM";
    const ALL: [&str; 7] = [BCRYPT, SHA_256, SHA_256_ROUNDS, SHA_512, MD5, SHA_1, DES];

    fn reason(text: &str) -> &'static str {
        PasswordHash::parse(text).err().expect(text)
    }

    #[test]
    fn every_letter_of_bcrypt_is_checked_but_the_faulty_one() {
        for letter in ["2a", "2b", "2y"] {
            let hash = PasswordHash::parse(&BCRYPT.replacen("2y", letter, 1)).unwrap();
            assert!(hash.verify("secret") && !hash.verify("Secret") && !hash.verify(""));
            assert_eq!(hash.work(), Work::Bcrypt { cost: 4 });
        }
        assert!(reason(&BCRYPT.replacen("2y", "2x", 1)).contains("faulty"));
    }

    #[test]
    fn both_kinds_of_sha_crypt_are_checked() {
        for text in [SHA_256, SHA_256_ROUNDS, SHA_512] {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify("secret") && !hash.verify("Secret") && !hash.verify(""));
        }
        let work = |text| PasswordHash::parse(text).unwrap().work();
        assert_eq!(work(SHA_256), Work::Sha256Crypt { rounds: 5_000 });
        assert_eq!(work(SHA_256_ROUNDS), Work::Sha256Crypt { rounds: 20_000 });
        assert_eq!(work(SHA_512), Work::Sha512Crypt { rounds: 5_000 });
    }

    #[cfg(feature = "legacy-htpasswd")]
    #[test]
    fn the_old_kinds_are_checked_and_known_as_old() {
        for text in [MD5, SHA_1, DES] {
            let hash = PasswordHash::parse(text).unwrap();
            assert!(hash.verify("secret") && !hash.verify("Secret") && !hash.verify(""));
            assert!(hash.is_legacy());
        }
    }

    #[cfg(feature = "legacy-htpasswd")]
    #[test]
    fn an_old_hash_takes_passwords_of_any_length() {
        for length in 0..=255 {
            let password = "ä".repeat(length);
            for text in [MD5, SHA_1, DES] {
                assert!(!PasswordHash::parse(text).unwrap().verify(&password));
            }
        }
    }

    #[cfg(not(feature = "legacy-htpasswd"))]
    #[test]
    fn the_old_kinds_are_refused_with_the_way_out() {
        for text in [MD5, SHA_1, DES] {
            assert!(reason(text).contains("feature `legacy-htpasswd`"));
            assert!(reason(text).contains("`micropypi passwd`"));
        }
    }

    #[test]
    fn a_hash_that_would_take_minutes_is_refused() {
        for cost in ["03", "16", "31", "99"] {
            assert!(reason(&BCRYPT.replacen("04", cost, 1)).contains("cost"), "{cost}");
        }
        for rounds in ["999", "1000001", "999999999"] {
            assert!(
                reason(&SHA_256_ROUNDS.replacen("20000", rounds, 1)).contains("rounds"),
                "{rounds}"
            );
        }
        assert!(reason(&SHA_256_ROUNDS.replacen("20000", "4294967296", 1)).contains("garbled"));
    }

    #[test]
    fn plain_text_and_unknown_kinds_are_refused() {
        for text in [
            "",
            "hunter2",
            "$",
            "$$$",
            "$1$abc$def",
            "$y$j9T$abc$def",
            "{SSHA}abc",
            "x$2y$04$",
        ] {
            assert!(reason(text).contains("`micropypi passwd`"), "{text}");
        }
    }

    #[test]
    fn a_hash_that_is_cut_off_anywhere_is_refused() {
        for text in ALL {
            for end in 0..text.len() {
                assert!(PasswordHash::parse(&text[..end]).is_err(), "{}", &text[..end]);
            }
        }
    }

    #[test]
    fn a_new_hash_is_bcrypt_as_apache_writes_it() {
        let text = PasswordHash::make("secret").unwrap();
        assert!(text.starts_with("$2y$10$"), "{text}");
        assert!(PasswordHash::parse(&text).unwrap().verify("secret"));
    }

    proptest! {
        #[test]
        fn what_parses_can_be_checked(at in 0..60_usize, new in any::<char>(), kind in 0..ALL.len()) {
            let garbled: String = ALL[kind].chars().enumerate().map(|(i, old)| if i == at { new } else { old }).collect();
            if let Ok(hash) = PasswordHash::parse(&garbled) {
                let cheap = hash.work() <= Work::Bcrypt { cost: 5 };
                prop_assert!(!cheap || !hash.verify("another"));
            }
        }

        #[test]
        fn no_text_panics(text in "[$256aby./rounds=A-Z{}0-9é]{0,120}") {
            let _ = PasswordHash::parse(&text);
        }
    }
}
