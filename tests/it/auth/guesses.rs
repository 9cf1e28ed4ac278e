//! Wrong passwords, one after another: whoever guesses is turned away, and nobody else.

use std::io::Write;
use std::thread;
use std::time::Instant;

use super::login;
use crate::harness::{PASSWORD, Server, Site, USER};
use crate::raw::{Request, Response, connect_from};

/// A request from another address of the loopback network.
fn send_from(server: &Server, last: u8, request: &Request) -> Response {
    let mut stream = connect_from(last, server.address);
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
    let begin = Instant::now();
    let answers: Vec<Response> = thread::scope(|scope| {
        let guesses = (0..4).map(|thread| {
            let server = &server;
            scope.spawn(move || {
                let guess = |n| send_from(server, 66, &login(USER, &format!("guess-{thread}-{n}")));
                (0..50).map(guess).collect::<Vec<_>>()
            })
        });
        let guesses: Vec<_> = guesses.collect();
        for _ in 0..5 {
            assert_eq!(send_from(&server, 7, &login(USER, PASSWORD)).status, 200);
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
        let request = login(USER, password).header("X-Forwarded-For", from);
        server.send(request).status
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
