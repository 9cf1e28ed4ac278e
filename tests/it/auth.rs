//! Who may do what: the htpasswd file in all its hashes, what each right protects, and what the log never says.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;
use std::time::Instant;

use rustix::process::Signal;
use socket2::{Domain, Socket, Type};

use crate::clients::{TWINES, twine};
use crate::dists::Dist;
use crate::form::Form;
use crate::harness::{PASSWORD, Server, Site, USER, bcrypt_line, eventually};
use crate::raw::{Request, Response};

/// The password as apache's `htpasswd -s`, `-m`, `-B` and `-d` write it, and as mkpasswd does.
const HASHES: [&str; 6] = [
    "{SHA}Z4oL/UuVWkakOJDuahNTwDgQJHY=",
    "$apr1$abcdefgh$jRYdAJ.eYPnCmJLxFrIeJ.",
    "$2y$05$z4NxxMOsGP3LpNZj/XKCAeKMAkU80n77QQzZ4z/VvNPQhFJ1W7xXO",
    "abDO0cOSWsT.g",
    "$5$abcdefgh$mHn6JDR9lXiHwzuPEMfLrlaQfLRskBET/Gu3bwFDly3",
    "$6$abcdefgh$Udjl/p2MjQp7.KxDBq443DQubPI.fVeIe7aVYtvXssEsGnamwcX/nQESAbfkzN0rr/rmf8mCjrKlfJe.WekxI1",
];

fn verify(server: &Server, user: &str, password: &str) -> Response {
    server.send(
        Form::default()
            .field(":action", "verify")
            .request("/")
            .login(user, password),
    )
}

#[test]
fn no_credentials_are_401_with_a_challenge_and_wrong_ones_403() {
    let server = Server::start();
    let dist = Dist::sdist("blinky", "1.0");
    let anonymous = server.send(Form::upload(&dist).request("/"));
    assert_eq!(anonymous.status, 401);
    assert!(
        anonymous
            .header("www-authenticate")
            .unwrap()
            .starts_with("Basic realm=")
    );
    assert_eq!(
        server
            .send(Form::upload(&dist).request("/").login(USER, "wrong"))
            .status,
        403
    );
    assert_eq!(
        server
            .send(Form::upload(&dist).request("/").login("nobody", PASSWORD))
            .status,
        403
    );
    for (garbage, status) in [
        ("Basic", 401),
        ("Bearer abc", 401),
        ("Basic !!!!", 400),
        ("Basic bm9jb2xvbg==", 400),
    ] {
        let answer = server.send(Form::upload(&dist).request("/").header("Authorization", garbage));
        assert_eq!(answer.status, status, "{garbage}: {}", answer.text());
        assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{garbage}");
    }
    assert_eq!(server.site.stored(), Vec::<String>::new());
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

#[test]
fn before_there_is_a_user_twine_and_the_log_say_what_makes_one() {
    let server = Site::new().htpasswd("").start();
    server.await_log("nobody is in the password file: run `micropypi passwd USER --file htpasswd`");
    for program in TWINES {
        let outcome = twine(program, &server).dists(&[&Dist::sdist("blinky", "1.0")]).run();
        outcome.failed_saying(&["403", "micropypi passwd USER"]);
    }
    assert_eq!(server.send(Request::get("/simple/")).status, 200);
    fs::write(server.site.path("htpasswd"), bcrypt_line(USER, PASSWORD)).unwrap();
    assert_eq!(verify(&server, USER, PASSWORD).status, 200, "at once");
}

#[test]
fn every_hash_that_htpasswd_writes_is_taken() {
    let lines: Vec<String> = HASHES
        .iter()
        .enumerate()
        .map(|(number, hash)| format!("user{number}:{hash}\n"))
        .collect();
    let server = Site::new().htpasswd(&lines.concat()).start();
    for (number, hash) in HASHES.iter().enumerate() {
        assert_eq!(
            verify(&server, &format!("user{number}"), PASSWORD).status,
            200,
            "{hash}"
        );
        assert_eq!(
            verify(&server, &format!("user{number}"), "0pen-sesame").status,
            403,
            "{hash}"
        );
    }
}

#[test]
fn the_password_file_is_read_again_when_it_changes() {
    let server = Server::start();
    assert_eq!(verify(&server, "bob", "b").status, 403);
    let path = server.site.path("htpasswd");
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(bcrypt_line("bob", "b").as_bytes())
        .unwrap();
    eventually("bob may in", || {
        Some(()).filter(|()| verify(&server, "bob", "b").status == 200)
    });
    fs::write(&path, bcrypt_line(USER, PASSWORD)).unwrap();
    eventually("bob may not", || {
        Some(()).filter(|()| verify(&server, "bob", "b").status == 403)
    });
    assert_eq!(verify(&server, USER, PASSWORD).status, 200);
}

#[test]
fn a_malformed_line_is_refused_by_number_at_start() {
    let site = Site::new().htpasswd(&format!("{}\nnonsense\nbob:$2y$short\n", bcrypt_line(USER, PASSWORD)));
    let config = site.configure();
    let output = site
        .command()
        .arg("serve")
        .arg("--config")
        .arg(config)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("line 3") && text.contains("line 4") && text.contains("htpasswd"),
        "{text}"
    );
}

