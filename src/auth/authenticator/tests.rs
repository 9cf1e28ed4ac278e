//! Who gets in, who hears what, and who waits for whom.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;

use super::*;
use crate::auth::passwd;

const ALL: Policy = Policy {
    list: true,
    download: true,
    update: true,
};
const UPDATE: Policy = Policy {
    list: false,
    download: false,
    update: true,
};
const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
const ATTACKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 66));
/// `ann` with the password `secret`, at a cost that tests can pay often.
const ANN: &str = "ann:$2y$04$2mJNt02x2snj313YuGdH3OH8R0U2PU0ScMK7ze6pTFaStbGjk0rqe\n";

struct Fixture {
    authenticator: Authenticator,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Fixture {
    fn new(policy: Policy) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("passwords");
        std::fs::write(&path, ANN).unwrap();
        let authenticator = Authenticator::open(policy, Some(path.clone()), "").unwrap();
        Self {
            authenticator,
            path,
            _directory: directory,
        }
    }

    async fn login(&self, user: &str, password: &str, peer: IpAddr) -> Result<String, Denied> {
        let header = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
        let verdict = self
            .authenticator
            .check(Action::Upload, Some(header.as_bytes()), peer)
            .await;
        verdict.map(|user| user.expect("uploads are protected").to_string())
    }
}

fn set_password(path: &Path, user: &str, password: &str) {
    passwd::set(path, UserName::parse(user).unwrap(), password).unwrap();
}

#[tokio::test]
async fn the_policy_decides_what_asks() {
    let authenticator = Fixture::new(UPDATE).authenticator;
    for action in [Action::List, Action::Download] {
        assert!(!authenticator.asks_for_password(action));
        assert_eq!(authenticator.check(action, None, HOME).await, Ok(None));
        assert_eq!(authenticator.check(action, Some(b"garbage"), HOME).await, Ok(None));
    }
    for action in [Action::Upload, Action::Remove] {
        assert!(authenticator.asks_for_password(action));
        assert_eq!(
            authenticator.check(action, None, HOME).await,
            Err(Denied::CredentialsMissing)
        );
        let garbage = authenticator.check(action, Some(b"Basic garbage"), HOME).await;
        assert!(matches!(garbage, Err(Denied::Malformed(_))));
        let bearer = authenticator.check(action, Some(b"Bearer x"), HOME).await;
        assert_eq!(bearer, Err(Denied::OtherScheme));
    }
}

#[tokio::test]
async fn without_a_password_file_nobody_gets_in_and_hears_why() {
    let authenticator = Authenticator::open(UPDATE, None, "name it").unwrap();
    let denied = authenticator.check(Action::Upload, None, HOME).await.unwrap_err();
    assert_eq!(denied, Denied::NoPasswordFile("name it"));
    let said = denied.to_string();
    assert!(
        said.ends_with("run `micropypi passwd USER --file FILE` and name it"),
        "{said}"
    );
    assert_eq!(authenticator.check(Action::List, None, HOME).await, Ok(None));
    authenticator.reopen(UPDATE, None).unwrap();
}

#[tokio::test]
async fn a_password_file_without_a_user_is_no_wrong_password() {
    let fixture = Fixture::new(UPDATE);
    std::fs::write(&fixture.path, "# nobody yet\n").unwrap();
    let authenticator = Authenticator::open(UPDATE, Some(fixture.path.clone()), "name it").unwrap();
    assert_eq!(authenticator.without_user(), Some(fixture.path.as_path()));
    let login = || authenticator.check(Action::Upload, Some(b"Basic YW5uOnNlY3JldA=="), HOME);
    assert_eq!(login().await, Err(Denied::NoUser));
    assert!(authenticator.check(Action::Download, None, HOME).await.is_ok());
    std::fs::write(&fixture.path, ANN).unwrap();
    assert!(login().await.is_ok(), "the first user gets in at once");
}

#[tokio::test]
async fn a_new_policy_is_in_force_whatever_the_password_file_has_become() {
    let mut fixture = Fixture::new(UPDATE);
    for content in [Some("nonsense\n".to_owned() + ANN), None] {
        match content {
            Some(content) => std::fs::write(&fixture.path, content).unwrap(),
            None => std::fs::remove_file(&fixture.path).unwrap(),
        }
        fixture.authenticator = fixture.authenticator.reopen(ALL, Some(fixture.path.clone())).unwrap();
        assert!(fixture.authenticator.asks_for_password(Action::Download));
        assert_eq!(fixture.login("ann", "secret", HOME).await, Ok("ann".to_owned()));
    }
}

#[tokio::test]
async fn another_password_file_works_by_its_good_lines_or_is_refused() {
    let mut fixture = Fixture::new(UPDATE);
    let other = fixture.path.with_file_name("other");
    assert!(fixture.authenticator.reopen(ALL, Some(other.clone())).is_err());
    std::fs::write(&other, "nonsense\n").unwrap();
    set_password(&other, "bob", "hunter2");
    fixture.authenticator = fixture.authenticator.reopen(ALL, Some(other)).unwrap();
    assert_eq!(fixture.login("bob", "hunter2", HOME).await, Ok("bob".to_owned()));
    assert_eq!(fixture.login("ann", "secret", HOME).await, Err(Denied::WrongPassword));
}

