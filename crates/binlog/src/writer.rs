//! Writes entries on a thread of its own. Whoever hands entries in never waits: what does not fit into the queue, or
//! cannot be written, is counted and gone.

mod buffer;
mod chunk;
mod disk;
mod output;
mod shared;

#[cfg(test)]
mod tests;

use std::{io, path::PathBuf, sync::Arc, thread::JoinHandle, time::Duration};

use parking_lot::Mutex;

pub use self::{
    buffer::Buffer,
    disk::Storage,
    shared::{Options, Stats},
};
use self::{disk::Disk, output::Output, shared::Shared};
use crate::files::{self, Occupied};

/// How long nothing is written after a failure.
const PAUSE: Duration = Duration::from_secs(1);

/// Why a recording cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Another file is in its place.
    #[error(transparent)]
    Occupied(#[from] Occupied),
    /// The file cannot be created.
    #[error("cannot create {0}: {1}")]
    Io(PathBuf, io::Error),
}

/// A recording that is being written. Clones share it.
#[derive(Clone, Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Writer {
    /// Creates the file and starts the thread. A recording that is there already becomes `FILE.1`; another file is left
    /// alone, and that is an error. Blocks.
    pub fn create(options: Options) -> Result<Self, CreateError> {
        let (path, keep) = (options.path.clone(), options.files.max(1) - 1);
        files::inspect(&path, keep)?;
        let fail = |error| CreateError::Io(path.clone(), error);
        Self::start(options, Box::new(Disk::new(path.clone(), keep)), PAUSE).map_err(fail)
    }

    /// Writes to the files that `storage` creates.
    pub(crate) fn start(options: Options, storage: Box<dyn Storage>, pause: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(options));
        let mut output = Output::create(storage, shared.clone(), pause)?;
        let writing = shared.clone();
        let run = move || {
            while let Some(batch) = writing.take(output.at()) {
                output.write(batch);
            }
            output.end();
        };
        let thread = std::thread::Builder::new().name("recording".to_owned()).spawn(run)?;
        Ok(Self { shared, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    /// A buffer for entries. Its bytes count towards the queue's limit from now on.
    pub fn buffer(&self) -> Buffer {
        Buffer::new(self.shared.clone())
    }

    /// A number for a call, which no other call in these files has.
    pub fn call_id(&self) -> u64 {
        self.shared.call_id()
    }

    /// Hands entries in. Does not block.
    pub fn write(&self, entries: Buffer) {
        self.shared.push(entries);
    }

    /// Counts a call that is not, or not wholly, in the recording.
    pub fn lose(&self) {
        self.shared.lose(1);
    }

    /// The counts so far.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// The options it was started with.
    pub fn options(&self) -> &Options {
        self.shared.options()
    }

    /// Writes all that was handed in and closes the file. Later entries are lost. Blocks, as long as the disk does.
    pub fn finish(&self) {
        self.shared.close();
        if let Some(thread) = self.thread.lock().take() {
            // It has nothing left to report.
            _ = thread.join();
        }
    }
}