#[test]
fn a_malformed_line_at_a_reload_leaves_the_good_ones() {
    let server = Server::start();
    let lines = format!("nonsense\n{}{}", bcrypt_line(USER, PASSWORD), bcrypt_line("bob", "b"));
    fs::write(server.site.path("htpasswd"), lines).unwrap();
    server.signal(Signal::HUP);
    eventually("bob may in", || {
        Some(()).filter(|()| verify(&server, "bob", "b").status == 200)
    });
    assert_eq!(verify(&server, USER, PASSWORD).status, 200);
    server.await_log("line 1");
}

#[test]
fn a_password_file_that_is_gone_is_told_with_what_mends_it() {
    let server = Site::new().start();
    fs::remove_file(server.site.path("htpasswd")).unwrap();
    server.signal(Signal::HUP);
    server.await_log("its last reading stays in force error=the password file htpasswd does not exist");
    server.await_log("--file htpasswd`\n");
    assert_eq!(verify(&server, USER, PASSWORD).status, 200);
}

#[test]
fn a_reload_protects_more_even_with_a_malformed_line() {
    let server = Server::start();
    assert_eq!(server.get("/simple/").status, 200);
    server
        .site
        .clone()
        .set("auth.protect", r#"["update", "list"]"#)
        .htpasswd(&format!("nonsense\n{}", bcrypt_line(USER, PASSWORD)))
        .configure();
    server.signal(Signal::HUP);
    server.await_log("reloaded");
    server.await_log("line 1 of the password file is not used");
    assert_eq!(server.get("/simple/").status, 401);
    assert_eq!(server.send(Request::get("/simple/").by_user()).status, 200);
}

#[test]
fn a_reload_that_names_a_missing_password_file_changes_nothing() {
    let server = Server::start();
    let site = server.site.clone();
    site.set("auth.passwords", r#""none""#)
        .set("auth.protect", "[]")
        .configure();
    server.signal(Signal::HUP);
    server.await_log("not reloaded: the password file none does not exist");
    assert_eq!(verify(&server, USER, PASSWORD).status, 200);
    assert_eq!(verify(&server, "bob", "b").status, 403);
}

#[test]
fn each_right_is_protected_alone() {
    let dist = Dist::sdist("blinky", "1.0");
    let list = [
        "/simple",
        "/simple/",
        "/simple/blinky",
        "/simple/blinky/",
        "/blinky",
        "/blinky/",
        "/blinky/json",
        "/pypi/blinky/json",
        "/pypi/blinky/1.0/json",
        "/packages",
        "/packages/",
        "/project/blinky",
        "/project/blinky/",
        "/blinky/1.0/",
        "/index.json",
        "/package/6/blinky/latest.json",
        "/blinky/package.json",
        "/blinky/1.0/package.json",
    ];
    let download = [
        "/packages/blinky-1.0.tar.gz",
        "/packages/blinky-1.0.tar.gz.metadata",
        "/packages/blinky-1.0.tar.gz.asc",
        "/boards/blinky/1.0.tar.gz",
    ];
    for (right, closed, open) in [
        ("list", list.as_slice(), download.as_slice()),
        ("download", &download, &list),
    ] {
        let site = Site::holding(std::slice::from_ref(&dist)).set("auth.protect", &format!("[{right:?}]"));
        fs::write(site.packages().join("blinky-1.0.tar.gz.asc"), "signature").unwrap();
        let server = site.start();
        for target in closed {
            let answer = server.get(target);
            assert_eq!(
                (answer.status, answer.header("www-authenticate").is_some()),
                (401, true),
                "{right}: {target}"
            );
            assert_eq!(
                server.send(Request::get(target).by_user()).status,
                200,
                "{right}: {target}"
            );
        }
        for target in open.iter().chain(&["/health", "/", "/micropypi.py", "/micropypi.mpy"]) {
            assert_eq!(server.get(target).status, 200, "{right}: {target}");
        }
        let is_told = server.get("/").text().contains("blinky");
        assert_eq!(is_told, right != "list", "the home page names the projects");
        let upload = Form::upload(&Dist::sdist("blinky", "2.0")).request("/");
        assert_eq!(server.send(upload).status, 200, "update is open when it is not named");
    }
}

/// Whoever may not see the index could try all beginnings of digests, which are 65,536.
#[test]
fn what_boards_get_is_told_to_those_alone_who_may_see_the_index_and_download() {
    for protected in ["", "list", "download"] {
        let site = Site::holding(&[Dist::wheel("blinky", "1.0")]);
        let rights: Vec<_> = Some(protected).filter(|right| !right.is_empty()).into_iter().collect();
        let server = site.set("auth.protect", &format!("{rights:?}")).start();
        let manifest = server
            .send(Request::get("/package/6/blinky/latest.json").by_user())
            .json();
        let digits = manifest["hashes"][0][1].as_str().unwrap();
        let target = format!("/file/{}/{digits}", &digits[..2]);
        // Once it was sent, it is ready for the next.
        let sent = server.send(Request::get(&target).by_user());
        let scope = if protected.is_empty() { "public, " } else { "private, " };
        assert!(sent.status == 200 && sent.header("cache-control").unwrap().starts_with(scope));
        let expected = if protected.is_empty() { 200 } else { 401 };
        assert_eq!(server.get(&target).status, expected, "{protected}");
        assert_eq!(
            server.get(&format!("/file/00/{}", &digits[..4])).status,
            expected,
            "{protected}"
        );
    }
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

/// A request from another address of the loopback network.
fn send_from(server: &Server, last: u8, request: &Request) -> Response {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0)).into())
        .unwrap();
    socket.connect(&server.address.into()).unwrap();
    let mut stream: std::net::TcpStream = socket.into();
    stream.write_all(&request.bytes(server.address)).unwrap();
    Response::read(&mut stream).unwrap()
}

