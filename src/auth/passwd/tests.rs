//! What a user of `micropypi passwd` sees.

use std::collections::HashSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::thread;

use super::*;
use crate::auth::Passwords;

fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

fn file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("passwords");
    (directory, path)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn logs_in(path: &Path, name: &str, password: &str) -> bool {
    let (passwords, errors) = Passwords::parse(&fs::read(path).unwrap());
    assert_eq!(errors, []);
    passwords.verify(&user(name), password)
}

#[test]
fn sets_changes_and_deletes() {
    let (directory, path) = file();
    let done = set(&path, user("jo"), "first").unwrap();
    assert_eq!(done.to_string(), format!("made {} with the user jo", path.display()));
    assert!(logs_in(&path, "jo", "first"));
    assert_eq!(mode(&path), 0o600);

    let done = set(&path, user("jo"), "second").unwrap();
    assert_eq!(done.change, Change::Changed);
    assert!(logs_in(&path, "jo", "second") && !logs_in(&path, "jo", "first"));

    delete(&path, user("jo")).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "no litter");
}

#[test]
fn deleting_nobody_is_an_error_that_says_so() {
    let (_directory, path) = file();
    assert!(matches!(delete(&path, user("jo")), Err(PasswdError::NoFile(_))));
    assert!(!path.exists());
    set(&path, user("ann"), "secret").unwrap();
    let error = delete(&path, user("jo")).unwrap_err();
    assert_eq!(error.to_string(), format!("there is no user jo in {}", path.display()));
}

#[test]
fn refuses_passwords_that_cannot_work() {
    let (_directory, path) = file();
    let cases = [
        (String::new(), "empty"),
        ("x".repeat(73), "longer than 72 bytes"),
        ("a\tb".into(), "control character"),
    ];
    for (password, reason) in cases {
        let error = set(&path, user("jo"), &password).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(!path.exists());
    set(&path, user("jo"), &"x".repeat(72)).unwrap();
    assert!(logs_in(&path, "jo", &"x".repeat(72)) && !logs_in(&path, "jo", &"x".repeat(71)));
}

#[test]
fn refuses_what_is_no_file_and_no_user() {
    let (directory, path) = file();
    assert!(matches!(
        set(directory.path(), user("jo"), "secret"),
        Err(PasswdError::NotAFile(_))
    ));
    assert!(matches!(
        set(Path::new("/dev/null"), user("jo"), "secret"),
        Err(PasswdError::NotAFile(_))
    ));
    assert!(matches!(
        run(&path, "a:b", false),
        Err(PasswdError::User(UserNameError::Colon))
    ));
    let error = set(&path.join("below/none"), user("jo"), "secret").unwrap_err();
    assert!(error.to_string().contains("below"), "{error}");
}

#[test]
fn keeps_mode_and_owner() {
    let (_directory, path) = file();
    fs::write(&path, "# mine\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let is_root = std::os::unix::fs::chown(&path, Some(12_345), Some(54_321)).is_ok();
    let before = fs::metadata(&path).unwrap();
    set(&path, user("jo"), "secret").unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!(
        (after.mode(), after.uid(), after.gid()),
        (before.mode(), before.uid(), before.gid())
    );
    assert_ne!(after.ino(), before.ino(), "replaced, not overwritten");
    assert_eq!(after.uid() == 12_345, is_root);
}

#[test]
fn follows_symbolic_links() {
    let (directory, path) = file();
    let target = directory.path().join("sub/real");
    fs::create_dir(directory.path().join("sub")).unwrap();
    symlink("sub/hop", &path).unwrap();
    symlink("real", directory.path().join("sub/hop")).unwrap();
    set(&path, user("jo"), "first").unwrap();
    set(&path, user("ann"), "second").unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert!(fs::symlink_metadata(&target).unwrap().is_file());
    assert!(logs_in(&target, "jo", "first") && logs_in(&target, "ann", "second"));

    let circle = directory.path().join("circle");
    symlink("circle", &circle).unwrap();
    assert!(set(&circle, user("jo"), "secret").is_err());
}

#[test]
fn several_at_once_lose_no_user() {
    let (_directory, path) = file();
    let add = |n: usize| set(&path, user(&format!("user{n}")), "secret").unwrap();
    thread::scope(|scope| {
        for n in 0..8 {
            scope.spawn(move || add(n));
        }
    });
    let (passwords, errors) = Passwords::parse(&fs::read(&path).unwrap());
    assert_eq!((passwords.len(), errors), (8, vec![]));
}

#[test]
fn the_trial_user_gets_a_password_that_nobody_mistypes() {
    let (directory, _) = file();
    let path = directory.path().join("data/auth/htpasswd");
    let password = Unseen::set(&path, "trial").unwrap().password;
    assert!(logs_in(&path, "trial", &password));
    assert_eq!(mode(&path), 0o600);
    assert_eq!(password.len(), RANDOM_PASSWORD_LEN);
    assert!(password.bytes().all(|byte| ALPHABET.contains(&byte)));
}

#[test]
fn a_password_that_nobody_has_seen_is_known_as_one() {
    let (_directory, path) = file();
    assert!(!is_unseen(&path, "trial"), "there is none");
    set(&path, user("ann"), "hers").unwrap();
    let first = Unseen::set(&path, "trial").unwrap();
    assert!(is_unseen(&path, "trial") && !is_unseen(&path, "ann"));
    let second = Unseen::set(&path, "trial").unwrap();
    first.note_seen().unwrap();
    assert!(is_unseen(&path, "trial"), "it was the other that was seen");
    let password = second.password.clone();
    second.note_seen().unwrap();
    assert!(!is_unseen(&path, "trial"));
    assert!(logs_in(&path, "trial", &password) && logs_in(&path, "ann", "hers"));

    let third = Unseen::set(&path, "trial").unwrap();
    set(&path, user("trial"), "chosen").unwrap();
    assert!(!is_unseen(&path, "trial"));
    third.note_seen().unwrap();
    assert!(logs_in(&path, "trial", "chosen"));
}

#[test]
fn random_passwords_differ_and_use_the_whole_alphabet() {
    let passwords: HashSet<String> = (0..100).map(|_| random_password().unwrap()).collect();
    assert_eq!(passwords.len(), 100);
    let letters: HashSet<char> = passwords.iter().flat_map(|password| password.chars()).collect();
    assert_eq!(letters.len(), ALPHABET.len());
}
