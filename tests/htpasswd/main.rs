//! Password files that apache's own `htpasswd` makes and reads, against [`Authenticator`] and `micropypi passwd`.
//! The tool comes from the machine or from Debian's package (`tests/htpasswd/tool`); without it the tests fail.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use micropypi::auth::{Action, AuthError, Authenticator, Denied, Policy};

const HOME: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What each kind of hash is called by the tool.
#[cfg(feature = "legacy-htpasswd")]
const LEGACY: [&[&str]; 3] = [&["-m"], &["-s"], &["-d"]];
const MODERN: [&[&str]; 5] = [&["-B"], &["-B", "-C", "10"], &["-2"], &["-5"], &["-5", "-r", "20000"]];

/// A shell command that runs the tool.
static TOOL: LazyLock<String> = LazyLock::new(|| {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/htpasswd/tool");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("htpasswd");
    let output = Command::new(script).arg(cache).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
});

/// Runs the tool with `password` on its standard input; returns whether it was content.
fn htpasswd(options: &[&str], file: &Path, user: &str, password: &str) -> bool {
    let script = format!("{} \"$@\"", *TOOL);
    let mut command = Command::new("sh");
    command
        .args(["-c", &script, "htpasswd", "-i"])
        .args(options)
        .arg(file)
        .arg(user);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    // It may refuse a user that is not there before it reads the password.
    let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
    child.wait().unwrap().success()
}

/// Runs `micropypi passwd` with `password` on its standard input; returns whether it was content, and what it said.
fn passwd(options: &[&str], file: &Path, user: &str, password: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_micropypi"));
    command.args(["passwd", user, "--file"]).arg(file).args(options);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may refuse the user name before it reads the password.
    let _ = child.stdin.take().unwrap().write_all(password.as_bytes());
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

fn password_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwords");
    (directory, path)
}

const UPDATE: Policy = Policy {
    list: false,
    download: false,
    update: true,
};

fn open(path: &Path) -> Result<Authenticator, AuthError> {
    Authenticator::open(UPDATE, Some(path.to_owned()), "")
}

async fn login(authenticator: &Authenticator, user: &str, password: &str) -> Result<(), Denied> {
    let header = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    authenticator
        .check(Action::Upload, Some(header.as_bytes()), HOME)
        .await
        .map(drop)
}

