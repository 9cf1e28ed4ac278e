//! `passwd`: users set, changed and deleted, by a pipe and on a terminal.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use rustix::fs::OFlags;
use rustix::termios::{LocalModes, tcgetattr};

use crate::harness::{failure, given_a_password, home, ran, success, text, unprivileged, write};

#[test]
fn passwd_writes_the_file_that_the_server_reads() {
    let home = home();
    let set = |arguments: &[&str]| success(&given_a_password(home.path(), arguments));
    assert_eq!(
        set(&["passwd", "alice"]),
        format!(
            "made {} with the user alice\n",
            home.path().join("data/auth/.htpasswd").display()
        )
    );
    write(home.path(), "c.toml", "[auth]\npasswords = 'secrets'\n");
    assert_eq!(
        set(&["passwd", "alice", "-c", "c.toml"]),
        format!("made {} with the user alice\n", home.path().join("secrets").display())
    );
    assert_eq!(
        set(&["passwd", "alice", "-f", "secrets"]),
        "changed the password of alice in secrets\n"
    );
    let delete = ran(home.path(), &["passwd", "--delete", "alice", "-f", "secrets"]);
    assert_eq!(success(&delete), "deleted the user alice from secrets\n");
    assert_eq!(fs::read_to_string(home.path().join("secrets")).unwrap(), "");
}

#[test]
fn passwd_tells_of_lines_that_keep_a_server_from_its_start() {
    let home = home();
    write(home.path(), "secrets", "# staff\nalice\n");
    let output = given_a_password(home.path(), &["passwd", "carol", "-f", "secrets"]);
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
