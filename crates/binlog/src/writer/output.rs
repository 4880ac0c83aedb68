//! The files, as the thread that writes sees them: full ones are replaced, and after a failed write the file is cut back
//! to its last whole entry.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, info};

use super::{
    chunk::{Chunk, End},
    disk::Storage,
    shared::{Batch, Shared},
};

#[derive(Debug)]
pub(super) struct Output {
    storage: Box<dyn Storage>,
    shared: Arc<Shared>,
    /// How long nothing is tried after a failure.
    pause: Duration,
    /// Bytes of whole buffers in the file.
    good: u64,
    /// The file has more bytes than those.
    is_torn: bool,
    /// The last failure, and the lost calls until then.
    failed: Option<(Instant, u64)>,
}

impl Output {
    pub(super) fn create(
        mut storage: Box<dyn Storage>,
        shared: Arc<Shared>,
        pause: Duration,
    ) -> io::Result<Self> {
        storage.begin()?;
        Ok(Self { storage, shared, pause, good: 0, is_torn: false, failed: None })
    }

    /// The bytes in the file, as far as they are good.
    pub(super) fn at(&self) -> u64 {
        self.good
    }

    /// Writes all, or counts what is lost.
    pub(super) fn write(&mut self, batch: Batch) {
        for chunk in batch.chunks {
            self.write_chunk(&chunk, batch.is_behind);
            self.shared.done(chunk);
        }
    }

    fn write_chunk(&mut self, chunk: &Chunk, is_behind: bool) {
        let (mut start, mut ends) = (chunk.start(), chunk.ends());
        if self.failed.is_some_and(|(at, _)| at.elapsed() < self.pause) {
            return self.lose(ends);
        }
        while !ends.is_empty() {
            let (count, result) = self.write_some(start, ends, chunk.bytes(), is_behind);
            start = count.checked_sub(1).map_or(start, |last| ends[last].at);
            ends = &ends[count..];
            match result {
                Ok(()) => self.works(),
                Err(error) => {
                    self.fails(&error);
                    return self.lose(ends);
                }
            }
        }
    }

    /// Writes the buffers from `start` on that fit into the file, in one go. Returns how many are in it wholly.
    fn write_some(
        &mut self,
        start: usize,
        ends: &[End],
        bytes: &[u8],
        is_behind: bool,
    ) -> (usize, io::Result<()>) {
        let len = |end: &End| (end.at - start) as u64;
        if let Err(error) = self.prepare(len(&ends[0])) {
            return (0, Err(error));
        }
        let room = self.shared.options().size.saturating_sub(self.good);
        let ends = &ends[..ends.partition_point(|end| len(end) <= room).max(1)];
        let bytes = &bytes[start..ends[ends.len() - 1].at];
        let (written, result) = write_all(&mut *self.storage, bytes, is_behind);
        let whole = &ends[..ends.partition_point(|end| len(end) <= written)];
        let bytes = whole.last().map_or(0, len);
        self.good += bytes;
        self.is_torn = result.is_err();
        self.shared.wrote(bytes, whole.iter().map(|end| end.calls).sum());
        (whole.len(), result)
    }

    /// Mends a torn file, and begins a new one if the next buffer does not fit.
    fn prepare(&mut self, next: u64) -> io::Result<()> {
        if self.is_torn {
            self.storage.cut(self.good)?;
            self.is_torn = false;
        }
        if self.good > 0 && self.good + next > self.shared.options().size {
            self.storage.begin()?;
            self.good = 0;
        }
        Ok(())
    }

    /// A part of a long call counts as a call.
    fn lose(&self, buffers: &[End]) {
        self.shared.lose(buffers.len() as u64);
    }

    fn fails(&mut self, why: &io::Error) {
        let lost = self.failed.map_or_else(|| self.shared.stats().lost, |(_, lost)| lost);
        if self.failed.replace((Instant::now(), lost)).is_none() {
            self.shared.fails(true);
            error!("Cannot record to {}: {why}; calls are served, and not recorded", self.storage.name());
        }
    }

    fn works(&mut self) {
        if let Some((_, before)) = self.failed.take() {
            self.shared.fails(false);
            let lost = self.shared.stats().lost - before;
            info!("Recording to {} again: {lost} calls were lost", self.storage.name());
        }
    }

    /// Leaves a whole file behind.
    pub(super) fn end(&mut self) {
        if self.is_torn
            && let Err(why) = self.storage.cut(self.good)
        {
            error!("The end of {} is cut off: {why}", self.storage.name());
        }
    }
}

/// Returns the bytes that were written, also if not all were.
fn write_all(storage: &mut dyn Storage, bytes: &[u8], is_behind: bool) -> (u64, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match storage.write(&bytes[written..], is_behind) {
            Ok(0) => return (written as u64, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written as u64, Err(error)),
        }
    }
    (written as u64, Ok(()))
}
