//! The files, as the thread that writes sees them: full ones are replaced, and after a failed write the file is cut back
//! to its last whole entry.

use std::{
    fmt::Debug,
    fs::{File, OpenOptions},
    io::{self, IoSlice, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tracing::{error, info};

use super::{Buffer, shared::Shared};
use crate::files;

/// The most buffers in one write.
const AT_ONCE: usize = 512;

/// Where entries end up.
pub trait Storage: Debug + Send {
    /// Begins a new file.
    fn begin(&mut self) -> io::Result<()>;
    /// Writes at the end of the file, as much as it can.
    fn write(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize>;
    /// Cuts the file off.
    fn cut(&mut self, length: u64) -> io::Result<()>;
    /// Its name in the log.
    fn name(&self) -> String;
}

/// Files on a disk.
#[derive(Debug)]
pub(super) struct Disk {
    path: PathBuf,
    /// Full files to keep.
    keep: usize,
    file: Option<File>,
}

impl Disk {
    pub(super) fn new(path: PathBuf, keep: usize) -> Self {
        Self { path, keep, file: None }
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.as_mut().ok_or_else(|| io::Error::other("there is no file"))
    }
}

impl Storage for Disk {
    fn begin(&mut self) -> io::Result<()> {
        files::shift(&self.path, self.keep)?;
        // Others may not read what calls contain.
        self.file = Some(OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.path)?);
        Ok(())
    }

    fn write(&mut self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file()?.write_vectored(bytes)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let file = self.file()?;
        file.set_len(length)?;
        file.seek(SeekFrom::Start(length)).map(drop)
    }

    fn name(&self) -> String {
        self.path.display().to_string()
    }
}

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

    /// Writes all, or counts what is lost.
    pub(super) fn write(&mut self, batch: Vec<Buffer>) {
        let mut rest = batch.as_slice();
        if self.failed.is_some_and(|(at, _)| at.elapsed() < self.pause) {
            return self.lose(rest);
        }
        while !rest.is_empty() {
            let (count, result) = self.write_some(rest);
            rest = &rest[count..];
            match result {
                Ok(()) => self.works(),
                Err(error) => {
                    self.fails(&error);
                    return self.lose(rest);
                }
            }
        }
    }

    /// Writes the buffers that fit into the file, in one go. Returns how many are in it wholly.
    fn write_some(&mut self, batch: &[Buffer]) -> (usize, io::Result<()>) {
        if let Err(error) = self.prepare(batch[0].len() as u64) {
            return (0, Err(error));
        }
        let room = self.shared.options().size.saturating_sub(self.good);
        let mut bytes = 0;
        let fits = batch.iter().take(AT_ONCE).take_while(|buffer| {
            bytes += buffer.len() as u64;
            bytes <= room
        });
        let batch = &batch[..fits.count().max(1)];
        let mut slices: Vec<_> = batch.iter().map(|buffer| IoSlice::new(buffer.bytes())).collect();
        let (written, result) = write_all(&mut *self.storage, &mut slices);
        let (mut whole, mut bytes, mut calls) = (0, 0, 0);
        for buffer in batch {
            if bytes + buffer.len() as u64 > written {
                break;
            }
            bytes += buffer.len() as u64;
            calls += buffer.calls();
            whole += 1;
        }
        self.good += bytes;
        self.is_torn = result.is_err();
        self.shared.wrote(bytes, calls);
        (whole, result)
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
    fn lose(&self, batch: &[Buffer]) {
        self.shared.lose(batch.len() as u64);
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
fn write_all(storage: &mut dyn Storage, mut slices: &mut [IoSlice<'_>]) -> (u64, io::Result<()>) {
    let mut written = 0;
    while !slices.is_empty() {
        match storage.write(slices) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                written += count as u64;
                IoSlice::advance_slices(&mut slices, count);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}
