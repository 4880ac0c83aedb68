//! The files of a recording: `FILE`, and the full ones before it, `FILE.1` and on.

#[cfg(test)]
mod tests;

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::reader::{Located, Problem, ReadError, Reader};

/// The most full files that are looked for.
const MOST: usize = 1000;

/// Why a path cannot be used for a recording.
#[derive(Debug, thiserror::Error)]
pub enum Occupied {
    /// Something else is there.
    #[error("{0} exists and is no recording: it is not overwritten")]
    Foreign(PathBuf),
    /// It cannot be looked at.
    #[error("cannot look at {0}: {1}")]
    Unreadable(PathBuf, io::Error),
}

/// A file of a recording cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", file.display())]
pub struct FileError {
    /// The file.
    pub file: PathBuf,
    /// Why.
    pub why: FileProblem,
}

/// The fault of a file of a recording.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] io::Error),
    /// It is no binary log, or not a good one.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl FileError {
    /// Whether all entries of the file before are good and nothing is behind.
    pub fn is_cut_off(&self) -> bool {
        matches!(&self.why, FileProblem::Read(error) if error.is_cut_off())
    }
}

/// The entries of all files of a recording, the oldest first. An error ends its file, and the next file follows. An empty
/// file beside others is one in which nothing was recorded.
pub fn entries(path: &Path) -> impl Iterator<Item = Result<Located, FileError>> {
    let files = parts(path);
    let is_one = files.len() == 1;
    files.into_iter().flat_map(move |file| {
        let (reader, failed) = match open(&file) {
            Ok(reader) => (Some(reader), None),
            Err(FileProblem::Read(ReadError { problem: Problem::Empty, .. })) if !is_one => (None, None),
            Err(why) => (None, Some(why)),
        };
        let entries = reader.into_iter().flatten().map(|entry| entry.map_err(FileProblem::from));
        let entries = entries.chain(failed.map(Err));
        entries.map(move |entry| entry.map_err(|why| FileError { file: file.clone(), why }))
    })
}

fn open(file: &Path) -> Result<Reader<File>, FileProblem> {
    Ok(Reader::new(File::open(file)?)?)
}

/// The files of a recording, the oldest first. The last is the path itself, whether it exists or not.
pub fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts: Vec<_> =
        (1..=MOST).map(|number| part(path, number)).take_while(|part| part.exists()).collect();
    parts.reverse();
    parts.push(path.to_owned());
    parts
}

/// The full file of this number; 1 is the latest.
pub(crate) fn part(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    PathBuf::from(name)
}

/// Makes room for a new file: each file gets the next number, and those above `keep` are removed.
pub(crate) fn shift(path: &Path, keep: usize) -> io::Result<()> {
    let numbered = |number| if number == 0 { path.to_owned() } else { part(path, number) };
    for number in (0..keep).rev() {
        // The last one is overwritten.
        match fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match keep {
        0 => match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Fails if a file that [`shift`] moves or overwrites is no recording.
pub(crate) fn inspect(path: &Path, keep: usize) -> Result<(), Occupied> {
    let numbered = (1..=keep).map(|number| part(path, number));
    std::iter::once(path.to_owned()).chain(numbered).try_for_each(|path| inspect_one(&path))
}

fn inspect_one(path: &Path) -> Result<(), Occupied> {
    let unreadable = |error| Occupied::Unreadable(path.to_owned(), error);
    // A link is not followed: it may lead anywhere.
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
        Ok(metadata) if !metadata.is_file() => return Err(Occupied::Foreign(path.to_owned())),
        Ok(_) => {}
    }
    match Reader::new(File::open(path).map_err(unreadable)?) {
        Ok(_) => Ok(()),
        Err(error) => match error.problem {
            Problem::Empty => Ok(()),
            Problem::Io(error) => Err(unreadable(error)),
            _ => Err(Occupied::Foreign(path.to_owned())),
        },
    }
}
