//! The responder: one host name and two service instances for as long as the server runs. Called by `serve.rs`.
//!
//! mdns-sd probes, announces, answers, and follows addresses and links as they come and go. What it does not do well is
//! to live on after a name conflict: it renames the records, but goes on answering SRV queries with the lost host name.
//! So a session has one name only, and a conflict starts another session with the next name.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonEvent, IfKind, Receiver, RecvTimeoutError, ServiceDaemon};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, info, warn};

use super::service::{Service, State, host_label};
use super::{INDEX_TYPE, MdnsError};

const MDNS_PORT: u16 = 5353;

/// At most one change of the TXT record in this time; probing, which lasts a second, is over by then.
const TXT_INTERVAL: Duration = Duration::from_secs(5);

/// How often the machine's addresses are looked at, in seconds.
const ADDRESS_INTERVAL: u32 = 2;

/// mdns-sd repeats a goodbye after 120 ms, because the first may be lost.
const GOODBYE: Duration = Duration::from_millis(150);

/// How long the responder may take to answer a request to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The announcement of a running server. Dropped without [`Announcer::stop`] it goes on until the process ends.
#[derive(Debug)]
pub struct Announcer {
    shared: Arc<Shared>,
}

impl Announcer {
    /// Starts to announce `service` in the background. Its name is probed first (RFC 6762, section 8), which takes a
    /// second; a name that is taken gives way to `name-2` and so on.
    ///
    /// # Errors
    /// [`MdnsError::Name`] for a name that is no host name, [`MdnsError::Port`] if UDP port 5353 is not to be had.
    pub fn start(mut service: Service) -> Result<Self, MdnsError> {
        service.name = host_label(&service.name)?;
        share_port()?;
        for name in service.scope().absent() {
            warn!(
                "mdns.interfaces: there is no interface `{name}` with an address now; it is announced there once there is"
            );
        }
        let (session, events) = Session::open(&service, service.name.clone(), service.state)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(service.state),
            session: Mutex::new(Some(session)),
            service,
        });
        let follower = Arc::clone(&shared);
        thread::Builder::new()
            .name("mdns".to_owned())
            .spawn(move || follower.follow(events))
            .map_err(MdnsError::Thread)?;
        Ok(Self { shared })
    }

    /// The host name as it stands after conflicts so far: `micropypi.local`, or `micropypi-2.local`.
    pub fn host_name(&self) -> String {
        let session = self.shared.session();
        let label = session
            .as_ref()
            .map_or(&self.shared.service.name, |session| &session.label);
        format!("{label}.local")
    }

    /// Tells how many projects there are now. Returns at once; the LAN learns of it within a few seconds.
    pub fn update_projects(&self, projects: usize) {
        lock(&self.shared.state).projects = projects;
    }

    /// Tells whether an upload needs a password now. As [`Announcer::update_projects`].
    pub fn update_uploads(&self, need_password: bool) {
        lock(&self.shared.state).uploads_need_password = need_password;
    }

    /// Says goodbye, so that the LAN forgets this server at once (RFC 6762, section 10.1). Blocks for 0.2 s, at most a
    /// few seconds.
    pub fn stop(&self) {
        if let Some(session) = self.shared.session().take() {
            session.say_goodbye(&self.shared.service);
        }
    }
}

#[derive(Debug)]
struct Shared {
    service: Service,
    state: Mutex<State>,
    /// None once stopped.
    session: Mutex<Option<Session>>,
}

