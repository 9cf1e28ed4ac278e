//! The members of one archive as they come by: which are staged, and what the view keeps of them. Called by `view.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek};
use std::ops::ControlFlow;

use super::{BoardError, BoardFile, View, below_top, read_text};
use crate::board::layout;
use crate::board::mpy::{self, Abi};
use crate::board::path;
use crate::board::patterns::{PatternError, Patterns};
use crate::board::requires;
use crate::board::select::{Members, Selection, select};
use crate::board::sink::Sink;
use crate::board::source_tree::SourceTree;
use crate::dist::{self, ArchiveError, ContentId, CoreMetadata, DistFilename, Limits, Member, MemberKind};

/// Most bytes of all paths together: 160 for each of as many members as an archive may have. An archive packs long ones into
/// a few bytes.
const MAX_PATHS: usize = 8 << 20;

/// Most notes, and most characters of one. Uploads are anyone's, and so is the page that shows the notes.
const MAX_NOTES: usize = 256;
const MAX_NOTE: usize = 1_000;

/// What is known of a staged member.
struct Staged {
    content: ContentId,
    head: [u8; 3],
}

pub(super) struct Reading<'a> {
    format: dist::ArchiveFormat,
    is_wheel: bool,
    limits: &'a Limits,
    patterns: &'a Patterns,
    sink: &'a mut dyn Sink,
    tree: SourceTree,
    /// Bytes of all paths, including those passed over because they were too many.
    path_bytes: usize,
    links: BTreeSet<String>,
    staged: BTreeMap<String, Staged>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        filename: &DistFilename,
        limits: &'a Limits,
        patterns: &'a Patterns,
        sink: &'a mut dyn Sink,
    ) -> Result<Self, BoardError> {
        let format = filename
            .archive_format()
            .ok_or_else(|| BoardError::Kind(filename.as_str().to_owned()))?;
        Ok(Self {
            format,
            is_wheel: filename.is_wheel(),
            limits,
            patterns,
            sink,
            tree: SourceTree::default(),
            path_bytes: 0,
            links: BTreeSet::new(),
            staged: BTreeMap::new(),
        })
    }

    /// Notes every member, and stages those that are wanted by their path.
    pub(super) fn walk<R: Read + Seek>(
        &mut self,
        archive: R,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<(), ArchiveError> {
        let (format, limits) = (self.format, self.limits);
        dist::walk(archive, format, limits, &mut |mut member| {
            let path = if self.is_wheel {
                Some(member.path)
            } else {
                below_top(member.path)
            };
            if let Some(path) = path.filter(|path| !path.is_empty()).map(str::to_owned) {
                self.visit(&path, &mut member, &is_wanted)?;
            }
            Ok(ControlFlow::Continue(()))
        })
    }

    /// Whether something was selected that looked like a leftover and was passed over.
    pub(super) fn misses(&self, selection: &Selection) -> bool {
        selection.files.values().any(|member| !self.staged.contains_key(member))
    }

    fn visit(&mut self, path: &str, member: &mut Member<'_>, is_wanted: &dyn Fn(&str) -> bool) -> io::Result<()> {
        // As if it were not there: to a build backend, `._foo.py` looks like a module.
        if path::is_litter(path) || !self.has_room(path) {
            return Ok(());
        }
        match member.kind {
            MemberKind::Directory | MemberKind::Other => return Ok(()),
            MemberKind::Link => _ = self.links.insert(path.to_owned()),
            MemberKind::File if !self.is_wheel && self.tree.wants_text(path) => {
                let text = read_text(member.content)?;
                self.tree.add_text(path, text.unwrap_or_default());
            }
            MemberKind::File if is_metadata(path) => {}
            MemberKind::File if is_wanted(path) => self.stage(path, member.content)?,
            MemberKind::File => {}
        }
        self.tree.add(path);
        Ok(())
    }

    fn has_room(&mut self, path: &str) -> bool {
        if self.tree.has(path) {
            return true;
        }
        self.path_bytes += path.len();
        self.path_bytes <= MAX_PATHS
    }

    fn stage(&mut self, path: &str, content: &mut dyn Read) -> io::Result<()> {
        let mut head = [0; 3];
        let length = io::copy(&mut content.take(3), &mut &mut head[..])? as usize;
        let content = self.sink.stage(&mut head[..length].chain(content))?;
        self.staged.insert(path.to_owned(), Staged { content, head });
        Ok(())
    }

    pub(super) fn select(&self, filename: &DistFilename) -> Selection {
        let mut layout = if self.is_wheel {
            layout::of_wheel(self.tree.paths())
        } else {
            layout::of_sdist(&self.tree, filename.name())
        };
        if self.path_bytes > MAX_PATHS {
            let note = format!("of paths of more than {MAX_PATHS} bytes together the rest is left out");
            layout.notes.push(note);
        }
        let patterns = self.own_patterns().unwrap_or_else(|error| {
            layout.notes.push(format!("[tool.micropypi] does not count: {error}"));
            self.patterns.clone()
        });
        let files = self.tree.paths().filter(|path| !is_metadata(path));
        let includable = files
            .map(|path| (path.strip_prefix("src/").unwrap_or(path), path))
            .collect();
        select(
            layout,
            &Members {
                links: &self.links,
                includable,
            },
            &patterns,
            filename.project().as_str(),
        )
    }

    fn own_patterns(&self) -> Result<Patterns, PatternError> {
        match self.tree.pyproject() {
            Ok(pyproject) => self.patterns.with_project(&pyproject),
            Err(_) => Ok(self.patterns.clone()),
        }
    }

    pub(super) fn finish(self, selection: Selection, metadata: Option<&CoreMetadata>) -> Result<View, BoardError> {
        let (requires, notes) = requires::read(metadata, &self.tree);
        let mut view = View {
            refused: selection.refused,
            notes: selection.notes,
            requires,
            ..View::default()
        };
        for (path, member) in &selection.files {
            let Some(Staged { content, head }) = self.staged.get(member) else {
                continue;
            };
            let file = BoardFile {
                path: path.clone(),
                content: *content,
            };
            let has_source = path
                .strip_suffix(".mpy")
                .is_some_and(|stem| selection.files.contains_key(&format!("{stem}.py")));
            let list = match sort(&mut view.notes, path, head, has_source) {
                Place::Files => &mut view.files,
                Place::Mpy => &mut view.mpy,
                Place::Nowhere => continue,
            };
            list.push(file);
            self.sink.keep(content)?;
        }
        view.notes.extend(notes);
        bound(&mut view.notes);
        if view.files.is_empty() {
            view.notes
                .push("there is nothing in it that a board could import".to_owned());
        }
        Ok(view)
    }
}

