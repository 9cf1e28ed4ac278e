//! How many wrong passwords an address may try. Used by the `Authenticator`, before and after a hash is checked.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::lock::lock;

/// Most sources that are remembered (about 100 bytes each).
const MAX_SOURCES: usize = 4_096;

/// One address: a typo or two hurt nobody, a script that guesses is slowed down to one try in two seconds.
const HOST: Limit = Limit {
    burst: 10,
    interval: Duration::from_secs(2),
};

/// A network of 64 bits, in which a host can have any number of addresses (RFC 8981). Many times what one address may
/// spend, because all hosts of a LAN share it.
const NETWORK: Limit = Limit {
    burst: 100,
    interval: Duration::from_millis(200),
};

/// How long a wrong password is remembered after it is made good.
const SUSPICION: Duration = Duration::from_secs(600);

/// A token bucket: `burst` tries at once, and one more each `interval`.
#[derive(Clone, Copy)]
struct Limit {
    burst: u32,
    interval: Duration,
}

/// Whoever is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Source {
    Host(IpAddr),
    /// The upper 64 bits of an IPv6 address.
    Network(u64),
}

/// The token buckets, one per source. A bucket is the moment at which it is full again: what lies before now is full, and
/// is kept for a while, to tell who has tried a wrong password lately.
#[derive(Default)]
pub(super) struct Throttle {
    full_at: Mutex<HashMap<Source, Instant>>,
}

impl Throttle {
    /// How long `peer` has to wait for its next try; `None` if it may try now.
    pub(super) fn retry_after(&self, peer: IpAddr, now: Instant) -> Option<Duration> {
        let full_at = lock(&self.full_at);
        let wait = |(source, limit): (Source, Limit)| {
            let spent = full_at.get(&source)?.saturating_duration_since(now);
            let wait = (spent + limit.interval).saturating_sub(limit.interval * limit.burst);
            (!wait.is_zero()).then_some(wait)
        };
        sources(peer).filter_map(wait).max()
    }

    /// Whether `peer` has tried a wrong password lately. (Its network may be that of all others, and is not asked.)
    pub(super) fn is_suspect(&self, peer: IpAddr, now: Instant) -> bool {
        let full_at = lock(&self.full_at);
        let bucket = full_at.get(&Source::Host(peer.to_canonical()));
        bucket.is_some_and(|bucket| *bucket + SUSPICION > now)
    }

    /// Takes a token from `peer`, which is given back by [`refund`](Self::refund) if the password was right.
    pub(super) fn charge(&self, peer: IpAddr, now: Instant) {
        let mut full_at = lock(&self.full_at);
        for (source, limit) in sources(peer) {
            make_room(&mut full_at, source, now);
            let bucket = full_at.entry(source).or_insert(now);
            *bucket = (*bucket).max(now) + limit.interval;
        }
    }

    /// Gives a token back. A full bucket goes: whoever knows the password is no suspect.
    pub(super) fn refund(&self, peer: IpAddr, now: Instant) {
        let mut full_at = lock(&self.full_at);
        for (source, limit) in sources(peer) {
            if let Some(bucket) = full_at.get_mut(&source) {
                *bucket -= limit.interval;
                if *bucket <= now {
                    full_at.remove(&source);
                }
            }
        }
    }
}

/// The buckets that a try of `peer` is paid from. An IPv4 address mapped into IPv6 is an IPv4 address.
fn sources(peer: IpAddr) -> impl Iterator<Item = (Source, Limit)> {
    let peer = peer.to_canonical();
    let network = match peer {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) => Some((Source::Network(network_of(address)), NETWORK)),
    };
    [(Source::Host(peer), HOST)].into_iter().chain(network)
}

/// The upper 64 bits.
pub(super) fn network_of(address: Ipv6Addr) -> u64 {
    (address.to_bits() >> 64) as u64
}