impl Shared {
    fn session(&self) -> MutexGuard<'_, Option<Session>> {
        lock(&self.session)
    }

    fn state(&self) -> State {
        *lock(&self.state)
    }

    /// Follows the responder's events until it is stopped.
    fn follow(&self, mut events: Receiver<DaemonEvent>) {
        loop {
            match events.recv_timeout(TXT_INTERVAL) {
                Ok(DaemonEvent::NameChange(_)) => match self.take_next_name() {
                    Some(of_next_session) => events = of_next_session,
                    None => return,
                },
                Ok(event) => self.note(&event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.refresh_state();
        }
    }

    /// Leaves the name to the host that has it, and starts over with the next. None once stopped.
    fn take_next_name(&self) -> Option<Receiver<DaemonEvent>> {
        let mut slot = self.session();
        let lost = slot.take()?;
        let label = next_label(&self.service.name, &lost.label);
        warn!(
            "another host of this network is {}.local: this server is {label}.local",
            lost.label
        );
        lost.fall_silent();
        match Session::open(&self.service, label, self.state()) {
            Ok((session, events)) => {
                *slot = Some(session);
                Some(events)
            }
            Err(error) => {
                warn!(
                    error = &error as &dyn std::error::Error,
                    "mDNS ends: the server is not announced"
                );
                None
            }
        }
    }

    fn note(&self, event: &DaemonEvent) {
        match event {
            DaemonEvent::Announce(..) => self.note_announced(),
            DaemonEvent::IpAdd(address) => {
                debug!(%address, "mDNS: a new address");
                self.probe_new_interface();
            }
            DaemonEvent::IpDel(address) => debug!(%address, "mDNS: an address is gone"),
            DaemonEvent::Error(error) => warn!(error = error as &dyn std::error::Error, "mDNS"),
            _ => {}
        }
    }

    fn note_announced(&self) {
        if let Some(session) = self.session().as_mut().filter(|session| !session.announced) {
            session.announced = true;
            let Service { port, .. } = self.service;
            let scheme = self.service.scheme();
            info!("announced by mDNS as {scheme}://{}.local:{port}/", session.label);
        }
    }

    /// An update of the TXT record switches probing off; a network that was joined since then must be asked, too.
    fn probe_new_interface(&self) {
        if let Some(session) = self.session().as_mut() {
            session.register(&self.service, session.state, true);
        }
    }

    fn refresh_state(&self) {
        let state = self.state();
        if let Some(session) = self.session().as_mut()
            && session.state != state
            && session.registered.elapsed() >= TXT_INTERVAL
        {
            session.register(&self.service, state, false);
        }
    }
}

/// A responder with one name.
struct Session {
    responder: ServiceDaemon,
    label: String,
    /// What the TXT record says.
    state: State,
    /// When the records were last handed to the responder.
    registered: Instant,
    announced: bool,
}

impl Session {
    fn open(service: &Service, label: String, state: State) -> Result<(Self, Receiver<DaemonEvent>), MdnsError> {
        let responder = ServiceDaemon::new()?;
        let events = responder.monitor()?;
        responder.set_ip_check_interval(ADDRESS_INTERVAL)?;
        responder.disable_interface(service.scope().excluded())?;
        for info in service.records(&label, state, true)? {
            responder.register(info)?;
        }
        let session = Self {
            responder,
            label,
            state,
            registered: Instant::now(),
            announced: false,
        };
        Ok((session, events))
    }

    /// Replaces the records. Without a probe they are announced at once: they are ours already (RFC 6762, section 8.4).
    fn register(&mut self, service: &Service, state: State, probe: bool) {
        self.registered = Instant::now();
        self.state = state;
        let registered = service
            .records(&self.label, state, probe)
            .and_then(|infos| infos.into_iter().try_for_each(|info| self.responder.register(info)));
        if let Err(error) = registered {
            warn!(
                error = &error as &dyn std::error::Error,
                "mDNS: the announcement is out of date"
            );
        }
    }

    fn say_goodbye(&self, service: &Service) {
        for service_type in [service.page_type(), INDEX_TYPE] {
            let full_name = format!("{}.{service_type}", self.label);
            if let Ok(done) = self.responder.unregister(&full_name) {
                let _ = done.recv_timeout(STOP_TIMEOUT);
            }
        }
        thread::sleep(GOODBYE);
        self.shut_down();
    }

    /// Ends without a goodbye: the records under this name are another host's.
    fn fall_silent(&self) {
        if let Err(error) = self.responder.disable_interface(IfKind::All) {
            debug!(error = &error as &dyn std::error::Error, "mDNS: not silenced");
        }
        self.shut_down();
    }

    fn shut_down(&self) {
        if let Ok(done) = self.responder.shutdown() {
            let _ = done.recv_timeout(STOP_TIMEOUT);
        }
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// What a panic could leave behind under these locks is still whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// mdns-sd opens its socket later and tells nobody when it cannot.
pub(super) fn share_port() -> Result<(), MdnsError> {
    let open = || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, MDNS_PORT)).into())
    };
    open().map_err(MdnsError::Port)
}

/// `micropypi` → `micropypi-2` → `micropypi-3`.
fn next_label(name: &str, lost: &str) -> String {
    let number = lost
        .strip_prefix(name)
        .and_then(|rest| rest.strip_prefix('-'))
        .and_then(|number| number.parse::<u32>().ok())
        .unwrap_or(1);
    format!("{name}-{}", number + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_name_gives_way_to_the_next_number() {
        assert_eq!(next_label("micropypi", "micropypi"), "micropypi-2");
        assert_eq!(next_label("micropypi", "micropypi-9"), "micropypi-10");
        assert_eq!(next_label("lab-3", "lab-3"), "lab-3-2");
    }
}
