//! What the LAN is told of the sockets that were bound. Called by `mod.rs`.

use super::assemble::Assembly;
use super::listen::Place;
use crate::auth::Action;
use crate::chain::Chain;
use crate::config::Config;
use crate::mdns::{Announcer, Service, State};

/// Announces the server, if anybody could reach it.
pub(super) fn announce(config: &Config, places: &[Place], assembly: &Assembly) -> Option<Announcer> {
    let front = front(places)?;
    let same_port = places
        .iter()
        .map(|place| place.address)
        .filter(|address| address.port() == front.address.port());
    let service = Service {
        name: config.mdns.name.clone(),
        port: front.address.port(),
        tls: front.tls,
        state: State {
            projects: assembly.index.catalog().project_count(),
            uploads_need_password: assembly.auth.asks_for_password(Action::Upload),
        },
        listen: same_port.map(|address| address.ip()).collect(),
        interfaces: config.mdns.interfaces.clone(),
    };
    if !config.mdns.enabled || !service.reaches_the_lan() {
        return None;
    }
    // The server serves without; a port 5353 that is taken is no reason not to.
    let announced = Announcer::start(service)
        .inspect_err(|error| tracing::warn!(error = %Chain(error), "the server is not announced on the LAN"));
    announced.ok()
}

/// The socket that the LAN is sent to: what others can reach before what they cannot, HTTPS before HTTP.
fn front(places: &[Place]) -> Option<&Place> {
    places
        .iter()
        .min_by_key(|place| (place.address.ip().is_loopback(), !place.tls))
}
