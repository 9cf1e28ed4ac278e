//! What the server tells systemd, with a socket of the test in systemd's place. `tests/systemd` asks systemd itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::dists::Dist;
use crate::harness::{PATIENCE, Server, Site, eventually};

/// The manager's end of `NOTIFY_SOCKET`.
struct Manager(UnixDatagram);

impl Manager {
    /// Starts a server that pings every 100 ms.
    fn start(site: &Site) -> (Self, Server) {
        let path = site.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let watchdog = OsStr::new("200000");
        let server = site.start_with_environment(&[("NOTIFY_SOCKET", path.as_os_str()), ("WATCHDOG_USEC", watchdog)]);
        (Self(socket), server)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.0.recv(&mut bytes).expect("word from the server");
        String::from_utf8(bytes[..length].to_vec()).unwrap()
    }

    /// Waits for a message that holds one of these, and gives it.
    fn hears(&self, words: &[&str]) -> String {
        loop {
            let message = self.next();
            if words.iter().any(|word| message.contains(word)) {
                return message;
            }
        }
    }

    /// Everything that has come by now.
    fn heard(&self) -> Vec<String> {
        self.0.set_nonblocking(true).unwrap();
        let mut bytes = [0; 4096];
        let mut messages = Vec::new();
        while let Ok(length) = self.0.recv(&mut bytes) {
            messages.push(String::from_utf8_lossy(&bytes[..length]).into_owned());
        }
        self.0.set_nonblocking(false).unwrap();
        messages
    }
}

#[test]
fn a_store_that_goes_away_gets_no_ping_and_one_that_comes_back_does() {
    let site = Site::new().set("store.watch", r#""off""#);
    let (manager, server) = Manager::start(&site);
    manager.hears(&["WATCHDOG=1"]);
    let elsewhere = site.path("elsewhere");
    fs::rename(site.packages(), &elsewhere).unwrap();
    let silent = |times| server.log().matches("the watchdog gets no ping").count() >= times;
    eventually("it notices", || silent(1).then_some(()));
    manager.heard();
    eventually("more than a ping's time passes", || silent(3).then_some(()));
    let heard = manager.heard().concat();
    assert!(!heard.contains("WATCHDOG=1"), "{heard}");
    fs::rename(elsewhere, site.packages()).unwrap();
    manager.hears(&["WATCHDOG=1"]);
}

#[test]
fn a_reload_is_over_when_the_folder_is_read() {
    let site = Site::new().set("store.watch", r#""off""#);
    let (manager, server) = Manager::start(&site);
    manager.hears(&["READY=1"]);
    let dist = Dist::wheel("blinky", "1.0");
    fs::write(site.packages().join(&dist.filename), &dist.bytes).unwrap();
    server.signal(Signal::HUP);
    manager.hears(&["RELOADING=1"]);
    let ready = manager.hears(&["READY=1"]);
    assert_eq!(server.get("/simple/blinky/").status, 200);
    assert!(ready.contains("Serving 1 project, 1 file on"), "{ready}");
}

#[test]
fn the_end_is_told_and_waits_for_no_reload() {
    let site = Site::new().set("store.watch", r#""off""#);
    let (manager, server) = Manager::start(&site);
    manager.hears(&["READY=1"]);
    // Damaged and young: the reload gives it a second to be whole.
    fs::write(site.packages().join("blinky-1.0.tar.gz"), "half").unwrap();
    server.signal(Signal::HUP);
    manager.hears(&["RELOADING=1"]);
    server.signal(Signal::TERM);
    let told = manager.hears(&["STOPPING=1", "READY=1"]);
    assert!(told.contains("STOPPING=1"), "{told}");
    let (status, _) = server.stop();
    assert!(status.success(), "{status}");
}
