//! Lines leave through a thread of their own: a terminal or a disk that is slow never holds up a request.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use crate::lock::lock;

/// Bytes that may wait; what comes while they wait is counted and lost.
const CAPACITY: usize = 256 << 10;
/// How long the thread rests after a write, so that busy times make one write of many lines.
const REST: Duration = Duration::from_millis(10);
/// How long the end of the process waits for a sink that takes nothing, as a stopped terminal or a pager does.
const PATIENCE: Duration = Duration::from_secs(2);

/// The thread and its queue. Dropping it writes what waits.
pub(super) struct Writer {
    queue: Arc<Queue>,
    /// Its other end goes away with the thread.
    end: mpsc::Receiver<()>,
}

impl Writer {
    pub(super) fn start(sink: impl Write + Send + 'static) -> io::Result<Self> {
        let queue = Arc::new(Queue::default());
        let ours = Arc::clone(&queue);
        let (alive, end) = mpsc::channel();
        thread::Builder::new().name("log".to_owned()).spawn(move || {
            let _alive: mpsc::Sender<()> = alive;
            ours.drain_into(sink);
        })?;
        Ok(Self { queue, end })
    }

    /// Where the lines go in.
    pub(super) fn queue(&self) -> Arc<Queue> {
        Arc::clone(&self.queue)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        lock(&self.queue.waiting).closed = true;
        self.queue.news.notify_one();
        // A thread that panicked has said so itself, and there is no log left to say anything in.
        self.end.recv_timeout(PATIENCE).ok();
    }
}

/// The lines on their way.
#[derive(Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    lost: usize,
    closed: bool,
}

impl Queue {
    fn drain_into(&self, mut sink: impl Write) {
        let mut batch = Vec::new();
        while self.take(&mut batch) {
            // When stderr is gone there is nowhere left to say so.
            let _ = sink.write_all(&batch);
            batch.clear();
            thread::sleep(REST);
        }
    }

    /// Takes a line, with its end.
    pub(super) fn push(&self, line: &[u8]) {
        let mut waiting = lock(&self.waiting);
        if waiting.bytes.len() + line.len() > CAPACITY {
            waiting.lost += 1;
            return;
        }
        let was_empty = waiting.bytes.is_empty();
        waiting.bytes.extend_from_slice(line);
        drop(waiting);
        if was_empty {
            self.news.notify_one();
        }
    }

    /// Waits for lines and moves them into `batch`, which is empty. False: there will be none.
    fn take(&self, batch: &mut Vec<u8>) -> bool {
        let idle = |waiting: &mut Waiting| waiting.bytes.is_empty() && !waiting.closed;
        let mut waiting = self
            .news
            .wait_while(lock(&self.waiting), idle)
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut waiting.bytes, batch);
        let lost = std::mem::take(&mut waiting.lost);
        drop(waiting);
        if lost > 0 {
            batch
                .extend_from_slice(format!("{lost} lines of the log were lost: it is written too slowly\n").as_bytes());
        }
        !batch.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Hands each write to a channel, and waits for a permit before it.
    struct Slow {
        permits: mpsc::Receiver<()>,
        written: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.permits.recv();
            self.written.send(bytes.to_vec()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn slow() -> (Slow, mpsc::Sender<()>, mpsc::Receiver<Vec<u8>>) {
        let (permit, permits) = mpsc::channel();
        let (written, out) = mpsc::channel();
        (Slow { permits, written }, permit, out)
    }

    #[test]
    fn what_waits_is_written_when_the_log_closes() {
        let (sink, permit, out) = slow();
        let writer = Writer::start(sink).unwrap();
        for line in ["one\n", "two\n", "three\n"] {
            writer.queue().push(line.as_bytes());
        }
        drop(permit);
        drop(writer);
        assert_eq!(out.iter().flatten().collect::<Vec<_>>(), b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_sink_that_takes_nothing_does_not_keep_the_process() {
        let (sink, permit, _out) = slow();
        let writer = Writer::start(sink).unwrap();
        writer.queue().push(b"never\n");
        drop(writer);
        drop(permit);
    }

    #[test]
    fn a_stuck_sink_loses_lines_and_says_how_many() {
        let (sink, permit, out) = slow();
        let writer = Writer::start(sink).unwrap();
        let line = vec![b'x'; CAPACITY];
        writer.queue().push(b"first\n");
        permit.send(()).unwrap();
        assert_eq!(out.recv().unwrap(), b"first\n");
        for _ in 0..3 {
            writer.queue().push(&line);
        }
        drop(permit);
        drop(writer);
        let rest: Vec<u8> = out.iter().flatten().collect();
        assert!(
            rest.ends_with(b"2 lines of the log were lost: it is written too slowly\n"),
            "{}",
            rest.len()
        );
    }
}
