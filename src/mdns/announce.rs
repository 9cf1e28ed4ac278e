//! The responder: one host name and two service instances for as long as the server runs. Called by `serve/`.
//!
//! mdns-sd probes, announces, answers, and follows addresses and links as they come and go. What it does not do well is
//! to live on after a name conflict: it renames the records, but goes on answering SRV queries with the lost host name.
//! So a session has one name only, and a conflict starts another session: with the next name, or with the same where no
//! other host and no other server is the holder. mdns-sd cannot tell; `holder.rs` finds out.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use mdns_sd::{DaemonEvent, IfKind, Receiver, RecvTimeoutError, ServiceDaemon};
use socket2::{Domain, Protocol, Socket, Type};
use tracing::{debug, info, warn};

use super::conflicts::{Conflicts, next_label};
use super::holder::Holder;
use super::service::{Begin, Service, State};
use super::{INDEX_TYPE, MdnsError};
use crate::chain::Chain;
use crate::lock::lock;

const MDNS_PORT: u16 = 5353;

/// The TXT record changes at most once in this time; probing, which lasts a second, is over by then.
const TXT_INTERVAL: Duration = Duration::from_secs(5);

/// How often the machine's addresses are looked at, in seconds.
const ADDRESS_INTERVAL: u32 = 2;

/// mdns-sd repeats a goodbye after 120 ms, because the first may be lost.
const GOODBYE: Duration = Duration::from_millis(150);

/// How long the responder may take to answer a request to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

/// The announcement of a running server; clones share it. Dropped without [`Announcer::stop`] it goes on until the process
/// ends.
#[derive(Debug, Clone)]
pub struct Announcer {
    shared: Arc<Shared>,
}

