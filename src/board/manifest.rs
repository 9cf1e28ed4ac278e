//! mip's manifest: the package JSON of a release. (Source: micropython-lib's mip and mpremote's mip.py.)
//! Called by `index/`.

use serde::Serialize;

use super::resolve::{Missing, Pin};
use super::view::{Code, View};
use crate::dist::Hex;

/// Hexadecimal digits of a content's digest in a manifest: enough that no two of a million files are taken for one
/// another, and few enough for a board's memory.
const HASH_DIGITS: usize = 16;

#[derive(Serialize)]
struct Manifest<'a> {
    v: u8,
    version: &'a str,
    hashes: Vec<(&'a str, String)>,
    urls: [(); 0],
    deps: Vec<(&'a str, &'a str)>,
}

/// The manifest's JSON. What is missing here is passed on by name, since the board may know another index.
pub fn manifest_json(view: &View, code: Code, version: &str, requires: &[Pin], missing: &[Missing]) -> Vec<u8> {
    let files = view.files_as(code);
    let pins = requires.iter().map(|pin| (pin.project.as_str(), pin.version.as_str()));
    let missing = missing
        .iter()
        .map(|missing| (missing.name.as_str(), missing.version.as_str()));
    let manifest = Manifest {
        v: 2,
        version,
        hashes: files
            .iter()
            .map(|file| (&*file.path, Hex(&file.content.sha256[..HASH_DIGITS / 2]).to_string()))
            .collect(),
        urls: [],
        deps: pins.chain(missing).collect(),
    };
    serde_json::to_vec(&manifest).expect("strings and lists have a JSON form")
}

#[cfg(test)]
mod tests {
    use std::slice::from_ref;

    use super::super::view::BoardFile;
    use super::*;
    use crate::dist::{ContentId, ProjectName, ReleaseVersion};

    fn file(path: &str) -> BoardFile {
        BoardFile {
            path: path.to_owned(),
            content: ContentId {
                sha256: [0xab; 32],
                size: 1,
            },
        }
    }

    #[test]
    fn the_manifest_is_what_mip_reads() {
        let view = View {
            files: vec![file("foo/__init__.py"), file("foo/a.py")],
            mpy: vec![file("foo/a.mpy")],
            ..View::default()
        };
        let pin = Pin {
            project: ProjectName::parse("bar").unwrap(),
            version: ReleaseVersion::parse("1.0+x").unwrap(),
        };
        let missing = Missing {
            name: "umqtt.simple".to_owned(),
            version: "latest".to_owned(),
        };
        let json =
            |code| String::from_utf8(manifest_json(&view, code, "2.0", from_ref(&pin), from_ref(&missing))).unwrap();
        let rest = r#""urls":[],"deps":[["bar","1.0+x"],["umqtt.simple","latest"]]}"#;
        let hash = "abababababababab";
        assert_eq!(
            json(Code::Source),
            format!(r#"{{"v":2,"version":"2.0","hashes":[["foo/__init__.py","{hash}"],["foo/a.py","{hash}"]],{rest}"#)
        );
        assert_eq!(
            json(Code::Bytecode),
            format!(r#"{{"v":2,"version":"2.0","hashes":[["foo/__init__.py","{hash}"],["foo/a.mpy","{hash}"]],{rest}"#)
        );
    }
}
