//! How many of the open connections each client has: one that forgets to end its own, or means harm, must not have them all.
//! Called by `connections.rs`.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::lock::lock;

/// One client may have one of so many parts: a host with an IPv4 address and another for IPv6 leaves a third to others.
const PARTS: usize = 3;

/// How often the log says that a client has too many.
const BETWEEN_WORDS: Duration = Duration::from_secs(60);

/// The open connections, by client.
pub(super) struct Shares {
    most: usize,
    held: Mutex<HashMap<IpAddr, usize>>,
    told: Mutex<Option<Instant>>,
}

/// A client has its share.
#[derive(Debug, thiserror::Error)]
#[error("the client has too many connections open")]
pub(super) struct TooMany;

/// The place of one connection in its client's share, which is given back when it is dropped.
pub(super) struct Share {
    shares: Arc<Shares>,
    client: IpAddr,
}

impl Shares {
    /// Of so many open connections.
    pub(super) fn of(open: usize) -> Self {
        Self {
            most: open.div_ceil(PARTS),
            held: Mutex::default(),
            told: Mutex::default(),
        }
    }

    /// A place for one more connection of `peer`.
    ///
    /// # Errors
    /// [`TooMany`].
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr) -> Result<Share, TooMany> {
        let client = client(peer);
        let mut held = lock(&self.held);
        let count = held.entry(client).or_default();
        if *count == self.most {
            drop(held);
            self.tell(peer);
            return Err(TooMany);
        }
        *count += 1;
        Ok(Share {
            shares: Arc::clone(self),
            client,
        })
    }

    fn tell(&self, peer: IpAddr) {
        let mut told = lock(&self.told);
        if told.is_none_or(|told| told.elapsed() >= BETWEEN_WORDS) {
            *told = Some(Instant::now());
            tracing::warn!(
                %peer,
                "a client has {} connections open, its share of [limits] connections: further ones are closed at once, until it \
                 ends some. If it is a proxy, name it in trusted_proxies",
                self.most
            );
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut held = lock(&self.shares.held);
        if let Some(count) = held.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.client);
            }
        }
    }
}

/// Whose share it is: in an IPv6 network of 64 bits, a host can have any number of addresses (RFC 8981).
fn client(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many connections of these peers at once find a place.
    fn taken(shares: &Arc<Shares>, peers: impl Iterator<Item = IpAddr>) -> Vec<Share> {
        peers.filter_map(|peer| shares.take(peer).ok()).collect()
    }

    fn v6(network: u16, host: u16) -> IpAddr {
        IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host])
    }

    #[test]
    fn a_client_has_a_third_and_what_it_ends_is_free_again() {
        let shares = Arc::new(Shares::of(10));
        let peer = IpAddr::from([192, 0, 2, 1]);
        let mapped: IpAddr = "::ffff:192.0.2.1".parse().unwrap();
        let mut held = taken(&shares, [peer, mapped].into_iter().cycle().take(100));
        assert_eq!(held.len(), 4);
        assert!(shares.take(IpAddr::from([192, 0, 2, 2])).is_ok());
        held.pop();
        assert!(shares.take(peer).is_ok());
        drop(held);
        assert!(lock(&shares.held).is_empty());
    }

    #[test]
    fn the_addresses_of_an_ipv6_network_share_one() {
        let shares = Arc::new(Shares::of(9));
        let held = taken(&shares, (0..100).map(|host| v6(1, host)));
        assert_eq!(held.len(), 3);
        assert!(shares.take(v6(2, 1)).is_ok());
    }

    #[test]
    fn the_only_connection_is_anybodys() {
        assert!(Arc::new(Shares::of(1)).take(v6(1, 1)).is_ok());
    }
}
