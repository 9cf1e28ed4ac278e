//! Who may do what: credentials and the answers to them, and what the log never says.

mod guesses;
mod passwords;
mod rights;

use crate::clients::{TWINES, twine};
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{PASSWORD, Server, Site, USER};
use crate::raw::Request;

/// Does nothing but log in.
fn login(user: &str, password: &str) -> Request {
    Form::default()
        .field(":action", "verify")
        .request("/")
        .login(user, password)
}

/// The status of the answer to a login.
fn verify(server: &Server, user: &str, password: &str) -> u16 {
    server.send(login(user, password)).status
}

#[test]
fn no_credentials_are_401_with_a_challenge_and_wrong_ones_403() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let upload = || Form::upload(&dist).request("/");
    let anonymous = server.send(upload());
    assert_eq!(anonymous.status, 401);
    assert!(
        anonymous
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic realm=")
    );
    for (user, password) in [(USER, "wrong"), ("nobody", PASSWORD)] {
        let answer = server.send(upload().login(user, password));
        assert_eq!(answer.status, 403, "{user}: {}", answer.text());
    }
    for (garbage, status) in [
        ("Basic", 401),
        ("Bearer abc", 401),
        ("Basic !!!!", 400),
        ("Basic bm9jb2xvbg==", 400),
    ] {
        let answer = server.send(upload().header("Authorization", garbage));
        assert_eq!(answer.status, status, "{garbage}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{garbage}");
    }
    server.site.assert_holds(&[]);
}

#[test]
fn a_user_name_alone_is_asked_for_the_password() {
    let site = Site::new().set("auth.protect", r#"["list", "update"]"#);
    let server = site.start();
    let upload = || Form::upload(&Dist::sdist("blinky", "1.0")).request("/");
    for request in [Request::get("/simple/"), upload()] {
        let answer = server.send(request.login(USER, ""));
        answer.assert_says(401, &["needs a user name and a password"]);
        assert!(answer.header("www-authenticate").is_some());
    }
    assert!(!server.log().contains("a wrong user name"), "nobody has guessed");
}

#[test]
fn a_wrong_password_reads_well_in_twine() {
    let server = Server::start();
    for program in TWINES {
        let outcome = twine(program, &server)
            .args(["-p", "wrong"])
            .dists(&[&Dist::sdist("blinky", "1.0")])
            .run();
        outcome.failed_saying(&["403", "password is wrong"]);
    }
}

/// A browser sends the password that it keeps for a site with what pages of other sites have it send there.
#[test]
fn no_page_of_another_site_uploads() {
    let server = Server::start();
    let own = server.url();
    let dist = Dist::sdist("blinky", "1.0");
    let upload = || Form::upload(&dist).request("/").by_user();
    for (name, value) in [
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
        ("Origin", "http://elsewhere.example"),
        ("Origin", "null"),
    ] {
        let answer = server.send(upload().header(name, value));
        answer.assert_says(403, &["another site"]);
    }
    server.site.assert_holds(&[]);
    for (name, value) in [("Origin", &*own), ("Sec-Fetch-Site", "same-origin")] {
        assert_eq!(server.send(upload().header(name, value)).status, 200, "{name}: {value}");
    }
    // The page may be known by another name than the proxy asks for.
    let behind_proxy = upload().header("Origin", "https://pypi.example");
    assert_eq!(
        server.send(behind_proxy.header("Sec-Fetch-Site", "same-origin")).status,
        200
    );
}

#[test]
fn secrets_never_reach_the_log() {
    let server = Site::new().set("log.level", r#""debug""#).start();
    twine("twine/bin/twine", &server)
        .dists(&[&Dist::sdist("blinky", "1.0")])
        .run()
        .succeeded();
    verify(&server, USER, "a-wrong-secret");
    server.send(Request::get("/simple/").header("Authorization", "Basic YnJva2VuLXRva2Vu!"));
    let (_, log) = server.stop();
    assert!(log.contains("blinky-1.0.tar.gz"), "the log is about something: {log}");
    for secret in [
        PASSWORD,
        "a-wrong-secret",
        // "alice:" as the beginning of a credential.
        "YWxpY2U6",
        "YnJva2VuLXRva2Vu",
        "Authorization",
        "authorization",
        "$2b$",
    ] {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