/// How many wrong passwords of one address may have been looked at since then: ten at once, and one more in two seconds.
fn most_looked_at(since: Instant) -> usize {
    10 + (since.elapsed().as_secs() / 2) as usize
}

#[test]
fn many_wrong_passwords_from_one_address_stop_nobody_elsewhere() {
    let server = Site::new()
        .htpasswd(&format!("{USER}:{}\n", bcrypt::hash(PASSWORD, 10).unwrap()))
        .start();
    let attempt = |password: &str| {
        Form::default()
            .field(":action", "verify")
            .request("/")
            .login(USER, password)
    };
    let begin = Instant::now();
    let answers: Vec<Response> = thread::scope(|scope| {
        let guesses = (0..4).map(|thread| {
            let attempt = &attempt;
            let server = &server;
            scope.spawn(move || {
                let guess = |n| send_from(server, 66, &attempt(&format!("guess-{thread}-{n}")));
                (0..50).map(guess).collect::<Vec<_>>()
            })
        });
        let guesses: Vec<_> = guesses.collect();
        for _ in 0..5 {
            assert_eq!(send_from(&server, 7, &attempt(PASSWORD)).status, 200);
        }
        guesses.into_iter().flat_map(|guess| guess.join().unwrap()).collect()
    });
    let (refused, looked_at): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 429);
    assert!(looked_at.iter().all(|answer| answer.status == 403), "{looked_at:?}");
    assert!(
        looked_at.len() <= most_looked_at(begin),
        "each guess that is looked at costs a bcrypt; only {} of 200 were turned away",
        refused.len()
    );
    let tells_when = |answer: &&Response| answer.header("retry-after").is_some();
    assert!(refused.iter().all(tells_when), "{refused:?}");
}

#[test]
fn behind_a_proxy_each_client_is_throttled_alone() {
    let server = Site::new().set("trusted_proxies", r#"["127.0.0.0/8"]"#).start();
    let attempt = |from: &str, password: &str| {
        let form = Form::default().field(":action", "verify").request("/");
        server
            .send(form.header("X-Forwarded-For", from).login(USER, password))
            .status
    };
    // Some proxies tell the port, too, and it is another one with each connection.
    let guesses = (0..50).map(|n| attempt(&format!("10.1.1.1, 192.0.2.66:{}", 40_000 + n), &format!("guess-{n}")));
    let begin = Instant::now();
    let looked_at = guesses.filter(|status| *status != 429).count();
    assert!(
        looked_at <= most_looked_at(begin),
        "{looked_at} of 50 guesses were looked at"
    );
    assert_eq!(attempt("192.0.2.7:40000", PASSWORD), 200);
    assert_eq!(attempt("[2001:db8::7]:40000", PASSWORD), 200);
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
    assert_eq!(server.site.stored(), Vec::<String>::new());
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
