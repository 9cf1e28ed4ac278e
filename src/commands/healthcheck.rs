//! `healthcheck`: `GET /health` of the server on this machine, for containers that hold no other program.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::time::Duration;

use super::{CommandError, load, parse, run, serve};
use crate::cli::{Command, HealthcheckArgs};
use crate::config::{Config, Flags, Source};

/// For each step: to connect, to send, to get the first bytes.
const TIMEOUT: Duration = Duration::from_secs(3);

/// Why the server is not well.
#[derive(Debug, thiserror::Error)]
pub enum Unwell {
    /// It does not answer.
    #[error("{address} does not answer")]
    Silent {
        /// Where it was asked.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// It answers something else than 200.
    #[error("{address} answers: {answer}")]
    Status {
        /// Where it was asked.
        address: String,
        /// The status line.
        answer: String,
    },
    /// The configuration does not tell where to ask. Container engines know only the exit codes 0 and 1.
    #[error(transparent)]
    Configuration(Box<CommandError>),
    /// The URL is not one that can be asked.
    #[error("{0} is not a URL such as http://127.0.0.1:8089")]
    Url(String),
}

/// What to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Question {
    /// `GET /health`.
    Http,
    /// Whether something listens: the certificate names the LAN's host, not this one.
    Connect,
}

pub(super) fn run(args: &HealthcheckArgs) -> Result<(), CommandError> {
    if let Some(url) = &args.url {
        return Ok(ask_url(url)?);
    }
    if args.file.config.is_none()
        && let Some(config) = of_first_process()
    {
        let (question, addresses) = own_addresses(&config);
        return Ok(ask_any(question, &addresses)?);
    }
    let loaded = load(&args.file, Flags::default()).map_err(|error| Unwell::Configuration(Box::new(error)))?;
    let (question, mut addresses) = own_addresses(&loaded.config);
    if loaded.source == Source::None {
        // It may have been started by pypiserver's command line, which this process cannot see.
        let port = run::default_port()?;
        addresses.extend(loopback(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), port)));
    }
    Ok(ask_any(question, &addresses)?)
}

/// The configuration of the server that is the first process of this container, and has this process's environment.
fn of_first_process() -> Option<Config> {
    let line = fs::read("/proc/1/cmdline").ok()?;
    let words = line.strip_suffix(b"\0")?.split(|&byte| byte == 0);
    config_of(words.map(|word| OsString::from_vec(word.to_owned())).collect())
}

/// The configuration that a command line starts a server with; None for that of another program.
fn config_of(argv: Vec<OsString>) -> Option<Config> {
    if Path::new(argv.first()?).file_name()? != "micropypi" {
        return None;
    }
    let cli = parse(argv).ok()?;
    let loaded = match &cli.command {
        None => serve::load(&cli.serve),
        Some(Command::Serve(args)) => serve::load(args),
        Some(Command::Run(args)) => run::load(args),
        Some(_) => return None,
    };
    Some(loaded.ok()?.config)
}

/// One address that is well is enough; else the error is that of the first.
fn ask_any(question: Question, addresses: &[SocketAddr]) -> Result<(), Unwell> {
    let mut blame = None;
    for &address in addresses {
        match ask(question, address) {
            Ok(()) => return Ok(()),
            Err(unwell) => blame = blame.or(Some(unwell)),
        }
    }
    blame.map_or(Ok(()), Err)
}

fn ask_url(url: &str) -> Result<(), Unwell> {
    let wrong = || Unwell::Url(url.to_owned());
    let host = url
        .strip_prefix("http://")
        .ok_or_else(wrong)?
        .split('/')
        .next()
        .unwrap_or_default();
    let with_port = if host.rsplit(']').next().unwrap_or_default().contains(':') {
        host.to_owned()
    } else {
        format!("{host}:80")
    };
    let silent = |source| Unwell::Silent {
        address: with_port.clone(),
        source,
    };
    let addresses: Vec<_> = with_port.to_socket_addrs().map_err(silent)?.collect();
    ask_any(Question::Http, &addresses)
}

/// Where the configured server can be asked from this machine.
fn own_addresses(config: &Config) -> (Question, Vec<SocketAddr>) {
    let only_https = config.tls.as_ref().is_some_and(|tls| tls.listen.is_empty());
    let question = if only_https { Question::Connect } else { Question::Http };
    (question, config.listen.iter().copied().flat_map(loopback).collect())
}

/// The addresses of this machine that a listener on `address` answers at.
fn loopback(address: SocketAddr) -> Vec<SocketAddr> {
    let v4 = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port());
    let v6 = SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port());
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => vec![v4],
        IpAddr::V6(ip) if ip.is_unspecified() => vec![v4, v6],
        _ => vec![address],
    }
}

fn ask(question: Question, address: SocketAddr) -> Result<(), Unwell> {
    let silent = |source| Unwell::Silent {
        address: address.to_string(),
        source,
    };
    let stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(silent)?;
    if question == Question::Connect {
        return Ok(());
    }
    let answer = get_health(stream).map_err(silent)?;
    match answer.split(' ').nth(1) {
        Some("200") => Ok(()),
        _ => Err(Unwell::Status {
            address: address.to_string(),
            answer,
        }),
    }
}

/// The status line of `GET /health`.
fn get_health(mut stream: TcpStream) -> io::Result<String> {
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.write_all(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut head = [0; 256];
    let length = stream.read(&mut head)?;
    let text = String::from_utf8_lossy(&head[..length]);
    Ok(text.lines().next().unwrap_or("nothing").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A server for one request.
    fn server(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 64];
            let length = stream.read(&mut request).unwrap();
            assert!(request[..length].starts_with(b"GET /health "));
            stream.write_all(answer).unwrap();
        });
        address
    }

    #[test]
    fn a_200_is_well() {
        let address = server(b"HTTP/1.0 200 OK\r\n\r\n");
        ask_url(&format!("http://{address}/")).unwrap();
    }

    #[test]
    fn everything_else_is_not() {
        let unwell = ask(Question::Http, server(b"HTTP/1.0 503 Service Unavailable\r\n\r\n")).unwrap_err();
        assert!(
            unwell
                .to_string()
                .ends_with("answers: HTTP/1.0 503 Service Unavailable"),
            "{unwell}"
        );
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(Question::Http, closed), Err(Unwell::Silent { .. })));
        assert!(matches!(ask_url("ftp://x"), Err(Unwell::Url(_))));
    }

    #[test]
    fn the_server_is_asked_where_its_command_line_has_it_listen() {
        let asked = |line: &str| {
            let config = config_of(line.split_whitespace().map(OsString::from).collect())?;
            Some(own_addresses(&config).1[0].to_string())
        };
        for line in [
            "/micropypi run -p 22030 /data/packages",
            "micropypi -p 22030 -a update -P htpasswd",
            "/usr/bin/micropypi serve --listen 127.0.0.1:22030",
            "micropypi --listen 127.0.0.1:22030",
        ] {
            assert_eq!(asked(line).as_deref(), Some("127.0.0.1:22030"), "{line}");
        }
        for line in ["/sbin/init", "micropypi passwd alice", "micropypi --nonsense"] {
            assert_eq!(asked(line), None, "{line}");
        }
    }

    #[test]
    fn all_interfaces_are_asked_through_loopback() {
        let (question, addresses) = own_addresses(&Config::default());
        assert_eq!(question, Question::Http);
        assert_eq!(
            addresses,
            ["127.0.0.1:8089".parse().unwrap(), "[::1]:8089".parse().unwrap()]
        );
    }
}
