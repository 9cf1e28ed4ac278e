//! The quick trial: the program without a configuration, which makes a user and greets.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{
    failure, given_a_password, home, micropypi, never_serving, ran, success, taken, text, unprivileged,
};

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
    let (_taken, address) = taken();
    let output = ran(home.path(), &["--listen", &address.to_string(), "--mdns=false"]);
    assert!(
        failure(&output).contains("is another server running? Another port: --listen '[::]:8090'"),
        "{output:?}"
    );
    // A kill would have left no more. What somebody makes of it is not touched.
    success(&given_a_password(home.path(), &["passwd", "alice"]));
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
fn a_port_for_the_quick_trial_is_no_dead_end() {
    let home = home();
    let mut start = never_serving(home.path(), &["--port", "0", "-i", "127.0.0.1", "packages"]);
    let said = failure(&start.output().unwrap());
    assert!(
        said.contains("the quick trial, which makes a user, is given a port by `--listen '[::]:PORT'`"),
        "{said}"
    );
}