enum Place {
    Files,
    Mpy,
    Nowhere,
}

/// MicroPython imports `foo.py` before `foo.mpy`; so a manifest holds one of them.
fn sort(notes: &mut Vec<String>, path: &str, head: &[u8; 3], has_source: bool) -> Place {
    if !path.ends_with(".mpy") {
        return Place::Files;
    }
    match (mpy::abi(head), has_source) {
        (Abi::Bytecode, true) => Place::Mpy,
        (Abi::Bytecode, false) => Place::Files,
        (Abi::Native, true) => {
            notes.push(format!(
                "{path} is left out: it is native code for one kind of board, and its source is there"
            ));
            Place::Nowhere
        }
        (Abi::Native, false) => {
            notes.push(format!("{path} is native code: only boards of its kind can import it"));
            Place::Files
        }
        (Abi::Other, _) => {
            notes.push(format!(
                "{path} is left out: it is not bytecode that MicroPython 1.19 and later can import"
            ));
            Place::Nowhere
        }
    }
}

fn bound(notes: &mut Vec<String>) {
    let more = notes.len().saturating_sub(MAX_NOTES);
    notes.truncate(MAX_NOTES);
    for note in &mut *notes {
        if let Some((end, _)) = note.char_indices().nth(MAX_NOTE) {
            note.truncate(end);
            note.push('…');
        }
    }
    if more > 0 {
        notes.push(format!("and {more} more notes"));
    }
}

fn is_metadata(path: &str) -> bool {
    path == "PKG-INFO"
        || path.contains(".egg-info/")
        || path.split('/').next().is_some_and(|top| top.ends_with(".dist-info"))
}
