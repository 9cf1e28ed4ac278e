//! The documented file beside the defaults, which source goes before which, and what each mistake is answered with.

use super::*;

const DOCUMENTED: &str = include_str!("../../../packaging/config.toml");

/// The file with every setting active.
fn uncommented() -> String {
    let active = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase()) => rest.to_owned(),
        _ => line.to_owned(),
    };
    DOCUMENTED.lines().map(|line| active(line) + "\n").collect()
}

fn load_text(text: &str, env: &[(&str, &str)], flags: Flags) -> Result<Loaded, ConfigError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, text).unwrap();
    let env = env.iter().map(|(name, value)| (name.into(), value.into()));
    load(Some(&path), flags, env)
}

fn errors(text: &str, env: &[(&str, &str)]) -> String {
    load_text(text, env, Flags::default()).unwrap_err().to_string()
}

#[test]
fn the_documented_file_changes_nothing() {
    let loaded = load_text(DOCUMENTED, &[], Flags::default()).unwrap();
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn the_documented_file_shows_every_setting_with_its_default() {
    let documented: Config = toml::from_str(&uncommented()).unwrap();
    assert_eq!(documented, schema::example(), "the values in packaging/config.toml");
    let keys = toml::Table::from_iter(toml::from_str::<toml::Table>(&uncommented()).unwrap());
    let count = |value: &toml::Value| value.as_table().map_or(1, toml::Table::len);
    assert_eq!(
        keys.values().map(count).sum::<usize>(),
        schema::SETTINGS.len(),
        "the keys in packaging/config.toml"
    );
}

#[test]
fn a_setting_without_a_default_says_so() {
    let defaults = toml::Table::try_from(Config::default()).unwrap();
    let has_default = |path: &str| match path.split_once('.') {
        Some((section, key)) => defaults.get(section).is_some_and(|table| table.get(key).is_some()),
        None => defaults.contains_key(path),
    };
    let unset = schema::SETTINGS.keys().filter(|path| !has_default(path)).count();
    // The three settings of [tls] share one remark.
    assert_eq!(DOCUMENTED.matches("\n# Not set: ").count(), unset - 2);
}

#[test]
fn a_section_is_no_setting_to_mean() {
    let mut flags = Flags::default();
    flags.set("store", ["x"]);
    let told = load_text("", &[], flags).unwrap_err().to_string();
    assert_eq!(told, "store on the command line: no such setting");
}

#[test]
fn a_flag_goes_before_the_environment_and_that_before_the_file() {
    let text = "[log]\nlevel = 'error'\n[mdns]\nname = 'file'\n[store]\ncache = '/file'";
    let env = [("MICROPYPI_MDNS_NAME", "env"), ("MICROPYPI_STORE_CACHE", "/env")];
    let mut flags = Flags::default();
    flags.set("store.cache", ["/flag"]);
    let config = load_text(text, &env, flags).unwrap().config;
    assert_eq!(config.log.level, crate::config::Level::Error);
    assert_eq!(config.mdns.name, "env");
    assert_eq!(config.store.cache, Path::new("/flag"));
}

#[test]
fn the_environment_has_every_type() {
    let env = [
        ("MICROPYPI_LISTEN", "[::1]:1, 127.0.0.1:2"),
        ("MICROPYPI_STORE_PACKAGES", "['/a,b']"),
        ("MICROPYPI_STORE_OVERWRITE", "true"),
        ("MICROPYPI_LIMITS_UPLOAD_BYTES", "2 GiB"),
        ("MICROPYPI_LIMITS_CONNECTIONS", "7"),
        ("MICROPYPI_AUTH_PROTECT", "[]"),
        ("MICROPYPI_INDEX_CACHE_CONTROL", "60"),
        ("MICROPYPI_MDNS_NAME", ""),
        ("MICROPYPI_PORT_8089_TCP", "tcp://10.0.0.1:8089"),
    ];
    let config = load_text("", &env, Flags::default()).unwrap().config;
    assert_eq!(
        config.listen,
        ["[::1]:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]
    );
    assert_eq!(config.store.packages, [Path::new("/a,b")]);
    assert!(config.store.overwrite && config.auth.protect.is_empty());
    assert_eq!((config.limits.upload_bytes, config.limits.connections), (2 << 30, 7));
    assert_eq!(config.index.cache_control, Some(60));
    assert_eq!(config.mdns.name, "micropypi");
}

#[test]
fn all_mistakes_are_told_at_once_and_in_place() {
    let text = "lisen = 1\n[store]\noverwrite = 'yes'\npackges = []\n[mdns]\nname = 'a.b'";
    let told = errors(
        text,
        &[
            ("MICROPYPI_STORE_CASHE", "/x"),
            ("MICROPYPI_LIMITS_CONNECTIONS", "many"),
        ],
    );
    for expected in [
        "6 settings are wrong",
        "config.toml:1:1: unknown key `lisen`",
        "  | ^^^^^ did you mean `listen`?",
        "config.toml:3:13: invalid type: string \"yes\", expected true or false",
        "^^^^^ for example `overwrite = false`",
        "config.toml:4:1: unknown key `store.packges`",
        "did you mean `packages` below `[store]`?",
        "config.toml:6:8: `a.b` cannot be a host name",
        "MICROPYPI_STORE_CASHE in the environment: no such setting\n  = did you mean `MICROPYPI_STORE_CACHE`?",
        "MICROPYPI_LIMITS_CONNECTIONS in the environment: invalid type: string \"many\"",
    ] {
        assert!(told.contains(expected), "{expected:?} is not in\n{told}");
    }
}

#[test]
fn a_port_is_told_from_a_service_link() {
    let link = [
        ("MICROPYPI_PORT", "tcp://10.0.0.1:8089"),
        ("MICROPYPI_PORT_8089_TCP_ADDR", "10.0.0.1"),
        ("MICROPYPI_PORT_8089_TCP_PORT", "8089"),
        ("MICROPYPI_PORT_8089_TCP_PROTO", "tcp"),
        ("MICROPYPI_SERVICE_HOST", "10.0.0.1"),
        ("MICROPYPI_SERVICE_PORT", "8089"),
    ];
    load_text("", &link, Flags::default()).unwrap();
    let told = errors("", &[("MICROPYPI_PORT", "9000")]);
    assert_eq!(
        told,
        "MICROPYPI_PORT in the environment: no such setting\n  = did you mean `MICROPYPI_LISTEN=[::]:9000`?"
    );
}

#[test]
fn the_wrong_entry_of_a_list_is_pointed_at() {
    let told = errors("listen = [\n  '[::]:8089',\n  'here',\n]", &[]);
    assert!(
        told.contains("config.toml:3:3: this is not an IP address and a port"),
        "{told}"
    );
}

#[test]
fn an_empty_path_is_pointed_at_wherever_it_stands() {
    let text = "welcome = ''\n[store]\npackages = ['a', '']\ncache = ''\n[auth]\npasswords = ''\n[boards]\n\
                mpy_cross = ''\n[tls]\ncertificate = ''\nkey = ''\n[log]\nfile = ''\n";
    let told = errors(text, &[]);
    for place in ["1:11", "3:18", "4:9", "6:13", "8:13", "10:15", "11:7", "13:8"] {
        let expected = format!("config.toml:{place}: the path is empty");
        assert!(told.contains(&expected), "{expected} is not in\n{told}");
    }
    let mut flags = Flags::default();
    flags.set("store.cache", [""]);
    let told = load_text("", &[], flags).unwrap_err().to_string();
    assert!(
        told.contains("store.cache on the command line: the path is empty"),
        "{told}"
    );
}

#[test]
fn contradictions_point_at_the_setting_that_made_them() {
    let told = errors("listen = ['[::]:1', '[::]:1']", &[]);
    assert!(told.contains("config.toml:1:10: [::]:1 is there twice"), "{told}");
    let told = errors("[tls]\nkey = 'k'", &[]);
    assert!(
        told.contains("config.toml:2:7: HTTPS needs `certificate`, too"),
        "{told}"
    );
    let told = errors("", &[("MICROPYPI_STORE_CACHE", "data/packages")]);
    assert!(
        told.contains("MICROPYPI_STORE_CACHE in the environment: data/packages would be served with"),
        "{told}"
    );
}

#[test]
fn broken_toml_has_a_caret() {
    let told = errors("[store\noverwrite = true", &[]);
    assert!(told.contains("config.toml:1:7: ") && told.contains('^'), "{told}");
}

#[test]
fn an_empty_text_does_not_take_protection_away() {
    let mut flags = Flags::default();
    flags.set_text("auth.protect", "");
    assert!(load_text("", &[], flags).is_err());
    assert!(load_text("", &[("MICROPYPI_AUTH_PROTECT", " ")], Flags::default()).is_err());
    let unset = load_text("", &[("MICROPYPI_AUTH_PROTECT", "")], Flags::default()).unwrap();
    assert_eq!(unset.config, Config::default());
}

#[test]
fn none_protects_nothing_and_goes_with_nothing_else() {
    let protect = |value| load_text("", &[("MICROPYPI_AUTH_PROTECT", value)], Flags::default());
    assert!(protect("none").unwrap().config.auth.protect.is_empty());
    let told = protect("none, list").unwrap_err().to_string();
    assert!(told.contains("; `none` protects nothing"), "{told}");
    let told = errors("[auth]\nprotect = ['none']", &[]);
    assert!(told.contains("; `[]` protects nothing"), "{told}");
    let mut flags = Flags::default();
    flags.set_text("auth.protect", "none");
    assert!(load_text("", &[], flags).unwrap().config.auth.protect.is_empty());
}

#[test]
fn rust_is_not_spoken() {
    let told = errors("[index]\ncache_control = -1\n[limits]\nform_fields = 'x'", &[]);
    assert!(told.contains("integer `-1`, expected a whole number"), "{told}");
    assert!(!told.contains("u32") && !told.contains("usize"), "{told}");
    let told = errors(
        "listen = '[::]:1'\ntrusted_proxies = ['10.0.0.1']\n[auth]\nprotect = ['up']",
        &[],
    );
    for plain in [
        "expected a list",
        "10.0.0.0/8",
        "/32 for one address",
        "unknown value `up`",
    ] {
        assert!(told.contains(plain), "{told}");
    }
}

#[test]
fn a_section_is_not_a_setting() {
    let told = errors("store = true", &[]);
    assert!(
        told.contains("`store` is a section") && told.contains("write `[store]`"),
        "{told}"
    );
}

#[test]
fn a_reload_keeps_flags_and_reads_the_file_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, "[mdns]\nname = 'one'").unwrap();
    let mut flags = Flags::default();
    flags.set("store.cache", ["/flag"]);
    let loaded = load(Some(&path), flags, std::iter::empty()).unwrap();
    std::fs::write(&path, "[mdns]\nname = 'two'\n[store]\ncache = '/file'").unwrap();
    let config = loaded.reload().unwrap().config;
    assert_eq!(
        (config.mdns.name.as_str(), config.store.cache.as_path()),
        ("two", Path::new("/flag"))
    );
}

