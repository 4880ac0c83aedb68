//! Reads a recording: which calls can be replayed, and why others cannot.

use std::{
    io,
    path::{Path, PathBuf},
};

use binlog::{Assembler, Call, End, FileError, FileProblem, ReadError, entries, parts};
use protocol::{Roles, metadata::EXPECTED_STRATEGY};
use tracing::warn;

use crate::answers::{Answer, Answers};

/// The most bytes in all files.
const LARGEST: u64 = 2 << 30;

/// Why a recording cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be opened.
    #[error("cannot read {0}: {1}")]
    Io(PathBuf, io::Error),
    /// It is no recording, or not a good one.
    #[error("{0}: {1}")]
    Read(PathBuf, ReadError),
    /// It does not fit into memory.
    #[error("{0}: expected at most {LARGEST} bytes, found {1}")]
    TooLarge(PathBuf, u64),
    /// It has no call that can be replayed.
    #[error("{0}: expected a recording with calls, found none that can be replayed")]
    NoCalls(PathBuf),
}

impl From<FileError> for LoadError {
    fn from(FileError { file, why }: FileError) -> Self {
        match why {
            FileProblem::Open(error) => Self::Io(file, error),
            FileProblem::Read(error) => Self::Read(file, error),
        }
    }
}

/// Reads the files of a recording.
pub(crate) fn load(path: &Path, roles: &Roles) -> Result<Answers, LoadError> {
    let mut size = 0;
    for file in parts(path) {
        size += std::fs::metadata(&file).map_err(|error| LoadError::Io(file, error))?.len();
    }
    if size > LARGEST {
        return Err(LoadError::TooLarge(path.to_owned(), size));
    }
    let (mut assembler, mut calls) = (Assembler::new(true), Vec::new());
    for entry in entries(path) {
        match entry {
            Ok(entry) => calls.extend(assembler.push(entry.entry)),
            Err(error) if error.is_cut_off() => warn!("{error}; the calls before are replayed"),
            Err(error) => return Err(error.into()),
        }
    }
    // They end in another order than they began.
    calls.sort_by_key(|call| (call.began, call.id));
    let all = calls.len();
    let mut answers = Answers::default();
    for call in calls {
        if let Some(answer) = answer(&call) {
            let roles = roles.method(&call.method);
            answers.add(&call.method, roles.map(|roles| &**roles), &call.sent, answer);
        }
    }
    let left_out = all - answers.calls();
    if left_out > 0 {
        warn!(
            "{left_out} recorded calls are not replayed: they were rejected or cancelled, or are not whole"
        );
    }
    if answers.calls() == 0 { Err(LoadError::NoCalls(path.to_owned())) } else { Ok(answers) }
}

/// The answer of a call that ended, and whose messages are whole.
fn answer(call: &Call) -> Option<Answer> {
    let End::Status(trailer) = &call.end else { return None };
    let mut metadata = trailer.metadata.iter().flat_map(|metadata| &metadata.entry);
    let is_rejected = metadata.any(|entry| entry.key == EXPECTED_STRATEGY);
    let is_whole = !call.sent.iter().chain(&call.received).any(|message| message.is_truncated);
    (is_whole && !is_rejected).then(|| Answer {
        head: call.response.clone(),
        messages: call.received.iter().map(|message| message.data.clone()).collect(),
        trailer: trailer.clone(),
        query: None,
        took: call
            .ended
            .zip(call.began)
            .and_then(|(to, from)| to.duration_since(from).ok())
            .unwrap_or_default(),
    })
}
