//! `check-config`: it says what `serve` would, shows what takes effect, and changes nothing.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Output;

use rcgen::CertifiedKey;

use crate::harness::{failure, home, is_empty, micropypi, misconfiguration, ran, success, text, unprivileged, write};

/// What came of a look at `c.toml`.
fn check(directory: &Path) -> Output {
    ran(directory, &["check-config", "-c", "c.toml"])
}

#[test]
fn check_config_changes_nothing_and_shows_what_takes_effect() {
    let home = home();
    let directory = home.path().join("empty");
    fs::create_dir(&directory).unwrap();
    write(
        home.path(),
        "c.toml",
        "[mdns]\nname = 'lab'\n[auth]\npasswords = '/none/htpasswd'\n",
    );
    let output = micropypi(&directory, &["check-config", "-c", "../c.toml", "--show"])
        .env("MICROPYPI_STORE_OVERWRITE", "true")
        .output()
        .unwrap();
    let shown = success(&output);
    assert!(shown.starts_with("../c.toml: OK\n"), "{shown}");
    assert!(
        shown.contains("name = \"lab\"") && shown.contains("overwrite = true"),
        "{shown}"
    );
    assert_eq!(
        text(&output.stderr),
        "warning: auth.passwords: /none/htpasswd is not there\n"
    );
    assert!(is_empty(&directory));
    // What is shown is itself a configuration.
    write(home.path(), "shown.toml", shown.split_once('\n').unwrap().1);
    success(&ran(&directory, &["check-config", "-c", "../shown.toml"]));
}

#[test]
fn check_config_refuses_what_serve_would() {
    let home = home();
    write(home.path(), "c.toml", "[boards]\ninclude = [\"[a\"]\n");
    let said = misconfiguration(&check(home.path()));
    assert!(
        said.starts_with("error: c.toml:2:11: the pattern \"[a\" cannot be read: ") && said.contains("^^^^^^"),
        "{said}"
    );
    let serve = ran(home.path(), &["-c", "c.toml"]);
    assert_eq!(misconfiguration(&serve), said);
    let nested = micropypi(home.path(), &["check-config"])
        .env("MICROPYPI_STORE_PACKAGES", "a, a/b")
        .output()
        .unwrap();
    assert!(
        misconfiguration(&nested).contains("served with all its sub-folders"),
        "{nested:?}"
    );
}

#[test]
fn check_config_looks_at_what_is_there_as_serve_does() {
    let home = home();
    let write = |file, content: &str| write(home.path(), file, content);
    write("secrets", "# staff\nalice\n");
    fs::set_permissions(home.path().join("secrets"), Permissions::from_mode(0o600)).unwrap();
    write("script", "#!/bin/sh\n");
    fs::create_dir_all(home.path().join("folder/sub")).unwrap();
    symlink("folder/sub", home.path().join("stick")).unwrap();
    for (settings, expected) in [
        (
            "auth.passwords = 'secrets'",
            "the password file secrets, line 2: it is not `user:hash`: there is no colon\n",
        ),
        (
            "auth.passwords = 'folder'",
            "the password file folder is not a regular file\n",
        ),
        (
            "store.packages = ['script']",
            "the packages directory script is not a directory\n",
        ),
        (
            "store.packages = ['folder', 'script/a']",
            "the packages directory script/a is not a directory\n",
        ),
        (
            "store.packages = ['stick', 'folder']",
            "the packages directory stick leads into folder, which is served with all its sub-folders\n",
        ),
        ("store.cache = 'script'", "cannot use the cache directory "),
        (
            "welcome = 'folder'",
            "cannot read the page folder (`welcome` in the configuration)\ncaused by: ",
        ),
        (
            "boards.mpy_cross = 'script'",
            "cannot use mpy-cross at script ([boards] mpy_cross)\ncaused by: it is a script",
        ),
    ] {
        write(
            "c.toml",
            &format!("listen = ['127.0.0.1:0']\nmdns.enabled = false\n{settings}\n"),
        );
        let said = failure(&check(home.path()));
        assert!(said.starts_with(&format!("error: {expected}")), "{said}");
        assert!(!home.path().join("data").exists(), "{settings}");
        let serve = failure(&ran(home.path(), &["-c", "c.toml"]));
        assert!(serve.contains(&format!("error: {expected}")), "{serve}");
        fs::remove_dir_all(home.path().join("data")).ok();
    }
}

#[test]
fn check_config_warns_of_what_is_not_there() {
    let home = home();
    for (settings, warning) in [
        (
            "store.packages = ['none', 'stick']",
            "warning: store.packages: stick is not there\n",
        ),
        ("log.file = 'none/log'", "warning: log.file: none is not there\n"),
        ("log.file = 'log'", ""),
    ] {
        write(home.path(), "c.toml", settings);
        let checked = check(home.path());
        assert_eq!(success(&checked), "c.toml: OK\n");
        assert_eq!(text(&checked.stderr), warning);
    }
}

#[test]
fn check_config_warns_of_what_a_welcome_page_shows_as_it_stands() {
    let home = home();
    write(home.path(), "page.html", "{{URL}} has {{PACKAGE}}\n");
    write(home.path(), "c.toml", "welcome = 'page.html'\n");
    let doubtful = check(home.path());
    assert_eq!(success(&doubtful), "c.toml: OK\n");
    let warning = text(&doubtful.stderr);
    assert!(
        warning.starts_with("warning: the page page.html shows as it stands: {{PACKAGE}}; only {{URL}}, "),
        "{warning}"
    );
}

