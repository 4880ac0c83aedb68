//! The queue between the threads that hand entries in and the one that writes.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use parking_lot::{Condvar, Mutex};

use super::{
    Buffer,
    chunk::{Chunk, Chunks},
};

/// How long entries gather before they are written together. A write for each call would cost more than the call.
const GATHERS: Duration = Duration::from_millis(50);
/// If a thread is woken at this part of the limit, it still has time to write.
const EARLY: usize = 4;

/// How and where to record.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file.
    pub path: PathBuf,
    /// The most bytes in a file; with the next entries it is full, and a new one begins.
    pub size: u64,
    /// The most files, at least 1.
    pub files: usize,
    /// The most bytes of entries in memory.
    pub queue: usize,
}

/// The counts of a recording so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in the files, also in those that are gone.
    pub bytes: u64,
    /// Calls that were written to their end.
    pub calls: u64,
    /// Calls that are not, or not wholly, in the files. A part of a long call counts as a call.
    pub lost: u64,
    /// Whether the last attempt to write failed.
    pub is_failing: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    options: Options,
    queue: Mutex<Queue>,
    changed: Condvar,
    /// Bytes of all buffers and chunks that exist.
    used: AtomicUsize,
    next_call: AtomicU64,
    bytes: AtomicU64,
    calls: AtomicU64,
    lost: AtomicU64,
    is_failing: AtomicBool,
}

#[derive(Debug)]
struct Queue {
    chunks: Chunks,
    bytes: usize,
    /// Where the next bytes probably end up in the file.
    at: u64,
    is_closed: bool,
}

/// Chunks to write.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) chunks: Vec<Chunk>,
    /// The queue fills up.
    pub(super) is_behind: bool,
}

impl Shared {
    pub(super) fn new(options: Options) -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let chunks = Chunks::new(options.queue);
        Self {
            queue: Mutex::new(Queue { chunks, bytes: 0, at: 0, is_closed: false }),
            options,
            changed: Condvar::new(),
            used: AtomicUsize::new(0),
            // Runs that write to the same files begin at other numbers.
            next_call: AtomicU64::new(u64::try_from(since_epoch.as_nanos()).unwrap_or(1)),
            bytes: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
        }
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    pub(super) fn call_id(&self) -> u64 {
        self.next_call.fetch_add(1, Relaxed)
    }

    /// Takes bytes from the limit, if there are so many.
    pub(super) fn charge(&self, bytes: usize) -> bool {
        let before = self.used.fetch_add(bytes, Relaxed);
        let fits = before.saturating_add(bytes) <= self.options.queue;
        if !fits {
            self.release(bytes);
        }
        fits
    }

    pub(super) fn release(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Relaxed);
    }

    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    pub(super) fn push(&self, entries: Buffer) {
        let mut queue = self.queue.lock();
        if queue.is_closed {
            drop(queue);
            return self.lose(1);
        }
        let (before, len, early) = (queue.bytes, entries.len(), self.options.queue / EARLY);
        let is_woken = queue.chunks.is_empty() || (before < early && before + len >= early);
        let at = queue.at;
        if !queue.chunks.push(entries, at, |bytes| self.charge(bytes)) {
            drop(queue);
            return self.lose(1);
        }
        queue.bytes += len;
        queue.at += len as u64;
        drop(queue);
        if is_woken {
            self.changed.notify_one();
        }
    }

    /// Waits for entries, and for a moment for more of them; they are to be written behind `at` bytes. `None` if there will
    /// be none.
    pub(super) fn take(&self, at: u64) -> Option<Batch> {
        self.stock();
        let mut queue = self.queue.lock();
        while queue.chunks.is_empty() {
            if queue.is_closed {
                return None;
            }
            self.changed.wait(&mut queue);
        }
        let early = self.options.queue / EARLY;
        let is_behind = queue.bytes >= early;
        if !queue.is_closed && !is_behind {
            self.changed.wait_for(&mut queue, GATHERS);
        }
        queue.at = at + std::mem::take(&mut queue.bytes) as u64;
        Some(Batch { chunks: queue.chunks.take(), is_behind })
    }

    /// Makes chunks ready. The system may need long for a huge page: on a network thread, calls would wait for it.
    fn stock(&self) {
        let wanted = || self.queue.lock().chunks.wanted();
        while let Some(size) = wanted()
            && self.charge(size)
        {
            match Chunk::ready(size) {
                Some(chunk) => self.done(chunk),
                None => return self.release(size),
            }
        }
    }

    /// Takes back what [`take`](Self::take) gave out.
    pub(super) fn done(&self, chunk: Chunk) {
        // In a statement of its own: memory goes back to the system outside the lock.
        let surplus = self.queue.lock().chunks.recycle(chunk);
        self.release(surplus.map_or(0, |chunk| chunk.charged()));
    }

    pub(super) fn close(&self) {
        self.queue.lock().is_closed = true;
        self.changed.notify_one();
    }

    pub(super) fn wrote(&self, bytes: u64, calls: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
        self.calls.fetch_add(calls, Relaxed);
    }

    pub(super) fn lose(&self, calls: u64) {
        self.lost.fetch_add(calls, Relaxed);
    }

    pub(super) fn fails(&self, is_failing: bool) {
        self.is_failing.store(is_failing, Relaxed);
    }

    pub(super) fn stats(&self) -> Stats {
        Stats {
            bytes: self.bytes.load(Relaxed),
            calls: self.calls.load(Relaxed),
            lost: self.lost.load(Relaxed),
            is_failing: self.is_failing.load(Relaxed),
        }
    }
}