#[test]
fn a_named_file_must_be_there() {
    let error = load(Some(Path::new("/nowhere/c.toml")), Flags::default(), std::iter::empty()).unwrap_err();
    assert_eq!(error.to_string(), "cannot read the configuration file /nowhere/c.toml");
}

#[test]
fn what_is_no_toml_is_answered_with_an_example_of_the_setting() {
    for (text, expected) in [
        ("[store]\noverwrite = yes", "^^^ for example `overwrite = false`"),
        (
            "[store]\nwatch = 'poll'\noverwrite: true",
            "for example `overwrite = false`",
        ),
        (
            "[store]\npackages = /srv/packages",
            "for example `packages = [\"data/packages\"]`",
        ),
        (
            "listen = [\u{201c}[::]:80\u{201d}]",
            "for example `listen = [\"[::]:8089\"]`",
        ),
        (
            "[store]\noverwrite = true\n[mdns]\n[store]\nwatch = 'poll'",
            "`[store]` is there already: move its settings below the first",
        ),
    ] {
        let told = errors(text, &[]);
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_file_in_another_encoding_is_told_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, b"[mdns]\n# J\xfcrgen\n").unwrap();
    let error = load(Some(&path), Flags::default(), std::iter::empty()).unwrap_err();
    let told = error.to_string();
    assert!(
        told.ends_with("config.toml is not UTF-8 in line 2: save it as UTF-8"),
        "{told}"
    );
    assert!(error.is_lasting());
}