#[test]
fn check_config_warns_of_what_this_user_may_not_read() {
    let home = home();
    write(home.path(), "secrets", "");
    fs::create_dir(home.path().join("folder")).unwrap();
    // The second lies where such a user cannot even tell whether it is there.
    for (closed, passwords) in [("secrets", "secrets"), ("folder", "folder/secrets")] {
        let allow = |mode| fs::set_permissions(home.path().join(closed), Permissions::from_mode(mode)).unwrap();
        allow(0o000);
        write(home.path(), "c.toml", format!("auth.passwords = '{passwords}'\n"));
        let mut check = unprivileged(home.path(), &["check-config", "-c", "c.toml"]);
        let denied = check.output().unwrap();
        // Whoever is not root could not remove the folder.
        allow(0o700);
        assert_eq!(success(&denied), "c.toml: OK\n");
        let expected = format!(
            "warning: cannot read the password file {passwords}: Permission denied (os error 13); this user may not, \
             and the server's must\n"
        );
        assert_eq!(text(&denied.stderr), expected);
    }
}

#[test]
fn check_config_reads_the_certificate_and_its_key() {
    let home = home();
    let write = |file, content: &str| write(home.path(), file, content);
    let check = || check(home.path());
    let [(certificate, key), (_, other)] = [(); 2].map(|()| pair());
    write(
        "c.toml",
        "listen = ['127.0.0.1:0']\n[tls]\ncertificate = 'cert.pem'\nkey = 'key.pem'\n",
    );
    write("cert.pem", &certificate);
    // On the machine where this runs, there may be none.
    let missing = check();
    assert_eq!(success(&missing), "c.toml: OK\n");
    assert_eq!(text(&missing.stderr), "warning: tls.key: key.pem is not there\n");
    write("key.pem", &key);
    let right = check();
    assert_eq!(
        (success(&right).as_str(), text(&right.stderr).as_str()),
        ("c.toml: OK\n", "")
    );
    for (wrong, expected) in [
        (
            other.as_str(),
            "the key in key.pem is not the key of the certificate in cert.pem; name two that were made together\n",
        ),
        (
            &key[..key.len() / 2],
            "key: key.pem is damaged: a PEM block has no \"END\" line; copy it anew\n",
        ),
        (&certificate, "key: key.pem holds no PEM block \"BEGIN PRIVATE KEY\"\n"),
    ] {
        write("key.pem", wrong);
        let said = failure(&check());
        assert_eq!(said, format!("error: [tls] {expected}"));
        let serve = ran(home.path(), &["-c", "c.toml"]);
        assert!(failure(&serve).ends_with(&said), "{serve:?}");
    }
    fs::remove_file(home.path().join("key.pem")).unwrap();
    fs::create_dir(home.path().join("key.pem")).unwrap();
    assert!(failure(&check()).starts_with("error: [tls] key: cannot read key.pem\ncaused by: "));
}

#[test]
fn check_config_leaves_to_the_server_what_another_user_may_not_read() {
    let home = home();
    let (certificate, key) = pair();
    for (file, content) in [("cert.pem", certificate), ("key.pem", key)] {
        write(home.path(), file, content);
    }
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.path().join("key.pem"), Permissions::from_mode(0o000)).unwrap();
    write(
        home.path(),
        "c.toml",
        "[tls]\ncertificate = 'cert.pem'\nkey = 'key.pem'\n",
    );
    let check = unprivileged(home.path(), &["check-config", "-c", "c.toml"])
        .output()
        .unwrap();
    assert_eq!(success(&check), "c.toml: OK\n");
    assert_eq!(
        text(&check.stderr),
        "warning: [tls] key: cannot read key.pem: Permission denied (os error 13); this user may not, and the server's must\n"
    );
}

/// A certificate and its key, as PEM.
fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

#[test]
fn check_config_points_at_a_url_that_nobody_can_reach_and_at_an_empty_path() {
    let home = home();
    for (text, expected) in [
        (
            "base_url = 'http://x:99999/'\n",
            "c.toml:1:12: `http://x:99999/` has the port `99999`, which is no number from 1 to 65535\n",
        ),
        (
            "[store]\npackages = ['']\n",
            "c.toml:2:13: the path is empty: name one, or leave the setting out\n",
        ),
    ] {
        write(home.path(), "c.toml", text);
        let said = misconfiguration(&check(home.path()));
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[test]
fn check_config_doubts_that_files_which_change_are_to_be_kept() {
    let home = home();
    let output = micropypi(home.path(), &["check-config"])
        .env("MICROPYPI_INDEX_CACHE_CONTROL", "60")
        .env("MICROPYPI_STORE_OVERWRITE", "true")
        .output()
        .unwrap();
    success(&output);
    assert_eq!(
        text(&output.stderr),
        "warning: cache_control beside overwrite: for 60 seconds a client may go on with a file that an upload has \
         replaced; unset one of the two\n"
    );
}

#[test]
fn the_packaged_file_is_right() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/config.toml");
    let home = home();
    assert_eq!(
        success(&ran(home.path(), &["check-config", "-c", file])),
        format!("{file}: OK\n")
    );
}
