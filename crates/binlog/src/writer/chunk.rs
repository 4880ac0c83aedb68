//! The buffers of many calls, on their way to the disk.

use std::fmt;

#[cfg(target_os = "linux")]
use memmap2::Advice;
use memmap2::MmapMut;

use super::{Buffer, disk::BLOCK};

/// The bytes of a chunk, if the queue has room for many: more than a thousand calls, and one huge page.
const SIZE: usize = 2 << 20;
/// This part of the queue is a chunk.
const PART: usize = 16;
/// A buffer of more than this part of a chunk is not copied.
const MOVED: usize = 8;
/// The empty chunks that are kept ready.
const SPARE: usize = 2;

/// Buffers, one after the other.
pub(super) struct Chunk {
    memory: Memory,
    /// Bytes before the first buffer.
    start: usize,
    ends: Vec<End>,
    /// Charged to the queue.
    charged: usize,
}

enum Memory {
    /// Copies of buffers, so many bytes.
    Filled(MmapMut, usize),
    /// The bytes of one buffer.
    Moved(Vec<u8>),
}

/// Where a buffer ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// The bytes of the chunk until here.
    pub(super) at: usize,
    /// The calls that end in the buffer.
    pub(super) calls: u64,
}

impl Chunk {
    /// `None` if the system has no memory. Then it is mapped and not there: a page comes when it is written.
    fn new(size: usize) -> Option<Self> {
        let pages = MmapMut::map_anon(size).ok()?;
        Some(Self { memory: Memory::Filled(pages, 0), start: 0, ends: Vec::new(), charged: size })
    }

    /// The same, but its memory is there. Blocks until it is. Of small pages, the processor and the disk need hundreds; where
    /// there is no huge one, they will do.
    pub(super) fn ready(size: usize) -> Option<Self> {
        let chunk = Self::new(size)?;
        #[cfg(target_os = "linux")]
        if let Memory::Filled(pages, _) = &chunk.memory {
            // A kernel that refuses these fills small pages as they are written.
            _ = pages.advise(Advice::HugePage).and_then(|()| pages.advise(Advice::PopulateWrite));
        }
        Some(chunk)
    }

    /// Begins where in memory the blocks of the file begin, if `at` is where the chunk ends up.
    fn begin(&mut self, at: u64) {
        self.start = (at % BLOCK as u64) as usize;
        if let Memory::Filled(_, len) = &mut self.memory {
            *len = self.start;
        }
        self.ends.clear();
    }

    /// Appends a copy, if there is room.
    fn copy(&mut self, entries: &Buffer) -> bool {
        let Memory::Filled(pages, len) = &mut self.memory else { return false };
        let Some(room) = pages.get_mut(*len..*len + entries.len()) else { return false };
        room.copy_from_slice(entries.bytes());
        *len += entries.len();
        self.ends.push(End { at: *len, calls: entries.calls() });
        true
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match &self.memory {
            Memory::Filled(pages, len) => &pages[..*len],
            Memory::Moved(bytes) => bytes,
        }
    }

    pub(super) fn start(&self) -> usize {
        self.start
    }

    pub(super) fn ends(&self) -> &[End] {
        &self.ends
    }

    pub(super) fn charged(&self) -> usize {
        self.charged
    }
}

impl From<Buffer> for Chunk {
    fn from(mut entries: Buffer) -> Self {
        let ((bytes, charged), calls) = (entries.take(), entries.calls());
        let ends = vec![End { at: bytes.len(), calls }];
        Self { memory: Memory::Moved(bytes), start: 0, ends, charged }
    }
}

/// Chunks that wait, and empty ones to fill.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The bytes of a chunk that is filled.
    size: usize,
    waiting: Vec<Chunk>,
    spare: Vec<Chunk>,
}

impl Chunks {
    /// For a queue of so many bytes.
    pub(super) fn new(queue: usize) -> Self {
        Self { size: (queue / PART).clamp(4 * BLOCK, SIZE), waiting: Vec::new(), spare: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Appends a buffer, which probably ends up `at` this place of the file. Copies it, so that a few large writes suffice
    /// and its memory stays with its thread. Returns whether there is room, for which `charge` is asked.
    pub(super) fn push(&mut self, entries: Buffer, at: u64, charge: impl FnOnce(usize) -> bool) -> bool {
        if entries.len() > self.size / MOVED {
            self.waiting.push(entries.into());
        } else if !self.waiting.last_mut().is_some_and(|chunk| chunk.copy(&entries)) {
            let new = || charge(self.size).then(|| Chunk::new(self.size)).flatten();
            let Some(mut chunk) = self.spare.pop().or_else(new) else { return false };
            chunk.begin(at);
            chunk.copy(&entries);
            self.waiting.push(chunk);
        }
        true
    }

    /// All that wait.
    pub(super) fn take(&mut self) -> Vec<Chunk> {
        std::mem::take(&mut self.waiting)
    }

    /// The bytes of a chunk to make ready, if there are too few.
    pub(super) fn wanted(&self) -> Option<usize> {
        (self.spare.len() + self.waiting.len() < SPARE).then_some(self.size)
    }

    /// Keeps a chunk for the next entries, or returns it if there are enough.
    pub(super) fn recycle(&mut self, chunk: Chunk) -> Option<Chunk> {
        if matches!(chunk.memory, Memory::Moved(_)) || self.spare.len() == SPARE {
            return Some(chunk);
        }
        self.spare.push(chunk);
        None
    }
}

/// Entries are what calls contain: they appear in no log.
impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("len", &self.bytes().len()).finish_non_exhaustive()
    }
}