/// Full buckets say nothing and go first; if there are none, the one that is full soonest.
fn make_room(full_at: &mut HashMap<Source, Instant>, source: Source, now: Instant) {
    if full_at.len() < MAX_SOURCES || full_at.contains_key(&source) {
        return;
    }
    full_at.retain(|_, bucket| *bucket > now);
    if full_at.len() < MAX_SOURCES {
        return;
    }
    let soonest = full_at
        .iter()
        .min_by_key(|(_, bucket)| **bucket)
        .map(|(source, _)| *source);
    if let Some(source) = soonest {
        full_at.remove(&source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACKER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn v6(network: u16, host: u16) -> IpAddr {
        IpAddr::from([0x2001, 0xdb8, 0, network, 0, 0, 0, host])
    }

    /// How many of `tries` at the same moment are let through.
    fn admitted(throttle: &Throttle, peers: impl IntoIterator<Item = IpAddr>, now: Instant) -> usize {
        let admit = |peer: &IpAddr| {
            let free = throttle.retry_after(*peer, now).is_none();
            if free {
                throttle.charge(*peer, now);
            }
            free
        };
        peers.into_iter().filter(admit).count()
    }

    #[test]
    fn an_address_has_a_burst_and_then_one_try_each_interval() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(admitted(&throttle, [ATTACKER; 100], now), 10);
        assert_eq!(throttle.retry_after(ATTACKER, now), Some(Duration::from_secs(2)));
        assert_eq!(admitted(&throttle, [ATTACKER; 100], now + Duration::from_secs(1)), 0);
        assert_eq!(admitted(&throttle, [ATTACKER; 100], now + Duration::from_secs(2)), 1);
        assert_eq!(
            admitted(&throttle, [ATTACKER; 100], now + Duration::from_secs(3_600)),
            10
        );
    }

    #[test]
    fn right_passwords_cost_nothing() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..1_000 {
            assert_eq!(throttle.retry_after(ATTACKER, now), None);
            throttle.charge(ATTACKER, now);
            throttle.refund(ATTACKER, now);
        }
    }

    #[test]
    fn a_wrong_password_is_suspect_until_the_right_one_or_for_minutes() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        assert!(!throttle.is_suspect(ATTACKER, now));
        throttle.charge(ATTACKER, now);
        assert!(throttle.is_suspect(ATTACKER, later(60)));
        assert!(!throttle.is_suspect(ATTACKER, later(3_600)));
        throttle.charge(ATTACKER, later(60));
        throttle.refund(ATTACKER, later(61));
        assert!(!throttle.is_suspect(ATTACKER, later(62)));
    }

    #[test]
    fn one_address_does_not_stop_its_neighbours() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        admitted(&throttle, [ATTACKER; 100], now);
        admitted(&throttle, [v6(1, 1); 1_000], now);
        assert_eq!(throttle.retry_after(IpAddr::from([192, 0, 2, 2]), now), None);
        assert_eq!(throttle.retry_after(v6(1, 2), now), None);
    }

    #[test]
    fn a_host_with_many_ipv6_addresses_is_slowed_down_by_its_network() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        assert_eq!(admitted(&throttle, (0..5_000).map(|host| v6(1, host)), now), 100);
        assert_eq!(throttle.retry_after(v6(2, 1), now), None);
    }

    #[test]
    fn an_ipv4_address_is_the_same_through_an_ipv6_socket() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        admitted(&throttle, [ATTACKER; 100], now);
        let mapped = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped());
        assert!(throttle.retry_after(mapped, now).is_some());
        let another = IpAddr::V6(std::net::Ipv4Addr::new(192, 0, 2, 2).to_ipv6_mapped());
        assert_eq!(throttle.retry_after(another, now), None);
    }

    #[test]
    fn the_table_stays_small_and_keeps_the_worst() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        admitted(&throttle, [ATTACKER; 100], now);
        admitted(
            &throttle,
            (0..6_000_u32).map(|n| IpAddr::from((0x0a00_0000 + n).to_be_bytes())),
            now,
        );
        assert!(lock(&throttle.full_at).len() <= MAX_SOURCES);
        assert!(throttle.retry_after(ATTACKER, now).is_some());
    }
}
