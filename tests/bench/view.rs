//! What a board's view of a distribution costs beside reading its archive once, for packages of other makers. Run by `run`.
//!
//! Both read the same bytes from memory, in turns, so that other load meets both; the table gives medians of user time of
//! this thread. The view is what the server makes at an upload: members sorted out, hashed, and handed to a sink.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on ends")]

use std::fs;
use std::io::{self, Cursor, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use micropypi::board::{Patterns, Sink, view};
use micropypi::dist::{ContentId, DistFilename, Limits, walk};
use rustix::time::{ClockId, clock_gettime};

const ROUNDS: usize = 51;
/// The most that a view may cost, as a multiple of reading the archive.
const BAR: f64 = 2.0;
const LIMITS: Limits = Limits {
    members: 10_000,
    unpacked_bytes: 1 << 30,
    ratio: 1_000,
    metadata_bytes: 1 << 20,
};

/// Takes contents as the cache does, into memory.
#[derive(Default)]
struct Shelf(Vec<u8>);

impl Sink for Shelf {
    fn stage(&mut self, content: &mut dyn Read) -> io::Result<ContentId> {
        ContentId::of_copied(content, &mut self.0)
    }

    fn keep(&mut self, _: &ContentId) -> io::Result<()> {
        Ok(())
    }
}

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/packages");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}; tests/clients/install fetches them", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    println!("\n| a board's view, µs | bytes | archive read once | view | ratio | bar |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        if let Ok(name) = DistFilename::parse(name) {
            compare(&name, &fs::read(&file).unwrap());
        }
    }
}

fn compare(name: &DistFilename, archive: &[u8]) {
    let (mut reads, mut views) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        reads.push(time(|| read(name, archive)));
        views.push(time(|| {
            view(
                Cursor::new(archive),
                name,
                None,
                &LIMITS,
                &Patterns::default(),
                &mut Shelf::default(),
            )
            .unwrap();
        }));
    }
    let (read, view) = (median(reads), median(views));
    let ratio = view.as_secs_f64() / read.as_secs_f64();
    let verdict = if ratio <= BAR { "ok" } else { "MISSED" };
    let (size, read, view) = (archive.len(), read.as_micros(), view.as_micros());
    println!("| {name} | {size} | {read} | {view} | {ratio:.2} | {BAR} {verdict} |");
}

/// Unpacks every member and throws it away.
fn read(name: &DistFilename, archive: &[u8]) {
    let format = name.archive_format().unwrap();
    walk(Cursor::new(archive), format, &LIMITS, &mut |member| {
        io::copy(member.content, &mut io::sink())?;
        Ok(ControlFlow::Continue(()))
    })
    .unwrap();
}

fn time(work: impl FnOnce()) -> Duration {
    let now = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
    let begin = now();
    work();
    now() - begin
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
