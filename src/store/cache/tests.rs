//! What the cache remembers, forgets and survives.

use super::*;
use crate::store::Stamp;

/// Of the core metadata of a project.
fn sha256(name: &str) -> [u8; 32] {
    Sha256::digest(format!("Name: {name}")).into()
}

fn facts(name: &str) -> Facts {
    Facts {
        stamps: (
            Stamp {
                size: 1,
                modified: 2,
                changed: 3,
                inode: 4,
            },
            None,
        ),
        digests: Digests::of(name.as_bytes()).unwrap(),
        project: None,
        metadata: Some(MetadataFacts {
            sha256: sha256(name),
            requires_python: Some(">=3".into()),
            is_static: true,
            summary: None,
            name: Some("a".into()),
        }),
        defect: None,
    }
}

fn recalled(cache: &Cache, paths: &[&str]) -> Vec<(usize, Facts)> {
    let paths: Vec<_> = paths.iter().map(|path| Arc::from(*path)).collect();
    let mut all = Vec::new();
    cache.recall(&paths, |at, facts| all.push((at, facts))).unwrap();
    all
}

#[test]
fn remembers_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    cache.remember("a-1.zip", &facts("a"), Some(b"Name: a".to_vec()));
    assert_eq!(cache.metadata(&sha256("a")).unwrap().unwrap(), b"Name: a");
    cache.flush().unwrap();
    cache.remember("b-1.zip", &facts("b"), None);
    cache.flush().unwrap();
    drop(cache);
    let cache = Cache::open(dir.path()).unwrap();
    assert_eq!(recalled(&cache, &["b-1.zip", "c-1.zip"]), [(0, facts("b"))]);
    assert_eq!(cache.metadata(&sha256("a")).unwrap().unwrap(), b"Name: a");
}

#[test]
fn damaged_metadata_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    cache.remember("a-1.zip", &facts("a"), Some(b"Name: damaged".to_vec()));
    cache.flush().unwrap();
    assert_eq!(cache.metadata(&sha256("a")).unwrap(), None);
}

#[test]
fn many_are_recalled_as_few_are() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    let paths: Vec<_> = (100..200).map(|n| format!("a-{n}.zip")).collect();
    for path in paths.iter().step_by(2) {
        cache.remember(path, &facts(path), None);
    }
    cache.flush().unwrap();
    let paths: Vec<_> = paths.iter().map(String::as_str).collect();
    let expected: Vec<_> = (0..100).step_by(2).map(|at| (at, facts(paths[at]))).collect();
    assert_eq!(recalled(&cache, &paths), expected);
    assert_eq!(recalled(&cache, &paths[..20]), expected[..10]);
}

#[test]
fn a_sweep_leaves_what_is_needed() {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    cache.remember("a-1.zip", &facts("a"), Some(b"Name: a".to_vec()));
    cache.remember("b-1.zip", &facts("b"), Some(b"Name: b".to_vec()));
    cache.derive(&[1; 32], b"a".to_vec());
    cache.derive(&[2; 32], b"b".to_vec());
    cache.flush().unwrap();
    cache.derive(&[3; 32], b"c".to_vec());
    let needed = Needed {
        is_file: &|path| path == "b-1.zip",
        derived: &[[2; 32]].into(),
    };
    cache.sweep(&needed).unwrap();
    assert_eq!(recalled(&cache, &["a-1.zip", "b-1.zip"]), [(1, facts("b"))]);
    let metadata = ["a", "b"].map(|name| cache.metadata(&sha256(name)).unwrap().is_some());
    assert_eq!((metadata, cache.known().unwrap()), ([false, true], 1));
    assert_eq!(
        [1, 2, 3].map(|key| cache.derived(&[key; 32]).is_some()),
        [false, true, true]
    );
}

#[test]
fn indexes_of_earlier_versions_are_removed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["index-0.redb", ".tmpAbCdEf", "index-notes.txt"] {
        fs::write(dir.path().join(name), "old").unwrap();
    }
    let _cache = Cache::open(dir.path()).unwrap();
    let left = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let mut left: Vec<_> = left.collect();
    left.sort();
    assert_eq!(left, ["index-4.redb", "index-notes.txt"]);
}

#[test]
fn a_damaged_file_is_replaced_and_a_second_server_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join(FILE_NAME), vec![0x55; 100_000]).unwrap();
    let cache = Cache::open(dir.path()).unwrap();
    assert_eq!(cache.known().unwrap(), 0);
    assert!(matches!(Cache::open(dir.path()), Err(CacheError::InUse(_))));
}

/// A cache of more than redb's page cache holds.
fn large_cache(directory: &Path) -> Cache {
    let cache = Cache::open(directory).unwrap();
    for n in 0..8_000 {
        cache.remember(&format!("a-{n}.zip"), &facts("a"), None);
    }
    cache.flush().unwrap();
    cache
}

/// Writes over all pages of the database.
fn damage(directory: &Path) {
    let path = directory.join(FILE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    for byte in bytes.iter_mut().skip(8_192) {
        *byte = byte.wrapping_mul(31).wrapping_add(7);
    }
    fs::write(&path, bytes).unwrap();
}

/// A cache whose database has failed while it was in use.
fn failed_cache(directory: &Path) -> Cache {
    let cache = large_cache(directory);
    damage(directory);
    let paths: Vec<_> = (0..8_000).map(|n| Arc::from(format!("a-{n}.zip"))).collect();
    assert!(cache.recall(&paths, |_, _| ()).is_err());
    assert!(matches!(cache.known(), Err(CacheError::Closed)));
    cache
}

#[test]
fn a_database_that_failed_is_opened_again_at_the_next_flush() {
    let dir = tempfile::tempdir().unwrap();
    let cache = failed_cache(dir.path());
    cache.remember("b-1.zip", &facts("b"), Some(b"Name: b".to_vec()));
    // While it cannot be opened, what was learnt waits.
    let path = dir.path().join(FILE_NAME);
    fs::create_dir(&path).unwrap();
    assert!(cache.flush().is_err() && cache.flush().is_err());
    assert_eq!(cache.metadata(&sha256("b")).unwrap().unwrap(), b"Name: b");
    fs::remove_dir(path).unwrap();
    cache.flush().unwrap();
    drop(cache);
    let cache = Cache::open(dir.path()).unwrap();
    assert_eq!(recalled(&cache, &["b-1.zip"]), [(0, facts("b"))]);
}

#[test]
fn what_waits_in_vain_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let cache = failed_cache(dir.path());
    let path = dir.path().join(FILE_NAME);
    fs::create_dir(&path).unwrap();
    for key in 0..20 {
        cache.derive(&[key; 32], vec![0; MOST_WAITING / 16]);
        cache.flush().unwrap_err();
        assert!(lock(&cache.pending).bytes() <= MOST_WAITING);
    }
    fs::remove_dir(path).unwrap();
    cache.flush().unwrap();
    assert!(cache.derived(&[19; 32]).is_some() && cache.derived(&[0; 32]).is_none());
}

#[test]
fn pages_that_something_else_wrote_over_are_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    drop(large_cache(dir.path()));
    damage(dir.path());
    let cache = Cache::open(dir.path()).unwrap();
    assert_eq!(cache.known().unwrap(), 0);
    cache.remember("b-1.zip", &facts("b"), None);
    cache.flush().unwrap();
    assert_eq!(cache.known().unwrap(), 1);
}