async fn each_kind_logs_in(kinds: &[&[&str]]) {
    for password in ["secret", "p:ä $\\\"'"] {
        let (_directory, path) = password_file();
        fs::write(&path, "# made by apache\n\n").unwrap();
        for (n, kind) in kinds.iter().enumerate() {
            assert!(htpasswd(kind, &path, &format!("user{n}"), password), "{kind:?}");
        }
        let authenticator = open(&path).unwrap();
        for (n, kind) in kinds.iter().enumerate() {
            let user = format!("user{n}");
            assert_eq!(login(&authenticator, &user, password).await, Ok(()), "{kind:?}");
            assert_eq!(
                login(&authenticator, &user, "Secret").await,
                Err(Denied::WrongPassword),
                "{kind:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_apache_makes_today_logs_in() {
    each_kind_logs_in(&MODERN).await;
}

#[cfg(feature = "legacy-htpasswd")]
#[tokio::test]
async fn what_apache_made_long_ago_logs_in() {
    each_kind_logs_in(&LEGACY).await;
}

#[test]
fn plain_text_is_refused_by_number() {
    let (_directory, path) = password_file();
    assert!(htpasswd(&["-c", "-B"], &path, "ann", "secret"));
    assert!(htpasswd(&["-p"], &path, "bob", "hunter2"));
    let error = open(&path).unwrap_err().to_string();
    assert!(
        error.contains("line 2: ") && error.contains("plain text is not accepted"),
        "{error}"
    );
    assert!(!error.contains("hunter2"), "{error}");
}

#[tokio::test]
async fn a_running_server_sees_what_apache_changes() {
    let (_directory, path) = password_file();
    assert!(htpasswd(&["-c", "-B"], &path, "ann", "first"));
    let authenticator = open(&path).unwrap();
    login(&authenticator, "ann", "first").await.unwrap();
    assert!(htpasswd(&["-B"], &path, "ann", "second"));
    assert!(htpasswd(&["-B"], &path, "bob", "third"));
    assert_eq!(login(&authenticator, "ann", "second").await, Ok(()));
    assert_eq!(login(&authenticator, "bob", "third").await, Ok(()));
    assert_eq!(login(&authenticator, "ann", "first").await, Err(Denied::WrongPassword));
    assert!(htpasswd(&["-D"], &path, "bob", ""));
    assert_eq!(
        login(&authenticator, "nobody", "third").await,
        Err(Denied::WrongPassword)
    );
    assert_eq!(login(&authenticator, "bob", "third").await, Err(Denied::WrongPassword));
}

#[test]
fn apache_takes_what_passwd_writes() {
    let (_directory, path) = password_file();
    assert!(htpasswd(&["-c", "-m"], &path, "ann", "secret"));
    let anns = fs::read(&path).unwrap();
    let (done, said) = passwd(&[], &path, "jörg", "süß:1\n");
    assert!(done && said.contains("added the user jörg"), "{said}");
    assert!(fs::read(&path).unwrap().starts_with(&anns));
    assert!(htpasswd(&["-v"], &path, "jörg", "süß:1"));
    assert!(!htpasswd(&["-v"], &path, "jörg", "sauer"));
    assert!(htpasswd(&["-v"], &path, "ann", "secret"));
}

#[test]
fn passwd_deletes_and_refuses() {
    let (_directory, path) = password_file();
    assert!(htpasswd(&["-c", "-B"], &path, "ann", "secret"));
    assert!(passwd(&[], &path, "bob", "secret").0);
    assert!(passwd(&["--delete"], &path, "bob", "").0);
    assert!(!htpasswd(&["-v"], &path, "bob", "secret"));
    let before = fs::read(&path).unwrap();
    let cases: [(&[&str], &str, &str, &str); 4] = [
        (&["--delete"], "bob", "", "there is no user bob"),
        (&[], "a:b", "secret\n", "colon"),
        (&[], "bob", "", "the password is empty"),
        (&[], "bob", &"x".repeat(73), "longer than 72 bytes"),
    ];
    for (options, user, password, reason) in cases {
        let (done, said) = passwd(options, &path, user, password);
        assert!(!done && said.contains(reason), "{said}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

/// Keeps what is logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "legacy-htpasswd")]
async fn an_old_hash_is_told_once(log: &Log) {
    let (_directory, path) = password_file();
    assert!(htpasswd(&["-c", "-s"], &path, "oldie", "topsecret"));
    let authenticator = open(&path).unwrap();
    for _ in 0..3 {
        login(&authenticator, "oldie", "topsecret").await.unwrap();
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let advice = format!("renew it with `micropypi passwd oldie --file {}`", path.display());
    assert_eq!(log.matches(&advice).count(), 1, "{log}");
}

#[tokio::test]
async fn the_log_tells_what_happened_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    // Hashing runs on other threads, which only a global subscriber hears.
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let (_directory, path) = password_file();
    assert!(htpasswd(&["-c", "-B"], &path, "ann", "topsecret"));
    #[cfg(feature = "legacy-htpasswd")]
    an_old_hash_is_told_once(&log).await;
    let authenticator = open(&path).unwrap();
    login(&authenticator, "ann", "topsecret").await.unwrap();
    login(&authenticator, "ann", "wrongsecret").await.unwrap_err();
    // Somebody who pastes the password where the name belongs.
    login(&authenticator, "topsecret", "wrongsecret").await.unwrap_err();
    let file = fs::read_to_string(&path).unwrap();
    let hash = file.trim().strip_prefix("ann:").unwrap();
    fs::write(&path, format!("{file}bob:plainsecret\ncutsecret\n")).unwrap();
    authenticator.reopen(UPDATE, Some(path.clone())).unwrap();

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for told in [
        "peer=127.0.0.1",
        "user=\"ann\"",
        "line 2 of the password file",
        "line 3 of the password file",
        &path.display().to_string(),
    ] {
        assert!(log.contains(told), "{told} is not in:\n{log}");
    }
    let basic = STANDARD.encode("ann:topsecret");
    for secret in ["secret", hash, "$2y$", &basic] {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
}