#[tokio::test]
async fn the_right_password_gets_in_and_others_do_not() {
    let fixture = Fixture::new(ALL);
    for _ in 0..2 {
        assert_eq!(fixture.login("ann", "secret", HOME).await, Ok("ann".to_owned()));
        assert_eq!(fixture.login("ann", "Secret", HOME).await, Err(Denied::WrongPassword));
        assert_eq!(
            fixture.login("nobody", "secret", HOME).await,
            Err(Denied::WrongPassword)
        );
        assert_eq!(fixture.login("ann", "", HOME).await, Err(Denied::CredentialsMissing));
    }
}

#[tokio::test]
async fn a_guessing_address_is_throttled_and_stops_nobody_else() {
    let fixture = Fixture::new(UPDATE);
    set_password(&fixture.path, "bob", "hunter2");
    fixture.login("ann", "secret", HOME).await.unwrap();

    let passwords: Vec<String> = (0..100).map(|n| format!("guess{n}")).collect();
    let verdicts = join_all(passwords.iter().map(|guess| fixture.login("ann", guess, ATTACKER))).await;
    let throttled = verdicts
        .iter()
        .filter(|verdict| matches!(verdict, Err(Denied::Throttled { .. })));
    assert!(throttled.count() >= 80);
    assert!(verdicts.iter().all(Result::is_err));

    // Who is throttled is not even told that a guess is right, whoever is logged in elsewhere.
    for (user, password) in [("bob", "hunter2"), ("ann", "secret")] {
        let verdict = fixture.login(user, password, ATTACKER).await;
        assert!(matches!(verdict, Err(Denied::Throttled { .. })), "{user}");
    }
    assert_eq!(fixture.login("ann", "secret", HOME).await, Ok("ann".to_owned()));
    assert_eq!(fixture.login("bob", "hunter2", HOME).await, Ok("bob".to_owned()));
}

#[tokio::test]
async fn who_is_logged_in_goes_on_beside_a_guesser() {
    let fixture = Fixture::new(UPDATE);
    fixture.login("ann", "secret", HOME).await.unwrap();
    let guesses: Vec<String> = (0..20).map(|n| format!("guess{n}")).collect();
    let verdicts = join_all(guesses.iter().map(|guess| fixture.login("ann", guess, HOME))).await;
    assert!(matches!(verdicts.last(), Some(Err(Denied::Throttled { .. }))));
    assert_eq!(fixture.login("ann", "secret", HOME).await, Ok("ann".to_owned()));
}

/// Each of them has a queue of its own, nearly, and waited for a hash before the newcomer did.
#[tokio::test]
async fn guesses_from_many_addresses_let_a_newcomer_go_first() {
    let site = Fixture::new(ALL);
    let guessers: Vec<IpAddr> = (1..=200).map(|host| IpAddr::from([198, 51, 100, host])).collect();
    for guesser in &guessers {
        site.login("ann", "guess", *guesser).await.unwrap_err();
    }
    let ended = AtomicUsize::new(0);
    let guess = async |guesser: &IpAddr| {
        site.login("ann", "another", *guesser).await.unwrap_err();
        ended.fetch_add(1, Ordering::Relaxed);
    };
    let newcomer = async {
        site.login("ann", "secret", HOME).await.unwrap();
        ended.load(Ordering::Relaxed)
    };
    let (_, before) = tokio::join!(join_all(guessers.iter().map(guess)), newcomer);
    assert!(before < 20, "{before} guesses of 200 went first");
}

#[tokio::test]
async fn many_right_logins_at_once_are_no_guessing() {
    let fixture = Fixture::new(UPDATE);
    let verdicts = join_all((0..100).map(|_| fixture.login("ann", "secret", HOME))).await;
    assert!(verdicts.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_changed_password_is_in_force_at_once() {
    let fixture = Fixture::new(UPDATE);
    fixture.login("ann", "secret", HOME).await.unwrap();
    set_password(&fixture.path, "ann", "another");
    assert_eq!(fixture.login("ann", "another", HOME).await, Ok("ann".to_owned()));
    assert_eq!(fixture.login("ann", "secret", HOME).await, Err(Denied::WrongPassword));
}

#[tokio::test]
async fn a_client_that_hangs_up_pays_all_the_same() {
    let fixture = Fixture::new(UPDATE);
    let desk = fixture.authenticator.desk.as_ref().unwrap();
    for guess in 0..20 {
        let guess = format!("guess{guess}");
        let login = fixture.login("ann", &guess, ATTACKER);
        // Polled until it waits for the hash, then dropped; the hashing gives its permit back when it is done.
        tokio::select! { biased; _ = login => (), () = tokio::task::yield_now() => () }
        drop(desk.hashers.acquire().await.unwrap());
    }
    let verdict = fixture.login("ann", "last guess", ATTACKER).await;
    assert!(matches!(verdict, Err(Denied::Throttled { .. })));
}
