//! What no single setting can tell: settings that contradict each other, or are unlikely to be meant together. Called
//! by `gather.rs`; for doubts, by `check-config` and `serve/`.

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsStr;
use std::hash::Hash;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use super::Config;
use crate::board::Patterns;

/// Most packages directories: the index counts them in a byte, and each costs a walk.
const MAX_DIRECTORIES: usize = 64;

/// The path of the setting to blame, and what is wrong with it.
pub(super) type Contradiction = (&'static str, String);

/// Everything in the configuration that cannot work together.
pub(super) fn contradictions(config: &Config) -> Vec<Contradiction> {
    let mut found = Vec::new();
    found.extend(listeners(config));
    found.extend(directories(config));
    found.extend(tls(config));
    found.extend(health_endpoint(config));
    found.extend(patterns("boards.include", &config.boards.include));
    found.extend(patterns("boards.exclude", &config.boards.exclude));
    found
}

impl Config {
    /// What works, but is unlikely to be meant.
    pub fn doubt(&self) -> Option<String> {
        let age = self
            .index
            .cache_control
            .filter(|&age| age > 0 && self.store.overwrite)?;
        Some(format!(
            "cache_control beside overwrite: for {age} seconds a client may go on with a file that an upload has replaced; \
             unset one of the two"
        ))
    }
}

fn listeners(config: &Config) -> Option<Contradiction> {
    if config.listen.is_empty() {
        return Some(("listen", "no address to listen on".to_owned()));
    }
    let fixed = |address: &&SocketAddr| address.port() != 0;
    if let Some(twice) = duplicate(config.listen.iter().filter(fixed)) {
        return Some(("listen", format!("{twice} is there twice")));
    }
    if let Some(message) = covered(&config.listen) {
        return Some(("listen", message));
    }
    let all: Vec<_> = config
        .listen
        .iter()
        .chain(config.tls.iter().flat_map(|tls| &tls.listen))
        .copied()
        .collect();
    let twice = duplicate(all.iter().filter(fixed));
    let message = twice.map(|twice| format!("{twice} is there twice, or an address of `listen` as well"));
    Some(("tls.listen", message.or_else(|| covered(&all))?))
}

/// What is wrong where an address that stands for all of this machine is beside one of them: the system gives a port once.
fn covered(addresses: &[SocketAddr]) -> Option<String> {
    let covers = |all: &SocketAddr, one: &SocketAddr| {
        let is_one = !one.ip().is_unspecified() && (one.is_ipv4() || all.is_ipv6());
        all.ip().is_unspecified() && is_one && all.port() == one.port() && one.port() != 0
    };
    addresses.iter().find_map(|all| {
        let one = addresses.iter().find(|one| covers(all, one))?;
        Some(format!(
            "{one} is one of the addresses that {all} stands for: leave out one of the two"
        ))
    })
}

fn directories(config: &Config) -> Option<Contradiction> {
    let blame = |message| Some(("store.packages", message));
    let packages = &config.store.packages;
    if packages.is_empty() {
        return blame("no directory to keep packages in".to_owned());
    }
    if packages.len() > MAX_DIRECTORIES {
        return blame(format!(
            "{} directories are more than {MAX_DIRECTORIES}",
            packages.len()
        ));
    }
    let absolute: Vec<PathBuf> = packages.iter().map(|path| normalized(path)).collect();
    if let Some(twice) = duplicate(absolute.iter()) {
        return blame(format!("{} is there twice", twice.display()));
    }
    if let Some((outer, inner)) = nested(&absolute) {
        let (outer, inner) = (outer.display(), inner.display());
        return blame(format!(
            "{inner} lies in {outer}, which is served with all its sub-folders"
        ));
    }
    let cache = normalized(&config.store.cache);
    let packages = absolute.iter().find(|packages| is_served(&cache, packages))?;
    let (cache, packages) = (config.store.cache.display(), packages.display());
    Some((
        "store.cache",
        format!("{cache} would be served with the packages of {packages}: the cache needs a directory of its own"),
    ))
}

/// Whether what lies in a directory is served with the packages of another: below it, and not hidden.
fn is_served(directory: &Path, packages: &Path) -> bool {
    let is_hidden = |part: &OsStr| part.as_encoded_bytes().starts_with(b".");
    directory
        .strip_prefix(packages)
        .is_ok_and(|below| !below.iter().any(is_hidden))
}

/// The path as it reads from the root. The disk is not asked: where the check runs, the directories may not be there.
fn normalized(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut normal = PathBuf::new();
    for component in absolute.components() {
        if component == Component::ParentDir {
            normal.pop();
        } else {
            normal.push(component);
        }
    }
    normal
}

/// A directory and one within it.
fn nested(directories: &[PathBuf]) -> Option<(&PathBuf, &PathBuf)> {
    directories.iter().find_map(|outer| {
        let mut others = directories.iter().filter(|other| *other != outer);
        Some((outer, others.find(|inner| inner.starts_with(outer))?))
    })
}

fn patterns(path: &'static str, patterns: &[String]) -> Option<Contradiction> {
    let error = Patterns::new(patterns, &[]).err()?;
    let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    Some((path, format!("{error}{reason}")))
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

/// The first parts of the paths that answer something else: those of `http/router.rs`.
const TAKEN: [&str; 9] = [
    "simple", "packages", "legacy", "pypi", "package", "file", "boards", "project", "RPC2",
];

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
        assert_eq!(blamed(|c| c.boards.include.push("[a".to_owned())), ["boards.include"]);
        assert_eq!(blamed(|c| c.boards.exclude.push("[a".to_owned())), ["boards.exclude"]);
        assert_eq!(
            blamed(|c| c.tls = Some(super::super::TlsConfig::default())),
            ["tls.certificate"]
        );
    }

    #[test]
    fn a_health_endpoint_takes_the_place_of_nothing_else() {
        let blamed = |path: &str| blamed(|c| c.health_endpoint = Some(path.to_owned()));
        assert!(blamed("/health").is_empty() && blamed("/healthz").is_empty());
        let routes = include_str!("../http/router.rs").split(".route(\"/").skip(1);
        let firsts = routes.filter_map(|route| route.split(['/', '"']).next());
        // No health endpoint has a dot or a brace.
        let legal = |first: &&str| !first.is_empty() && *first != "health" && !first.contains(['.', '{']);
        let taken: Vec<_> = firsts.filter(legal).collect();
        assert!(taken.len() >= TAKEN.len());
        for first in taken {
            for path in [format!("/{first}"), format!("/{first}/up")] {
                assert_eq!(blamed(&path), ["health_endpoint"], "{path}");
            }
        }
    }

    #[test]
    fn only_files_that_may_be_replaced_can_be_kept_too_long() {
        let doubts = |cache_control, overwrite| {
            let mut config = Config::default();
            (config.index.cache_control, config.store.overwrite) = (cache_control, overwrite);
            config.doubt().is_some()
        };
        assert!(doubts(Some(60), true));
        assert!(!doubts(Some(0), true) && !doubts(Some(60), false) && !doubts(None, true));
    }

    #[test]
    fn packages_directories_lie_beside_each_other() {
        let blamed = |paths: &[&str]| {
            let paths = paths.iter().map(PathBuf::from).collect();
            blamed(|c| c.store.packages = paths)
        };
        assert!(blamed(&["/srv/a", "/srv/ab", "b"]).is_empty());
        for wrong in [
            ["/srv/a", "/srv/a/b"],
            ["/srv/a/b", "/srv/x/../a/"],
            ["a", "./a"],
            ["a/b", "."],
        ] {
            assert_eq!(blamed(&wrong), ["store.packages"], "{wrong:?}");
        }
    }

    #[test]
    fn the_cache_is_not_served() {
        let blamed = |packages: &str, cache: &str| {
            blamed(|c| (c.store.packages, c.store.cache) = (vec![packages.into()], cache.into()))
        };
        for (packages, cache) in [
            ("a", "a"),
            ("a", "a/cache"),
            ("/srv/a", "/srv/b/../a/b/c"),
            (".", "cache"),
        ] {
            assert_eq!(blamed(packages, cache), ["store.cache"], "{packages} {cache}");
        }
        // Beside, around, and in a hidden folder, where `run` has it for somebody who serves a home directory.
        for (packages, cache) in [
            ("a", "ab"),
            ("data/packages", "data"),
            ("/home/a", "/home/a/.cache/micropypi/x"),
        ] {
            assert!(blamed(packages, cache).is_empty(), "{packages} {cache}");
        }
    }

    #[test]
    fn there_are_not_too_many_packages_directories() {
        let blamed = |count: usize| blamed(|c| c.store.packages = (0..count).map(|n| n.to_string().into()).collect());
        assert!(blamed(MAX_DIRECTORIES).is_empty());
        assert_eq!(blamed(MAX_DIRECTORIES + 1), ["store.packages"]);
    }

    #[test]
    fn an_address_is_not_listened_on_by_two_names() {
        let blamed = |listen: &[&str], tls: &[&str]| {
            let parse = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
            blamed(|c| {
                c.listen = parse(listen);
                c.tls = Some(super::super::TlsConfig {
                    certificate: "c".into(),
                    key: "k".into(),
                    listen: parse(tls),
                });
            })
        };
        assert_eq!(blamed(&["127.0.0.1:80", "[::]:80"], &[]), ["listen"]);
        assert_eq!(blamed(&["0.0.0.0:80", "127.0.0.1:80"], &[]), ["listen"]);
        assert_eq!(blamed(&["[::1]:80"], &["[::]:80"]), ["tls.listen"]);
        assert_eq!(blamed(&["[::1]:80"], &["[::1]:80"]), ["tls.listen"]);
        for listen in [
            &["0.0.0.0:80", "[::]:80"],
            &["0.0.0.0:80", "[::1]:80"],
            &["[::]:80", "127.0.0.1:81"],
            &["[::]:0", "127.0.0.1:0"],
        ] {
            assert!(blamed(listen, &[]).is_empty(), "{listen:?}");
        }
    }

    #[test]
    fn port_zero_may_be_asked_for_twice() {
        assert!(blamed(|c| c.listen = vec!["127.0.0.1:0".parse().unwrap(); 2]).is_empty());
    }
}
