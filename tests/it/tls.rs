//! HTTPS, with a certificate authority of the test's own: curl, pip, uv, twine and boards; renewal, and what is refused.

use std::fs::{self, File, Permissions};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustix::process::Signal;

use crate::clients::{Client, micropython, micropythons, pip_install, uv_install};
use crate::dists::Dist;
use crate::harness::{Killed, PASSWORD, PATIENCE, Server, Site, USER, eventually, free_port};
use crate::micropythons::Board;
use crate::raw::Request;

/// A certificate and its key, as PEM.
struct Pair {
    certificate: String,
    key: String,
}

/// Signs certificates, and is trusted by whoever is handed `pem`.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Newer Pythons insist on what RFC 5280 demands.
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params
            .distinguished_name
            .push(DnType::CommonName, "The test's authority");
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        Self { pem, issuer }
    }

    /// A pair for this machine.
    fn issue(&self) -> Pair {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["127.0.0.1".to_owned(), "localhost".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "localhost");
        params.use_authority_key_identifier_extension = true;
        Pair {
            certificate: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

fn write(site: &Site, pair: &Pair) {
    fs::write(site.path("cert.pem"), &pair.certificate).unwrap();
    fs::write(site.path("key.pem"), &pair.key).unwrap();
}

/// A site that speaks HTTPS on a port of its own, beside HTTP, with the authority in `ca.pem`.
fn site(authority: &Authority) -> Site {
    let site = Site::new()
        .set("tls.certificate", r#""cert.pem""#)
        .set("tls.key", r#""key.pem""#)
        .set("tls.listen", r#"["127.0.0.1:0"]"#);
    write(&site, &authority.issue());
    fs::write(site.path("ca.pem"), &authority.pem).unwrap();
    site
}

/// The HTTPS port that the log names.
fn port_in(log: &str) -> Option<u16> {
    let (_, rest) = log.split_once("https://127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn port(server: &Server) -> u16 {
    eventually("the log names the HTTPS port", || port_in(&server.log()))
}

fn curl(ca: &Path, url: &str) -> Command {
    let mut curl = Command::new("curl");
    // `--disable` must come first: no .curlrc, and no proxy of the environment.
    curl.args([
        "--disable",
        "--noproxy",
        "*",
        "--silent",
        "--show-error",
        "--max-time",
        "20",
    ]);
    curl.arg("--cacert");
    curl.arg(ca).arg(url);
    curl
}

fn is_trusted(ca: &Path, port: u16) -> bool {
    curl(ca, &format!("https://127.0.0.1:{port}/health"))
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn pip_uv_and_twine_trust_the_authority_that_they_are_given() {
    let server = site(&Authority::new()).start();
    let url = format!("https://127.0.0.1:{}", port(&server));
    let ca = server.site.path("ca.pem");
    let ca = ca.to_str().unwrap();
    Client::new("twine/bin/twine")
        .args(["upload", "--cert", ca, "--repository-url", &format!("{url}/")])
        .args(["-u", USER, "-p", PASSWORD])
        .dists(&[&Dist::wheel("blinky", "1.0")])
        .run()
        .succeeded();
    let install = |client: &dyn Fn(&Path) -> Client| {
        let target = tempfile::tempdir().unwrap();
        client(target.path()).args(["blinky"]).run().succeeded();
        assert!(target.path().join("blinky/__init__.py").exists());
    };
    install(&|target| pip_install("pip/bin/python", &format!("{url}/simple/"), target).args(["--cert", ca]));
    install(&|target| uv_install(&format!("{url}/simple/"), target).env("SSL_CERT_FILE", ca));
}

#[test]
fn both_families_are_listened_on_by_both_protocols() {
    let ports = [(); 2].map(|()| free_port());
    let both = ports.map(|port| format!(r#""[::]:{port}", "0.0.0.0:{port}""#));
    let server = site(&Authority::new())
        // The harness finds its server at an address of its own.
        .set("listen", &format!(r#"[{}, "127.0.0.1:0"]"#, both[0]))
        .set("tls.listen", &format!("[{}]", both[1]))
        .start();
    for (scheme, port) in ["http", "https"].into_iter().zip(ports) {
        for host in ["127.0.0.1", "[::1]"] {
            let mut curl = curl(
                &server.site.path("ca.pem"),
                &format!("{scheme}://localhost:{port}/health"),
            );
            let outcome = curl.args(["--connect-to", &format!("::{host}:")]).output().unwrap();
            assert!(outcome.status.success(), "{scheme} {host}: {outcome:?}");
        }
    }
}

#[test]
fn a_socket_without_clients_takes_no_room_from_the_other() {
    let server = site(&Authority::new()).set("limits.connections", "1").start();
    let ca = server.site.path("ca.pem");
    for _ in 0..3 {
        assert_eq!(server.get("/health").status, 200);
        assert!(is_trusted(&ca, port(&server)));
    }
}

#[test]
fn a_stranger_is_not_trusted() {
    let server = site(&Authority::new()).start();
    let other = server.site.path("other.pem");
    fs::write(&other, Authority::new().pem).unwrap();
    assert!(!is_trusted(&other, port(&server)));
    assert!(is_trusted(&server.site.path("ca.pem"), port(&server)));
}

#[test]
fn a_board_installs_by_mip() {
    let server = site(&Authority::new()).package(&Dist::wheel("blinky", "1.0")).start();
    for program in micropythons() {
        let board = Board::with(program);
        let outcome = board.mip(&format!("'blinky', index='https://127.0.0.1:{}'", port(&server)));
        outcome.succeeded();
        assert_eq!(board.files().into_keys().collect::<Vec<_>>(), ["blinky/__init__.py"]);
    }
}

#[test]
fn a_board_that_checks_certificates_is_content() {
    let authority = Authority::new();
    let server = site(&authority).start();
    let ask = |ca: &Path| {
        let script = format!(
            "import socket, tls
context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
context.verify_mode = tls.CERT_REQUIRED
context.load_verify_locations(open({:?}, 'rb').read())
s = socket.socket()
s.connect(socket.getaddrinfo('127.0.0.1', {})[0][-1])
s = context.wrap_socket(s, server_hostname='localhost')
s.write(b'GET /health HTTP/1.0\\r\\n\\r\\n')
print(s.readline())",
            ca.display().to_string(),
            port(&server)
        );
        micropython("2M", &script).run()
    };
    // MicroPython reads a PEM file up to a NUL.
    let ca = server.site.path("ca.nul");
    fs::write(&ca, format!("{}\0", authority.pem)).unwrap();
    ask(&ca).succeeded().says(&["200 OK"]);
    let other = server.site.path("other.nul");
    fs::write(&other, format!("{}\0", Authority::new().pem)).unwrap();
    ask(&other).failed_saying(&["Error"]);
}

#[test]
fn a_renewed_certificate_is_taken_by_a_reload_and_a_bad_one_is_not() {
    let server = site(&Authority::new()).start();
    let (port, authority) = (port(&server), Authority::new());
    let ca = server.site.path("new.pem");
    fs::write(&ca, &authority.pem).unwrap();
    write(&server.site, &authority.issue());
    assert!(!is_trusted(&ca, port));
    server.signal(Signal::HUP);
    eventually("the new certificate is shown", || is_trusted(&ca, port).then_some(()));
    fs::write(server.site.path("key.pem"), authority.issue().key).unwrap();
    server.signal(Signal::HUP);
    server.await_log("is not the key of the certificate in cert.pem");
    assert!(is_trusted(&ca, port));
}

#[test]
fn a_mismatched_pair_is_refused_at_start() {
    let authority = Authority::new();
    let site = site(&authority);
    fs::write(site.path("key.pem"), authority.issue().key).unwrap();
    let config = site.configure();
    let output = site.command().args(["serve", "--config"]).arg(config).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(
        text.contains("the key in key.pem is not the key of the certificate in cert.pem"),
        "{text}"
    );
}

#[test]
fn a_key_that_others_can_read_is_warned_of() {
    let site = site(&Authority::new());
    fs::set_permissions(site.path("key.pem"), Permissions::from_mode(0o644)).unwrap();
    let server = site.start();
    server.await_log("the private key key.pem can be read by every user of this machine; run: chmod o-rwx key.pem");
}

#[test]
fn who_says_nothing_is_given_up() {
    let server = site(&Authority::new()).set("limits.header_seconds", "1").start();
    let mut silent = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port(&server)))).unwrap();
    silent.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
}

#[test]
fn who_says_nothing_holds_up_no_stop() {
    let server = site(&Authority::new()).set("limits.header_seconds", "600").start();
    let port = port(&server);
    let _silent = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    // Accepted after that one.
    assert!(is_trusted(&server.site.path("ca.pem"), port));
    let (status, log) = server.stop();
    assert!(status.success() && !log.contains("did not end in time"), "{log}");
}

#[test]
fn plain_http_on_the_https_port_is_sent_to_https() {
    let server = site(&Authority::new()).package(&Dist::wheel("blinky", "1.0")).start();
    let ca = server.site.path("ca.pem");
    let url = format!("http://127.0.0.1:{}", port(&server));
    let target = tempfile::tempdir().unwrap();
    let pip = pip_install("pip/bin/python", &format!("{url}/simple/"), target.path());
    pip.args([Path::new("--cert"), &ca, Path::new("blinky")])
        .run()
        .succeeded();
    assert!(target.path().join("blinky").is_dir());
    server.await_log("GET /simple/blinky/ 307 ");
    let board = Request::board("/blinky/package.json?x=1").header("Host", "127.0.0.1");
    let there = format!("https://127.0.0.1:{}/blinky/package.json?x=1", port(&server));
    let answer = board.try_send(SocketAddr::from((Ipv4Addr::LOCALHOST, port(&server))));
    assert_eq!(answer.unwrap().header("location"), Some(there.as_str()));
}

#[test]
fn https_on_the_plain_port_is_told_to_the_log() {
    let server = Server::start();
    assert!(!is_trusted(Path::new("/dev/null"), server.address.port()));
    server.await_log("a client speaks HTTPS to this port, which speaks plain HTTP: write http:// ");
}

#[test]
fn who_uploads_by_plain_http_to_the_https_port_is_told() {
    let server = site(&Authority::new()).start();
    let url = format!("http://127.0.0.1:{}/", port(&server));
    // More than fits into the buffers of a connection.
    let dist = Dist::noise(8 << 20);
    Client::new("twine/bin/twine")
        .args(["upload", "--repository-url", &url, "-u", USER, "-p", PASSWORD])
        .dists(&[&dist])
        .run()
        .failed_saying(&["400", "this port speaks HTTPS"]);
    assert!(is_trusted(&server.site.path("ca.pem"), port(&server)));
}

#[test]
fn the_one_port_can_speak_https() {
    let site = site(&Authority::new()).without("tls.listen");
    let log = File::create(site.path("log")).unwrap();
    let config = site.configure();
    let mut command = site.command();
    command.args(["serve", "--config"]).arg(config).stderr(log);
    let _server = Killed(command.spawn().unwrap());
    let log = || fs::read_to_string(site.path("log")).unwrap();
    let port = eventually("the log names the port", || port_in(&log()));
    assert!(is_trusted(&site.path("ca.pem"), port));
    assert!(!log().contains("http://"), "{}", log());
}
