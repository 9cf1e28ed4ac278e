//! Distributions built in code: sdists and wheels, ordinary, classic and broken. Called by the tests.

use std::io::{Cursor, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

/// A distribution file, and what it says it is.
#[derive(Debug, Clone)]
pub(crate) struct Dist {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) filename: String,
    pub(crate) bytes: Vec<u8>,
}

impl Dist {
    /// An sdist as setuptools makes it, with one package of one module.
    pub(crate) fn sdist(name: &str, version: &str) -> Self {
        Self::sdist_with(name, version, "", "")
    }

    /// An sdist with more lines in its metadata, and this source in its one module.
    pub(crate) fn sdist_with(name: &str, version: &str, metadata_lines: &str, source: &str) -> Self {
        let (module, metadata) = (module(name), metadata(name, version, metadata_lines));
        let top = format!("{module}-{version}");
        let members = [
            (format!("{top}/PKG-INFO"), metadata.as_bytes()),
            (
                format!("{top}/setup.py"),
                b"from setuptools import setup\nsetup()\n".as_slice(),
            ),
            (format!("{top}/README.md"), b"# read me\n".as_slice()),
            (format!("{top}/{module}/__init__.py"), source.as_bytes()),
            (format!("{top}/{module}.egg-info/PKG-INFO"), metadata.as_bytes()),
        ];
        Self::new(name, version, &format!("{top}.tar.gz"), tar_gz(&members))
    }

    /// An sdist as MicroPython's `sdist_upip` made it: no metadata at the top, no setup.py, a dependency by name.
    pub(crate) fn classic(name: &str, version: &str, requires: &str) -> Self {
        let (module, metadata) = (module(name), metadata(name, version, ""));
        let top = format!("{name}-{version}");
        let members = [
            (format!("{top}/{module}.py"), b"VALUE = 42\n".as_slice()),
            (format!("{top}/{module}.egg-info/PKG-INFO"), metadata.as_bytes()),
            (format!("{top}/{module}.egg-info/requires.txt"), requires.as_bytes()),
        ];
        Self::new(name, version, &format!("{top}.tar.gz"), tar_gz(&members))
    }

    /// A pure wheel with one package of one module.
    pub(crate) fn wheel(name: &str, version: &str) -> Self {
        Self::wheel_with(name, version, "")
    }

    /// A pure wheel with more lines in its metadata.
    pub(crate) fn wheel_with(name: &str, version: &str, metadata_lines: &str) -> Self {
        let source = format!("VERSION = {version:?}\n");
        let file = format!("{}/__init__.py", module(name));
        Self::wheel_of(name, version, metadata_lines, &[(&file, source.as_bytes())])
    }

    /// A pure wheel that installs these files.
    pub(crate) fn wheel_of(name: &str, version: &str, metadata_lines: &str, files: &[(&str, &[u8])]) -> Self {
        let module = module(name);
        let info = format!("{module}-{version}.dist-info");
        let metadata = metadata(name, version, metadata_lines);
        let wheel = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".as_slice();
        let mut members: Vec<_> = files
            .iter()
            .map(|(path, content)| ((*path).to_owned(), *content))
            .collect();
        members.push((format!("{info}/METADATA"), metadata.as_bytes()));
        members.push((format!("{info}/WHEEL"), wheel));
        let record: String = members.iter().map(|(path, _)| format!("{path},,\n")).collect();
        let record = format!("{record}{info}/RECORD,,\n");
        members.push((format!("{info}/RECORD"), record.as_bytes()));
        Self::new(
            name,
            version,
            &format!("{module}-{version}-py3-none-any.whl"),
            zip(&members),
        )
    }

    /// An sdist without core metadata but `PKG-INFO`, of these further members below its top directory.
    pub(crate) fn sdist_of(name: &str, version: &str, files: &[(&str, &[u8])]) -> Self {
        let metadata = metadata(name, version, "");
        let top = format!("{}-{version}", module(name));
        let mut members = vec![(format!("{top}/PKG-INFO"), metadata.as_bytes())];
        members.extend(files.iter().map(|(path, content)| (format!("{top}/{path}"), *content)));
        Self::new(name, version, &format!("{top}.tar.gz"), tar_gz(&members))
    }

    /// An sdist of so many bytes that do not compress.
    pub(crate) fn noise(size: usize) -> Self {
        let mut noise = vec![0; size];
        getrandom::fill(&mut noise).unwrap();
        let text = metadata("large", "1.0", "");
        let members = [
            ("large-1.0/PKG-INFO".to_owned(), text.as_bytes()),
            ("large-1.0/noise".to_owned(), noise.as_slice()),
        ];
        Self::new("large", "1.0", "large-1.0.tar.gz", tar_gz(&members))
    }

    /// A release: an sdist and a wheel.
    pub(crate) fn both(name: &str, version: &str) -> [Self; 2] {
        [Self::sdist(name, version), Self::wheel(name, version)]
    }

    /// Any bytes under any name.
    pub(crate) fn new(name: &str, version: &str, filename: &str, bytes: Vec<u8>) -> Self {
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            filename: filename.to_owned(),
            bytes,
        }
    }
}

/// Core metadata as a file: the required fields, a summary, the given lines, a description.
pub(crate) fn metadata(name: &str, version: &str, lines: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: Blinks\n{lines}\nA description.\n")
}

fn module(name: &str) -> String {
    name.replace(['-', '.'], "_")
}

/// A gzipped tar of these members, each a path and its content.
pub(crate) fn tar_gz(members: &[(String, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in members {
        append(&mut tar, path, content);
    }
    tar.into_inner().and_then(GzEncoder::finish).expect("memory")
}

/// Appends a member under exactly this path, which `tar::Builder` would refuse if it holds `..`.
fn append(tar: &mut tar::Builder<impl Write>, path: &str, content: &[u8]) {
    let mut header = tar::Header::new_ustar();
    header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    tar.append(&header, content).expect("memory");
}

/// A zip of these members, each a path and its content.
pub(crate) fn zip(members: &[(String, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, content) in members {
        zip.start_file(path, SimpleFileOptions::default()).expect("memory");
        zip.write_all(content).expect("memory");
    }
    zip.finish().expect("memory").into_inner()
}
