//! `healthcheck`, where there is nothing to answer; where there is, `tests/it` asks a server.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::harness::{failure, home, ran};

#[test]
fn healthcheck_fails_where_nobody_listens() {
    let home = home();
    // Taken by one who does not listen, so that nobody else can.
    let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let port = silent.local_addr().unwrap().as_socket().unwrap().port();
    let output = ran(
        home.path(),
        &["healthcheck", "--url", &format!("http://127.0.0.1:{port}")],
    );
    assert!(
        failure(&output).starts_with(&format!("error: 127.0.0.1:{port} does not answer\ncaused by: ")),
        "{output:?}"
    );
}
