//! upip's tarball: what a board with a 4 KiB window and a reader of 100-byte names can unpack.
//! (Source: micropython-lib's upip.py and upip_utarfile.py.) Called by `index/`.

use std::io::{self, Read, Write};

use flate2::read::GzDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compress, Compression};
use tar::{Builder, EntryType, Header};

use super::view::{BoardFile, View};
use super::{path, resolve::Pin};

/// upip drops the first component of every path; the shorter it is, the more is left of the 100 bytes.
const TOP: &str = "x";

/// 4 KiB: with a heap of 64 KiB or less, upip has no larger window.
const WINDOW_BITS: u8 = 12;

/// Why a tarball cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TarballError {
    /// The content of a file cannot be had or read, or the tarball cannot be written.
    #[error("{0} cannot be packed for a board")]
    File(String, #[source] io::Error),
    /// What is stored under the file's digest has another length.
    #[error("{0} is not as long as it was when the view was made")]
    Length(String),
    /// The beginning or the end of the tarball cannot be written.
    #[error("the tarball cannot be written")]
    Write(#[from] io::Error),
}

/// Writes a view and its resolved requirements as one gzip member with a window of 4 KiB: a plain ustar archive of
/// short names. The same view gives the same bytes. What it is written to is flushed.
///
/// # Errors
/// [`TarballError`]: a content that `open` does not give as it was, and an `out` that cannot be written.
pub fn write_tarball<R: Read, W: Write>(
    view: &View,
    requires: &[Pin],
    open: &mut dyn FnMut(&BoardFile) -> io::Result<R>,
    out: W,
) -> Result<(), TarballError> {
    let gzip = ZlibEncoder::new_with_compress(out, Compress::new_gzip(Compression::best(), WINDOW_BITS));
    let mut tarball = Builder::new(gzip);
    if !requires.is_empty() {
        let lines: String = requires.iter().map(|pin| format!("{pin}\n")).collect();
        append(
            &mut tarball,
            "x.egg-info/requires.txt",
            lines.len() as u64,
            lines.as_bytes(),
        )?;
    }
    for file in &view.files {
        append_file(&mut tarball, file, open)?;
    }
    let mut out = tarball.into_inner()?.finish()?;
    Ok(out.flush()?)
}

/// Whether a tarball is as it was written, by the checksum at its end. Reads it.
pub fn is_whole(tarball: impl Read) -> bool {
    io::copy(&mut GzDecoder::new(tarball), &mut io::sink()).is_ok()
}

fn append_file<R: Read, W: Write>(
    tarball: &mut Builder<W>,
    file: &BoardFile,
    open: &mut dyn FnMut(&BoardFile) -> io::Result<R>,
) -> Result<(), TarballError> {
    let named = |error| TarballError::File(file.path.clone(), error);
    let content = open(file).map_err(named)?;
    let mut content = Counted {
        content,
        left: file.content.size,
        is_longer: false,
    };
    append(tarball, &file.path, file.content.size, &mut content).map_err(named)?;
    if content.left == 0 && !content.is_longer {
        Ok(())
    } else {
        Err(TarballError::Length(file.path.clone()))
    }
}

fn append<W: Write>(tarball: &mut Builder<W>, path: &str, size: u64, content: impl Read) -> io::Result<()> {
    path::check(path).map_err(io::Error::other)?;
    let mut header = Header::new_ustar();
    header.set_path(format!("{TOP}/{path}"))?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_size(size);
    header.set_cksum();
    tarball.append(&header, content)
}

/// Gives as many bytes as are due and tells whether there are others.
struct Counted<R> {
    content: R,
    left: u64,
    is_longer: bool,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.content.read(buffer)?;
        self.is_longer |= length as u64 > self.left;
        let length = length.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use flate2::{Decompress, FlushDecompress, Status};
    use proptest::prelude::*;

    use super::super::manifest::manifest_json;
    use super::super::view::Code;
    use super::*;
    use crate::dist::{ContentId, ProjectName, ReleaseVersion};

    type Tree = BTreeMap<String, Vec<u8>>;

    fn view(tree: &Tree) -> View {
        let file = |(path, content): (&String, &Vec<u8>)| BoardFile {
            path: path.clone(),
            content: ContentId::of(&content[..]).unwrap(),
        };
        View {
            files: tree.iter().map(file).collect(),
            ..View::default()
        }
    }

    fn pin(project: &str, version: &str) -> Pin {
        Pin {
            project: ProjectName::parse(project).unwrap(),
            version: ReleaseVersion::parse(version).unwrap(),
        }
    }

    fn pack(tree: &Tree, requires: &[Pin]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut open = |file: &BoardFile| Ok(&tree[&file.path][..]);
        write_tarball(&view(tree), requires, &mut open, &mut out).unwrap();
        out
    }

    /// As a board inflates: with a window of 4 KiB, in small steps, and with no byte after the one member.
    fn inflate(packed: &[u8]) -> Vec<u8> {
        let mut inflater = Decompress::new_gzip(12);
        let (mut out, mut chunk) = (Vec::new(), [0; 512]);
        loop {
            let (read, written) = (inflater.total_in() as usize, inflater.total_out());
            let status = inflater
                .decompress(&packed[read..], &mut chunk, FlushDecompress::None)
                .unwrap();
            out.extend_from_slice(&chunk[..(inflater.total_out() - written) as usize]);
            if status == Status::StreamEnd {
                assert_eq!(inflater.total_in() as usize, packed.len());
                return out;
            }
        }
    }

    /// What upip_utarfile and upip's install_tar make of an archive: the files and `requires.txt`.
    fn unpack_as_upip(mut tar: &[u8]) -> (Tree, Option<Vec<u8>>) {
        let (mut tree, mut requires) = (Tree::new(), None);
        while tar[0] != 0 {
            let name = String::from_utf8(tar[..100].iter().copied().take_while(|byte| *byte != 0).collect()).unwrap();
            let size = usize::from_str_radix(str::from_utf8(&tar[124..135]).unwrap(), 8).unwrap();
            assert_eq!(&tar[257..265], b"ustar\x0000");
            let content = tar[512..512 + size].to_vec();
            tar = &tar[512 + size.next_multiple_of(512)..];
            let name = name.split_once('/').unwrap().1.to_owned();
            let is_skipped = ["setup.", "PKG-INFO", "README"]
                .iter()
                .any(|start| name.starts_with(start))
                || name.contains(".egg-info");
            match is_skipped {
                true if name.ends_with("/requires.txt") => requires = Some(content),
                true => {}
                false => _ = tree.insert(name, content),
            }
        }
        (tree, requires)
    }

    #[test]
    fn requirements_are_lines_that_upip_reads() {
        let tree = Tree::from([("foo.py".to_owned(), b"x = 1".to_vec())]);
        let packed = pack(&tree, &[pin("foo-bar", "1.0+dev42"), pin("baz", "0.1rc1")]);
        let (unpacked, requires) = unpack_as_upip(&inflate(&packed));
        assert_eq!(unpacked, tree);
        assert_eq!(requires.unwrap(), b"foo-bar==1.0+dev42\nbaz==0.1rc1\n");
    }

    #[test]
    fn the_window_is_small_even_where_a_large_one_would_pay() {
        let noise: Vec<u8> = (0..16_384u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let tree = Tree::from([("a.bin".to_owned(), [noise.clone(), noise].concat())]);
        assert_eq!(unpack_as_upip(&inflate(&pack(&tree, &[]))).0, tree);
    }

    #[test]
    fn a_content_of_another_length_is_an_error() {
        let tree = Tree::from([("a.py".to_owned(), b"abc".to_vec())]);
        for content in [&b"ab"[..], b"abcd"] {
            let error = write_tarball(&view(&tree), &[], &mut |_| Ok(content), io::sink()).unwrap_err();
            assert!(matches!(error, TarballError::Length(path) if path == "a.py"));
        }
    }

    #[test]
    fn a_full_disk_is_an_error_even_behind_a_buffer() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let out = io::BufWriter::with_capacity(64 << 10, Full);
        let packed = write_tarball(&View::default(), &[], &mut |_| Ok(io::empty()), out);
        assert!(matches!(packed, Err(TarballError::Write(error)) if error.kind() == io::ErrorKind::StorageFull));
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let path = "[a-z_é]{1,12}(/[a-z0-9_]{1,12}){0,5}\\.(py|mpy|bin)|[a-z]{95}\\.py";
        prop::collection::btree_map(path, prop::collection::vec(any::<u8>(), 0..3_000), 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_tree_unpacks_to_itself_and_is_in_the_manifest(tree in trees()) {
            let packed = pack(&tree, &[]);
            prop_assert_eq!(&packed, &pack(&tree, &[]));
            let (unpacked, requires) = unpack_as_upip(&inflate(&packed));
            prop_assert_eq!(&unpacked, &tree);
            prop_assert!(requires.is_none());
            let manifest: serde_json::Value = serde_json::from_slice(&manifest_json(&view(&tree), Code::Source, "1.0", &[], &[])).unwrap();
            let listed: Vec<&str> = manifest["hashes"].as_array().unwrap().iter().map(|pair| pair[0].as_str().unwrap()).collect();
            prop_assert_eq!(listed, unpacked.keys().collect::<Vec<_>>());
        }
    }
}