impl Announcer {
    /// Starts to announce `service` in the background. Its name is probed first (RFC 6762, section 8), which takes a
    /// second; a name that is taken gives way to `name-2` and so on.
    ///
    /// # Errors
    /// [`MdnsError::Port`] if UDP port 5353 is not to be had.
    pub fn start(service: Service) -> Result<Self, MdnsError> {
        share_port()?;
        for name in service.scope().absent() {
            warn!(
                "mdns.interfaces: there is no interface `{name}` with an address now; it is announced there once there is"
            );
        }
        let (session, events) = Session::open(&service, service.name.clone(), service.state, Begin::Probing)?;
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
        // Not in the condition, where the lock would be held through the goodbye.
        let session = self.shared.session().take();
        if let Some(session) = session {
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
        let mut conflicts = Conflicts::default();
        loop {
            let next = match events.recv_timeout(TXT_INTERVAL) {
                Ok(event) => self.handle(event, &mut conflicts),
                Err(RecvTimeoutError::Timeout) => Ok(None),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            match next {
                Ok(Some(of_next_session)) => events = of_next_session,
                Ok(None) => {}
                Err(error) => return self.end(&error),
            }
            self.refresh_state();
        }
    }

    /// Gives the events of the next session where one was started.
    fn handle(
        &self,
        event: DaemonEvent,
        conflicts: &mut Conflicts,
    ) -> Result<Option<Receiver<DaemonEvent>>, MdnsError> {
        match event {
            DaemonEvent::NameChange(change) => return self.settle(change.intf_name, conflicts),
            DaemonEvent::IpAdd(address) => {
                debug!(%address, "mDNS: a new address");
                return self.probe_new_network();
            }
            DaemonEvent::Announce(..) => self.note_announced(),
            DaemonEvent::IpDel(address) => debug!(%address, "mDNS: an address is gone"),
            DaemonEvent::Error(error) => warn!(error = %Chain(&error), "mDNS"),
            _ => {}
        }
        Ok(None)
    }

    /// A network that is joined must be asked for the name, for all of its records at once: mdns-sd asks for the new address
    /// alone if for any, and takes the others, when it hears itself tell of them, for another host's. Left alone it would
    /// take one name after another for ever.
    fn probe_new_network(&self) -> Result<Option<Receiver<DaemonEvent>>, MdnsError> {
        let slot = self.session();
        let Some(label) = slot.as_ref().map(|session| session.label.clone()) else {
            return Ok(None);
        };
        drop(slot);
        self.start_over(BTreeSet::new(), label, Begin::Probing)
    }

    /// Finds out who has the name that was refused on `interface`, and starts over: with the next name if it is another
    /// host's or another server's, else with the same.
    fn settle(&self, interface: String, conflicts: &mut Conflicts) -> Result<Option<Receiver<DaemonEvent>>, MdnsError> {
        let Some(label) = self.silence(interface)? else {
            return Ok(None);
        };
        thread::sleep(conflicts.pause(Instant::now()));
        match Holder::of(&label, &self.service)? {
            Holder::Another { what, heard_on } => {
                let next = next_label(&self.service.name, &label);
                warn!("another {what} is {label}.local: this server is {next}.local");
                self.start_over(heard_on, next, Begin::Probing)
            }
            // Probed again it would be refused again: whoever else answers goes on to do so.
            Holder::ThisMachine => {
                info!("{label}.local is also answered for by this machine itself, or by a reflector: the name stays");
                self.start_over(BTreeSet::new(), label, Begin::Announcing)
            }
            Holder::Nobody => {
                info!("the host that was {label}.local is gone: the name is tried again");
                self.start_over(BTreeSet::new(), label, Begin::Probing)
            }
        }
    }

    /// Silences the session on an interface, and gives its name. None once stopped.
    fn silence(&self, interface: String) -> Result<Option<String>, MdnsError> {
        let slot = self.session();
        let Some(session) = slot.as_ref() else {
            return Ok(None);
        };
        session.fall_silent_on(BTreeSet::from([interface]))?;
        Ok(Some(session.label.clone()))
    }

    /// Ends the session, and opens the next. Under another name, what was announced is withdrawn, except where another host
    /// has the same records. Under the same name it stays true.
    fn start_over(
        &self,
        lost_on: BTreeSet<String>,
        label: String,
        begin: Begin,
    ) -> Result<Option<Receiver<DaemonEvent>>, MdnsError> {
        let mut slot = self.session();
        let Some(lost) = slot.take() else {
            return Ok(None);
        };
        if label == lost.label {
            lost.vanish()?;
        } else {
            lost.fall_silent_on(lost_on)?;
            lost.say_goodbye(&self.service);
        }
        let (session, events) = Session::open(&self.service, label, self.state(), begin)?;
        *slot = Some(session);
        Ok(Some(events))
    }

    fn end(&self, error: &MdnsError) {
        warn!(
            error = %Chain(error),
            "mDNS ends: the server is not announced"
        );
        if let Some(session) = self.session().take() {
            session.shut_down();
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

    fn refresh_state(&self) {
        let state = self.state();
        if let Some(session) = self.session().as_mut()
            && session.state != state
            && session.registered.elapsed() >= TXT_INTERVAL
        {
            session.replace_records(&self.service, state);
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
    fn open(
        service: &Service,
        label: String,
        state: State,
        begin: Begin,
    ) -> Result<(Self, Receiver<DaemonEvent>), MdnsError> {
        let responder = ServiceDaemon::new()?;
        let events = responder.monitor()?;
        responder.set_ip_check_interval(ADDRESS_INTERVAL)?;
        responder.disable_interface(service.scope().excluded())?;
        for info in service.records(&label, state, begin)? {
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

    /// They are announced at once (RFC 6762, section 8.4).
    fn replace_records(&mut self, service: &Service, state: State) {
        self.registered = Instant::now();
        self.state = state;
        let registered = service
            .records(&self.label, state, Begin::Announcing)
            .and_then(|infos| infos.into_iter().try_for_each(|info| self.responder.register(info)));
        if let Err(error) = registered {
            warn!(
                error = %Chain(&error),
                "mDNS: the announcement is out of date"
            );
        }
    }

    fn say_goodbye(&self, service: &Service) {
        for service_type in [service.page_type(), INDEX_TYPE] {
            let full_name = format!("{}.{service_type}", self.label);
            if let Ok(done) = self.responder.unregister(&full_name) {
                done.recv_timeout(STOP_TIMEOUT).ok();
            }
        }
        thread::sleep(GOODBYE);
        self.shut_down();
    }

    /// Not another word there, not even a goodbye: the records of this name are another host's.
    fn fall_silent_on(&self, interfaces: BTreeSet<String>) -> Result<(), mdns_sd::Error> {
        let names: Vec<IfKind> = interfaces.into_iter().map(IfKind::Name).collect();
        self.responder.disable_interface(names)
    }

    /// Ends without a goodbye, which would make the LAN forget what is as true as before, and another host's records with it
    /// where they are the same.
    fn vanish(&self) -> Result<(), mdns_sd::Error> {
        self.responder.disable_interface(IfKind::All)?;
        self.shut_down();
        Ok(())
    }

    fn shut_down(&self) {
        if let Ok(done) = self.responder.shutdown() {
            done.recv_timeout(STOP_TIMEOUT).ok();
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
