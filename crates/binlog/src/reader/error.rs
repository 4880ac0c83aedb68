//! Why a file cannot be read.

use std::io;

/// Why a file cannot be read further, and where.
#[derive(Debug, thiserror::Error)]
#[error("at byte {offset}: {problem}")]
pub struct ReadError {
    /// Where the entry begins that cannot be read.
    pub offset: u64,
    /// Why.
    pub problem: Problem,
}

/// The fault of a file.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// It has no bytes.
    #[error("the file is empty")]
    Empty,
    /// It does not begin as a binary log does.
    #[error("expected a binary log of gRPC, found another format")]
    Foreign,
    /// An entry cannot be decoded.
    #[error("the entry is corrupt: {0}")]
    Corrupt(String),
    /// The file ends within an entry, as it does if its writer was killed. The entries before are good.
    #[error("the file ends within an entry")]
    CutOff,
    /// The operating system cannot read the file.
    #[error("cannot read on: {0}")]
    Io(io::Error),
}

impl ReadError {
    /// Whether all entries before are good and nothing is behind.
    pub fn is_cut_off(&self) -> bool {
        matches!(self.problem, Problem::CutOff)
    }
}
