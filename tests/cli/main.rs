//! The command line: what the commands print, where they look, and that those that only look change nothing.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::{self, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;

use rcgen::CertifiedKey;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use rustix::termios::{LocalModes, tcgetattr};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// `micropypi` with these arguments, in a directory, with nothing of this process's environment.
fn micropypi(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_micropypi"));
    command.current_dir(directory).env_clear().env("HOME", directory);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// The same as one who may do no more than the permissions say: root becomes another user.
fn unprivileged(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = micropypi(directory, arguments);
    if geteuid().is_root() {
        let program = command.get_program().to_owned();
        command = Command::new("unshare");
        command.current_dir(directory).env_clear().env("HOME", directory);
        command
            .args(["--user", "--map-user=65532"])
            .arg(program)
            .args(arguments);
    }
    command
}

fn home() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a command that fails says.
#[track_caller]
fn failure(output: &Output) -> String {
    said_with(1, output)
}

/// What a command says whose configuration is wrong, after which systemd starts no service again.
#[track_caller]
fn misconfiguration(output: &Output) -> String {
    said_with(78, output)
}

#[track_caller]
fn said_with(status: i32, output: &Output) -> String {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    assert!(output.stdout.is_empty(), "{output:?}");
    text(&output.stderr)
}

#[track_caller]
fn success(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn a_wrong_key_is_shown_in_place() {
    let home = home();
    fs::write(home.path().join("c.toml"), "[store]\noverwite = true\n").unwrap();
    let output = micropypi(home.path(), &["serve", "--config", "c.toml"])
        .output()
        .unwrap();
    let expected = "\
error: c.toml:2:1: unknown key `store.overwite`
  |
2 | overwite = true
  | ^^^^^^^^ did you mean `overwrite` below `[store]`?
";
    assert_eq!(misconfiguration(&output), expected);
}

#[test]
fn every_mistake_of_every_source_is_told_at_once() {
    let home = home();
    fs::write(home.path().join("c.toml"), "listen = ['here']\n").unwrap();
    let output = micropypi(home.path(), &["serve", "--log-level", "loud"])
        .env("MICROPYPI_CONFIG", "c.toml")
        .env("MICROPYPI_MDNS_NAMES", "lab")
        .output()
        .unwrap();
    let said = misconfiguration(&output);
    for expected in [
        "error: 3 settings are wrong\n",
        "c.toml:1:11: this is not an IP address and a port\n",
        "MICROPYPI_MDNS_NAMES in the environment: no such setting\n  = did you mean `MICROPYPI_MDNS_NAME`?\n",
        "log.level on the command line: unknown value `loud`, expected one of `error`, `warn`, `info`, `debug`\n",
    ] {
        assert!(said.contains(expected), "{expected:?} is not in\n{said}");
    }
}

#[test]
fn a_named_file_that_is_missing_is_an_error_with_its_cause() {
    let home = home();
    let output = micropypi(home.path(), &["check-config", "--config", "none.toml"])
        .output()
        .unwrap();
    let expected = "\
error: cannot read the configuration file none.toml
caused by: No such file or directory (os error 2)
";
    assert_eq!(failure(&output), expected);
}

#[test]
fn check_config_changes_nothing_and_shows_what_takes_effect() {
    let home = home();
    let directory = home.path().join("empty");
    fs::create_dir(&directory).unwrap();
    fs::write(
        home.path().join("c.toml"),
        "[mdns]\nname = 'lab'\n[auth]\npasswords = '/none/htpasswd'\n",
    )
    .unwrap();
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
    fs::write(home.path().join("shown.toml"), shown.split_once('\n').unwrap().1).unwrap();
    success(
        &micropypi(&directory, &["check-config", "-c", "../shown.toml"])
            .output()
            .unwrap(),
    );
}

#[test]
fn check_config_refuses_what_serve_would() {
    let home = home();
    fs::write(home.path().join("c.toml"), "[boards]\ninclude = [\"[a\"]\n").unwrap();
    let check = micropypi(home.path(), &["check-config", "-c", "c.toml"])
        .output()
        .unwrap();
    let said = misconfiguration(&check);
    assert!(
        said.starts_with("error: c.toml:2:11: the pattern \"[a\" cannot be read: ") && said.contains("^^^^^^"),
        "{said}"
    );
    let serve = micropypi(home.path(), &["-c", "c.toml"]).output().unwrap();
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
    let write = |file: &str, content: &str| fs::write(home.path().join(file), content).unwrap();
    write("secrets", "# staff\nalice\n");
    fs::set_permissions(home.path().join("secrets"), Permissions::from_mode(0o600)).unwrap();
    write("script", "#!/bin/sh\n");
    fs::create_dir_all(home.path().join("folder/sub")).unwrap();
    symlink("folder/sub", home.path().join("stick")).unwrap();
    let check = || {
        micropypi(home.path(), &["check-config", "-c", "c.toml"])
            .output()
            .unwrap()
    };
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
        let said = failure(&check());
        assert!(said.starts_with(&format!("error: {expected}")), "{said}");
        assert!(!home.path().join("data").exists(), "{settings}");
        let serve = failure(&micropypi(home.path(), &["-c", "c.toml"]).output().unwrap());
        assert!(serve.contains(&format!("error: {expected}")), "{serve}");
        fs::remove_dir_all(home.path().join("data")).ok();
    }
    fs::remove_file(home.path().join("stick")).unwrap();
    write("c.toml", "store.packages = ['none', 'stick']\n");
    let missing = check();
    assert_eq!(success(&missing), "c.toml: OK\n");
    assert_eq!(text(&missing.stderr), "warning: store.packages: stick is not there\n");
    for (file, warning) in [("none/log", "warning: log.file: none is not there\n"), ("log", "")] {
        write("c.toml", &format!("log.file = '{file}'\n"));
        let checked = check();
        assert_eq!(success(&checked), "c.toml: OK\n");
        assert_eq!(text(&checked.stderr), warning);
    }
    write("page.html", "{{URL}} has {{PACKAGE}}\n");
    write("c.toml", "welcome = 'page.html'\n");
    let doubtful = check();
    assert_eq!(success(&doubtful), "c.toml: OK\n");
    let warning = text(&doubtful.stderr);
    assert!(
        warning.starts_with("warning: the page page.html shows as it stands: {{PACKAGE}}; only {{URL}}, "),
        "{warning}"
    );
    // The second lies where such a user cannot even tell whether it is there.
    for (closed, passwords) in [("secrets", "secrets"), ("folder", "folder/secrets")] {
        let allow = |mode| fs::set_permissions(home.path().join(closed), Permissions::from_mode(mode)).unwrap();
        allow(0o000);
        write("c.toml", &format!("auth.passwords = '{passwords}'\n"));
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
    let write = |file: &str, content: &str| fs::write(home.path().join(file), content).unwrap();
    let arguments = ["check-config", "-c", "c.toml"];
    let check = || micropypi(home.path(), &arguments).output().unwrap();
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
        let serve = micropypi(home.path(), &["-c", "c.toml"]).output().unwrap();
        assert!(failure(&serve).ends_with(&said), "{serve:?}");
    }
    fs::remove_file(home.path().join("key.pem")).unwrap();
    fs::create_dir(home.path().join("key.pem")).unwrap();
    assert!(failure(&check()).starts_with("error: [tls] key: cannot read key.pem\ncaused by: "));
}

/// A certificate and its key, as PEM.
fn pair() -> (String, String) {
    let CertifiedKey { cert, signing_key } = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (cert.pem(), signing_key.serialize_pem())
}

#[test]
fn check_config_leaves_to_the_server_what_another_user_may_not_read() {
    let home = home();
    let (certificate, key) = pair();
    for (file, content) in [("cert.pem", certificate), ("key.pem", key)] {
        fs::write(home.path().join(file), content).unwrap();
    }
    fs::set_permissions(home.path(), Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(home.path().join("key.pem"), Permissions::from_mode(0o000)).unwrap();
    fs::write(
        home.path().join("c.toml"),
        "[tls]\ncertificate = 'cert.pem'\nkey = 'key.pem'\n",
    )
    .unwrap();
    let check = unprivileged(home.path(), &["check-config", "-c", "c.toml"])
        .output()
        .unwrap();
    assert_eq!(success(&check), "c.toml: OK\n");
    assert_eq!(
        text(&check.stderr),
        "warning: [tls] key: cannot read key.pem: Permission denied (os error 13); this user may not, and the server's must\n"
    );
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
        fs::write(home.path().join("c.toml"), text).unwrap();
        let check = micropypi(home.path(), &["check-config", "-c", "c.toml"])
            .output()
            .unwrap();
        let said = misconfiguration(&check);
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
        success(&micropypi(home.path(), &["check-config", "-c", file]).output().unwrap()),
        format!("{file}: OK\n")
    );
}

#[test]
fn the_help_names_every_default_and_protect_takes_none() {
    let home = home();
    let help = success(&micropypi(home.path(), &["serve", "--help"]).output().unwrap());
    for option in [
        "--mdns[=<BOOL>]",
        "--overwrite[=<BOOL>]",
        "--passwords <FILE>",
        "--protect <RIGHT>",
    ] {
        let (_, about) = help.split_once(option).unwrap();
        let about = about.split("\n  -").next().unwrap();
        assert!(about.contains("[default: "), "{option} {about}");
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = micropypi(home.path(), &["--protect", "none", "--listen", &listen])
        .output()
        .unwrap();
    assert!(failure(&output).contains("cannot listen"), "{output:?}");
    assert!(
        is_empty(home.path()),
        "nothing is protected, so nobody needs a password"
    );
}

/// Starts a quick trial, and gives what it has printed on stdout when it listens.
fn trial(directory: &Path) -> String {
    trial_to(directory, Stdio::piped()).0
}

/// The same with this standard output, and where the log says that it listens.
fn trial_to(directory: &Path, stdout: Stdio) -> (String, String) {
    let mut child = micropypi(directory, &["--listen", "127.0.0.1:0", "--mdns=false"])
        .stdout(stdout)
        .spawn()
        .unwrap();
    let log = BufReader::new(child.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let listening = { log }.find_map(|line| Some(line.split_once(" on http://127.0.0.1:")?.1.to_owned()));
    child.kill().unwrap();
    let output = child.wait_with_output().unwrap();
    let port = listening.expect("it never listened");
    (text(&output.stdout), format!("http://127.0.0.1:{port}"))
}

#[test]
fn the_quick_trial_makes_one_user_once() {
    let home = home();
    let (printed, url) = trial_to(home.path(), Stdio::piped());
    let password = printed.trim_end().rsplit(' ').next().unwrap();
    let program = env!("CARGO_BIN_EXE_micropypi");
    assert!(
        printed.contains(&format!("`{program} passwd USER`, in this folder, ")),
        "as it was called, for it may be on no PATH: {printed}"
    );
    assert!(!url.ends_with(":0"), "the port that the system gave");
    assert!(
        printed.contains(&format!(
            "from this machine:\n\n  twine upload --repository-url {url}/ "
        )),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("-u micropypi -p {password} dist/*")),
        "{printed}"
    );
    assert!(
        printed.contains(&format!("\n[micropypi]\nrepository = {url}/\n")),
        "{printed}"
    );
    let file = fs::read_to_string(home.path().join("data/auth/.htpasswd")).unwrap();
    assert!(file.starts_with("micropypi:$2") && !file.contains(password), "{file}");
    assert_eq!(trial(home.path()), "");
    assert_eq!(
        fs::read_to_string(home.path().join("data/auth/.htpasswd")).unwrap(),
        file
    );
}

#[test]
fn a_password_that_nobody_could_see_is_not_used_up() {
    let home = home();
    let (reader, gone) = std::io::pipe().unwrap();
    drop(reader);
    for nowhere in [Stdio::from(gone), Stdio::null()] {
        assert_eq!(trial_to(home.path(), nowhere).0, "");
    }
    assert!(trial(home.path()).contains("\npassword = "));
    assert_eq!(trial(home.path()), "");
}

#[test]
fn a_trial_in_a_folder_of_others_is_sent_elsewhere() {
    let home = home();
    fs::set_permissions(home.path(), Permissions::from_mode(0o555)).unwrap();
    let mut trial = unprivileged(home.path(), &["--listen", "127.0.0.1:0", "--mdns=false"]);
    let said = failure(&trial.output().unwrap());
    let expected =
        "error: the quick trial cannot make the directory data/auth as this user: start it in a folder of your own";
    assert!(said.starts_with(expected) && !said.contains("sudo"), "{said}");
}

#[test]
fn a_trial_that_does_not_get_to_its_greeting_uses_no_password_up() {
    let home = home();
    let file = home.path().join("data/auth/.htpasswd");
    let read = || fs::read_to_string(&file).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let output = micropypi(home.path(), &["--listen", &listen, "--mdns=false"])
        .output()
        .unwrap();
    assert!(
        failure(&output).contains("is another server running? Another port: --listen '[::]:8090'"),
        "{output:?}"
    );
    // A kill would have left no more. What somebody makes of it is not touched.
    let mut alice = micropypi(home.path(), &["passwd", "alice"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    alice.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    success(&alice.wait_with_output().unwrap());
    let left = read();
    let printed = trial(home.path());
    assert!(printed.contains("\npassword = "), "{printed}");
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let (left, now) = (lines(&left), lines(&read()));
    assert!(
        left[0] != now[0] && left[1..] == now[1..] && left.len() == 2,
        "{left:?} {now:?}"
    );
    assert_eq!(trial(home.path()), "");
}

#[test]
fn passwd_writes_the_file_that_the_server_reads() {
    let home = home();
    let set = |arguments: &[&str]| {
        let mut child = micropypi(home.path(), arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
        success(&child.wait_with_output().unwrap())
    };
    assert_eq!(
        set(&["passwd", "alice"]),
        format!(
            "made {} with the user alice\n",
            home.path().join("data/auth/.htpasswd").display()
        )
    );
    fs::write(home.path().join("c.toml"), "[auth]\npasswords = 'secrets'\n").unwrap();
    assert_eq!(
        set(&["passwd", "alice", "-c", "c.toml"]),
        format!("made {} with the user alice\n", home.path().join("secrets").display())
    );
    assert_eq!(
        set(&["passwd", "alice", "-f", "secrets"]),
        "changed the password of alice in secrets\n"
    );
    let delete = micropypi(home.path(), &["passwd", "--delete", "alice", "-f", "secrets"])
        .output()
        .unwrap();
    assert_eq!(success(&delete), "deleted the user alice from secrets\n");
    assert_eq!(fs::read_to_string(home.path().join("secrets")).unwrap(), "");
}

#[test]
fn passwd_tells_of_lines_that_keep_a_server_from_its_start() {
    let home = home();
    fs::write(home.path().join("secrets"), "# staff\nalice\n").unwrap();
    let mut carol = micropypi(home.path(), &["passwd", "carol", "-f", "secrets"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    carol.stdin.take().unwrap().write_all(b"open sesame\n").unwrap();
    let output = carol.wait_with_output().unwrap();
    assert_eq!(success(&output), "added the user carol to secrets\n");
    assert_eq!(
        text(&output.stderr),
        "warning: the password file secrets, line 2: it is not `user:hash`: there is no colon; no server starts with that\n"
    );
}

#[test]
fn passwd_names_sudo_where_rights_are_missing() {
    let home = home();
    let secrets = home.path().join("secrets");
    fs::write(&secrets, "").unwrap();
    fs::set_permissions(&secrets, Permissions::from_mode(0o000)).unwrap();
    let mut command = unprivileged(home.path(), &["passwd", "--delete", "alice", "--file", "secrets"]);
    let expected = "\
error: cannot read secrets as this user: run the command with sudo
caused by: Permission denied (os error 13)
";
    assert_eq!(failure(&command.output().unwrap()), expected);
}

/// Runs `micropypi passwd alice` on a terminal (script(1) makes one), answers each prompt, and gives what the terminal
/// showed and whether it succeeded.
fn passwd_on_a_terminal(home: &Path, answers: [&str; 2]) -> (String, bool) {
    let command = concat!(env!("CARGO_BIN_EXE_micropypi"), " passwd alice --file secrets");
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", command, "/dev/null"]);
    script.current_dir(home).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = script.spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = String::new();
    for (prompt, answer) in ["New password for alice: ", "Once more: "].into_iter().zip(answers) {
        while !shown.ends_with(prompt) {
            let mut byte = [0];
            screen
                .read_exact(&mut byte)
                .unwrap_or_else(|_| panic!("no {prompt:?} in {shown:?}"));
            shown.push(char::from(byte[0]));
        }
        // A person takes longer than the program takes from the prompt to the end of the echo; a test does not.
        while echoes(&child) {
            thread::yield_now();
        }
        keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    screen.read_to_string(&mut shown).unwrap();
    drop(keyboard);
    (shown, child.wait().unwrap().success())
}

/// Whether the terminal that script(1) made shows what is typed.
fn echoes(script: &Child) -> bool {
    let pid = script.id();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let terminal = format!("/proc/{}/fd/0", children.split_whitespace().next().unwrap());
    let terminal = OpenOptions::new()
        .read(true)
        .custom_flags(OFlags::NOCTTY.bits().cast_signed())
        .open(terminal)
        .unwrap();
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
}

#[test]
fn passwd_asks_twice_on_a_terminal_and_shows_nothing() {
    let home = home();
    let (shown, succeeded) = passwd_on_a_terminal(home.path(), ["open sesame", "open sesame"]);
    assert!(succeeded && shown.contains("with the user alice"), "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
    let file = fs::read_to_string(home.path().join("secrets")).unwrap();
    assert!(file.starts_with("alice:$2"), "{file}");
    let (shown, succeeded) = passwd_on_a_terminal(home.path(), ["open sesame", "open barley"]);
    assert!(!succeeded && shown.contains("the two passwords differ"), "{shown}");
    assert_eq!(fs::read_to_string(home.path().join("secrets")).unwrap(), file);
}

#[test]
fn the_log_on_a_terminal_is_coloured_unless_that_is_declined() {
    let home = home();
    // Nothing is served for ever: this cache cannot be made.
    let command = concat!(env!("CARGO_BIN_EXE_micropypi"), " --cache /dev/null/cache --packages");
    let shown = |packages: &str, declined: &str| {
        let mut script = Command::new("script");
        let command = format!("{command} {packages}");
        script.args(["--quiet", "--command", &command, "/dev/null"]);
        script.current_dir(home.path()).env("NO_COLOR", declined);
        text(&script.stdin(Stdio::null()).output().unwrap().stdout)
    };
    let coloured = shown("one", "");
    assert!(
        coloured.contains("\x1b[32m INFO\x1b[0m made the packages"),
        "{coloured}"
    );
    let plain = shown("two", "1");
    assert!(plain.contains("Z  INFO made the packages"), "{plain}");
}

#[test]
fn healthcheck_fails_where_nobody_listens() {
    let home = home();
    // Taken by one who does not listen, so that nobody else can.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = silent.local_addr().unwrap().as_socket().unwrap().port();
    let output = micropypi(
        home.path(),
        &["healthcheck", "--url", &format!("http://127.0.0.1:{port}")],
    )
    .output()
    .unwrap();
    assert!(
        failure(&output).starts_with(&format!("error: 127.0.0.1:{port} does not answer\ncaused by: ")),
        "{output:?}"
    );
}

#[test]
fn an_empty_port_of_pypiservers_is_none_and_a_wrong_one_is_named() {
    let home = home();
    let check = |port| {
        let mut command = micropypi(home.path(), &["check-config", "--show"]);
        command.env("PYPISERVER_PORT", port).output().unwrap()
    };
    let shown = success(&check(""));
    assert!(shown.contains(r#"listen = ["[::]:8089"]"#), "{shown}");
    let shown = success(&check("8080"));
    assert!(shown.contains(r#"listen = ["[::]:8089", "[::]:8080"]"#), "{shown}");
    // Nothing is served for ever: this cache cannot be made.
    let run = |port| {
        let mut command = micropypi(home.path(), &["run", "-i", "127.0.0.1", "-p", "0", "packages"]);
        command
            .env("PYPISERVER_PORT", port)
            .env("MICROPYPI_STORE_CACHE", "/dev/null/cache");
        command.output().unwrap()
    };
    let said = failure(&run(""));
    assert!(said.contains("/dev/null/cache"), "{said}");
    for wrong in ["70000", "0"] {
        let expected = format!(
            "error: PYPISERVER_PORT in the environment: \"{wrong}\" is not a port: a number from 1 to 65535, or nothing for \
             the default\n"
        );
        for output in [check(wrong), run(wrong)] {
            assert_eq!(misconfiguration(&output), expected);
        }
    }
}

#[test]
fn run_refuses_what_it_cannot_mean() {
    let home = home();
    let half_open = micropypi(home.path(), &["run", "-P", "."]).output().unwrap();
    assert_eq!(
        misconfiguration(&half_open),
        "error: no passwords at all takes both options: -P . -a .\n"
    );
    let prefix = micropypi(home.path(), &["run", "--server-base-url", "/pypi"])
        .output()
        .unwrap();
    assert!(
        misconfiguration(&prefix).contains("put a proxy before it"),
        "{prefix:?}"
    );
    for wrong in ["", "index.example"] {
        let fallback = micropypi(home.path(), &["run", "--fallback-url", wrong])
            .output()
            .unwrap();
        let expected = format!("error: --fallback-url {wrong:?} is not the URL of an index");
        assert!(misconfiguration(&fallback).starts_with(&expected), "{fallback:?}");
    }
    assert!(is_empty(home.path()));
}

#[test]
fn run_serves_the_working_directory_and_no_cache_with_it() {
    let home = home();
    // Nothing is served for ever: this address is taken.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = |cache| {
        let mut command = micropypi(home.path(), &["run", "-i", "127.0.0.1", "-p", &port, "."]);
        command.envs(cache).output().unwrap()
    };
    let said = failure(&run(None));
    assert!(said.contains("is another server running?"), "{said}");
    let said = misconfiguration(&run(Some(("MICROPYPI_STORE_CACHE", "cache"))));
    assert!(said.contains("cache would be served with the packages of "), "{said}");
}

#[test]
fn run_makes_the_first_directory_and_no_mistyped_one() {
    let home = home();
    // Whatever becomes of the directories, nothing is served for ever: this cache cannot be made.
    let output = micropypi(home.path(), &["run", "-i", "127.0.0.1", "-p", "0", "packages", "mroe"])
        .env("MICROPYPI_STORE_CACHE", "/dev/null/cache")
        .output()
        .unwrap();
    let said = failure(&output);
    assert!(
        said.contains("error: the packages directory mroe is not there"),
        "{said}"
    );
    assert!(home.path().join("packages").exists() && !home.path().join("mroe").exists());
}

#[test]
fn a_port_for_the_quick_trial_is_no_dead_end() {
    let home = home();
    // Nothing is served for ever: this cache cannot be made.
    let output = micropypi(home.path(), &["--port", "0", "-i", "127.0.0.1", "packages"])
        .env("MICROPYPI_STORE_CACHE", "/dev/null/cache")
        .output()
        .unwrap();
    let said = failure(&output);
    assert!(
        said.contains("the quick trial, which makes a user, is given a port by `--listen '[::]:PORT'`"),
        "{said}"
    );
}

#[test]
fn a_packages_directory_that_is_made_is_told() {
    let home = home();
    // Nothing is served for ever: this cache cannot be made.
    let start = || {
        let mut command = micropypi(home.path(), &["run", "-i", "127.0.0.1", "-p", "0", "typo"]);
        command
            .env("MICROPYPI_STORE_CACHE", "/dev/null/cache")
            .output()
            .unwrap()
    };
    let told = "made the packages directory typo, which was not there";
    let said = failure(&start());
    assert_eq!(said.matches(told).count(), 1, "{said}");
    let said = failure(&start());
    assert!(!said.contains(told), "{said}");
}

#[test]
fn a_password_file_of_another_user_is_told_with_the_remedy() {
    let home = home();
    let file = home.path().join("htpasswd");
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o000)).unwrap();
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--mdns=false",
        "--passwords",
        "htpasswd",
    ];
    let mut start = unprivileged(home.path(), &arguments);
    let said = failure(&start.output().unwrap());
    assert!(said.contains("htpasswd cannot be read by the user "), "{said}");
    assert!(said.contains("; in a container's compose file: user: \""), "{said}");
    let said = failure(&start.env("INVOCATION_ID", "1").output().unwrap());
    assert!(said.contains("as whom this server runs\n"), "{said}");
}

#[test]
fn a_line_to_paste_is_for_the_file_whatever_its_name() {
    let home = home();
    let folder = home.path().join("ann's stick");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("passwords"), "").unwrap();
    fs::set_permissions(folder.join("passwords"), Permissions::from_mode(0o644)).unwrap();
    // Nothing is served for ever: this cache cannot be made.
    let start = || {
        let mut command = micropypi(home.path(), &["serve", "--passwords", "ann's stick/passwords"]);
        let start = command.env("MICROPYPI_STORE_CACHE", "/dev/null/cache").output();
        failure(&start.unwrap())
    };
    let said = start();
    assert!(
        said.contains(r"run `micropypi passwd USER --file 'ann'\''s stick/passwords'`"),
        "{said}"
    );
    let exposed = "can be read by every user of this machine; run: ";
    let remedy = said.lines().find_map(|line| Some(line.split_once(exposed)?.1)).unwrap();
    success(
        &Command::new("sh")
            .args(["-c", remedy])
            .current_dir(home.path())
            .output()
            .unwrap(),
    );
    let said = start();
    assert!(!said.contains(exposed), "{remedy} did nothing: {said}");
}

/// As NixOS's module has it: the copy cannot be written, and goes with the service.
#[test]
fn a_password_file_that_is_a_credential_is_mended_where_it_comes_from() {
    let home = home();
    let credentials = home.path().join("credentials");
    fs::create_dir(&credentials).unwrap();
    fs::write(credentials.join("htpasswd"), "").unwrap();
    // Nothing is served for ever: this cache cannot be made.
    let start = micropypi(home.path(), &["serve"])
        .env("CREDENTIALS_DIRECTORY", &credentials)
        .env("MICROPYPI_STORE_CACHE", "/dev/null/cache")
        .output();
    let said = failure(&start.unwrap());
    assert!(
        said.contains("run `micropypi passwd USER --file FILE`, where FILE is what the unit's credential is loaded from, and restart the service"),
        "{said}"
    );
}

#[test]
fn the_packages_can_ask_for_man_page_and_completions() {
    let home = home();
    let man = success(&micropypi(home.path(), &["man"]).output().unwrap());
    for expected in [
        ".TH micropypi 1",
        "\nmicropypi check\\-config\nSay whether",
        ".SH \"MICROPYPI CHECK\\-CONFIG\"",
        ".SH EXAMPLES\n  micropypi  ",
        ".SS NOTES\nThe password is asked for twice without echo",
        ".SH FILES",
        "/etc/micropypi/config.toml",
        "/etc/micropypi/htpasswd",
        "/var/lib/micropypi/packages",
        "/var/cache/micropypi",
    ] {
        assert!(man.contains(expected), "{expected:?} is not in\n{man}");
    }
    assert!(!man.contains("(1)"), "there is no other page:\n{man}");
    let flag = r"\fB\-\-fallback\-url\fR \fI<";
    assert_eq!(man.matches(flag).count(), 2, "once for `serve`, once for `run`:\n{man}");
    for shell in ["bash", "fish", "zsh"] {
        let script = success(&micropypi(home.path(), &["completions", shell]).output().unwrap());
        assert!(script.contains("check-config"), "{shell}");
    }
    let version = success(&micropypi(home.path(), &["--version"]).output().unwrap());
    assert_eq!(version, concat!("micropypi ", env!("CARGO_PKG_VERSION"), "\n"));
    let version = success(&micropypi(home.path(), &["run", "--version"]).output().unwrap());
    assert!(
        version.ends_with(concat!(" ", env!("CARGO_PKG_VERSION"), "\n")),
        "{version}"
    );
}

/// What the shell offers after these words.
fn offered(home: &Path, words: &[&str]) -> String {
    let script = "source completions; COMP_WORDS=(micropypi \"$@\" ''); COMP_CWORD=$(($# + 1)); \
                  _micropypi micropypi '' \"${!#}\"; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.current_dir(home)
        .args(["--norc", "-c", script, "bash"])
        .args(words);
    success(&bash.output().unwrap())
}

#[test]
fn the_shell_offers_the_words_that_a_setting_takes() {
    let home = home();
    let script = micropypi(home.path(), &["completions", "bash"]).output().unwrap();
    fs::write(home.path().join("completions"), success(&script)).unwrap();
    let commands = offered(home.path(), &[]);
    assert!(
        commands.ends_with("run passwd check-config healthcheck discover serve help\n"),
        "{commands}"
    );
    for words in [&["serve"][..], &[]] {
        let after = |flag| offered(home.path(), &[words, &[flag]].concat());
        assert_eq!(after("--log-level"), "error warn info debug\n", "{words:?}");
        assert_eq!(after("--protect"), "list download update none\n", "{words:?}");
    }
}

#[test]
fn an_address_without_a_port_is_answered_in_the_words_of_its_source() {
    let home = home();
    let flag = micropypi(home.path(), &["--listen", "127.0.0.1"]).output().unwrap();
    let expected = "\
error: listen on the command line: this is not an IP address and a port
  = for example `--listen '[::]:8089'`
";
    assert_eq!(misconfiguration(&flag), expected);
    let variable = micropypi(home.path(), &[])
        .env("MICROPYPI_LISTEN", "127.0.0.1")
        .output()
        .unwrap();
    let said = misconfiguration(&variable);
    assert!(
        said.ends_with("  = for example `MICROPYPI_LISTEN=[::]:8089`\n"),
        "{said}"
    );
}

#[test]
fn only_a_configuration_that_stays_wrong_keeps_systemd_from_another_start() {
    let unit = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/micropypi.service")).unwrap();
    assert!(unit.contains("\nRestartPreventExitStatus=78\n"), "{unit}");
    let home = home();
    // A file that is no text.
    fs::write(home.path().join("c.toml"), b"\xff").unwrap();
    let output = micropypi(home.path(), &["-c", "c.toml"]).output().unwrap();
    assert!(
        misconfiguration(&output).contains("the configuration file c.toml is not UTF-8"),
        "{output:?}"
    );
    // A disk that is not there yet, and a password file that somebody is writing.
    for settings in [
        "[store]\npackages = ['packages', 'stick']\n",
        "[auth]\npasswords = '.'\n",
    ] {
        let settings = format!("listen = ['127.0.0.1:0']\n{settings}");
        fs::write(home.path().join("c.toml"), settings).unwrap();
        failure(&micropypi(home.path(), &["-c", "c.toml"]).output().unwrap());
    }
    // Docker knows two answers to its question.
    fs::write(home.path().join("c.toml"), "lisen = 1\n").unwrap();
    let health = micropypi(home.path(), &["healthcheck", "-c", "c.toml"])
        .output()
        .unwrap();
    assert!(failure(&health).contains("did you mean `listen`?"), "{health:?}");
}
