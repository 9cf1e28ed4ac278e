//! What no single setting can tell: settings that contradict each other. Called by `load.rs` on the whole.

use std::collections::HashSet;
use std::hash::Hash;

use super::Config;

/// The path of the setting to blame, and what is wrong with it.
pub(super) type Contradiction = (&'static str, String);

/// Everything in the configuration that cannot work together.
pub(super) fn contradictions(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    found.extend(listeners(config));
    found.extend(directories(config));
    found.extend(tls(config));
    found.extend(health_endpoint(config));
    found
}

fn listeners(config: &Config) -> Option<Contradiction> {
    if config.listen.is_empty() {
        return Some(("listen", "no address to listen on".to_owned()));
    }
    let fixed = |address: &&std::net::SocketAddr| address.port() != 0;
    if let Some(twice) = duplicate(config.listen.iter().filter(fixed)) {
        return Some(("listen", format!("{twice} is there twice")));
    }
    let tls = config.tls.iter().flat_map(|tls| &tls.listen);
    let twice = duplicate(config.listen.iter().chain(tls).filter(fixed))?;
    Some((
        "tls.listen",
        format!("{twice} is there twice, or an address of `listen` as well"),
    ))
}

fn directories(config: &Config) -> Option<Contradiction> {
    let store = &config.store;
    if store.packages.is_empty() {
        return Some(("store.packages", "no directory to keep packages in".to_owned()));
    }
    if let Some(twice) = duplicate(store.packages.iter()) {
        return Some(("store.packages", format!("{} is there twice", twice.display())));
    }
    let shared = store.packages.iter().find(|&packages| packages == &store.cache)?;
    Some((
        "store.cache",
        format!(
            "{} holds packages: the cache needs a directory of its own",
            shared.display()
        ),
    ))
}

fn tls(config: &Config) -> Option<Contradiction> {
    let tls = config.tls.as_ref()?;
    if tls.certificate.as_os_str().is_empty() {
        return Some((
            "tls.certificate",
            "HTTPS needs `certificate`, too: a PEM file, with its chain".to_owned(),
        ));
    }
    if tls.key.as_os_str().is_empty() {
        return Some((
            "tls.key",
            "HTTPS needs `key`, too: a PEM file with the certificate's private key".to_owned(),
        ));
    }
    None
}

/// The first parts of the paths that answer something else.
const TAKEN: [&str; 7] = ["simple", "packages", "legacy", "pypi", "package", "file", "RPC2"];

fn health_endpoint(config: &Config) -> Option<Contradiction> {
    let path = config.health_endpoint.as_deref()?;
    let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
    let taken = TAKEN.contains(&first);
    taken.then(|| {
        (
            "health_endpoint",
            format!("`/{first}` is where this server answers something else"),
        )
    })
}

fn duplicate<T: Hash + Eq>(mut items: impl Iterator<Item = T>) -> Option<T> {
    let mut seen = HashSet::new();
    items.find_map(|item| seen.replace(item))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blamed(change: impl FnOnce(&mut Config)) -> Vec<&'static str> {
        let mut config = Config::default();
        change(&mut config);
        contradictions(&config).into_iter().map(|(path, _)| path).collect()
    }

    #[test]
    fn the_defaults_agree_with_each_other() {
        assert!(blamed(|_| ()).is_empty());
    }

    #[test]
    fn contradictions_blame_a_setting() {
        assert_eq!(blamed(|c| c.listen.clear()), ["listen"]);
        assert_eq!(blamed(|c| c.listen.push(c.listen[0])), ["listen"]);
        assert_eq!(blamed(|c| c.store.packages.clear()), ["store.packages"]);
        assert_eq!(blamed(|c| c.store.cache = c.store.packages[0].clone()), ["store.cache"]);
        assert_eq!(
            blamed(|c| c.tls = Some(super::super::TlsConfig::default())),
            ["tls.certificate"]
        );
    }

    #[test]
    fn port_zero_may_be_asked_for_twice() {
        assert!(blamed(|c| c.listen = vec!["127.0.0.1:0".parse().unwrap(); 2]).is_empty());
    }
}
