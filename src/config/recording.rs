//! Validates the settings of recordings.

use std::path::PathBuf;

use binlog::Options;

use super::BadSetting;
use crate::cli::{Recording, Serve};

/// The most bytes of entries that wait for the disk.
const QUEUE: usize = 64 << 20;

/// A recording that takes the place of an engine.
#[derive(Debug)]
pub struct ReplayConfig {
    /// The file.
    pub file: PathBuf,
    /// How many times as fast as recorded; 0 is at once.
    pub speed: f64,
    /// The built-in engine, for calls that were not recorded.
    #[cfg(feature = "mock")]
    pub missing: Option<super::MockConfig>,
}

/// How and where calls are recorded.
#[derive(Clone, Debug)]
pub struct RecordConfig {
    /// The file to record to from the start.
    pub file: Option<PathBuf>,
    /// The folder in which operators may record.
    pub folder: Option<PathBuf>,
    /// The most bytes in a file.
    pub size: u64,
    /// The most files.
    pub files: usize,
}

impl RecordConfig {
    /// A recording to this file.
    pub fn options(&self, path: PathBuf) -> Options {
        Options { path, size: self.size, files: self.files, queue: QUEUE }
    }
}

/// The recording to replay, if there is one.
pub(super) fn replay(serve: &Serve) -> Result<Option<ReplayConfig>, BadSetting> {
    let Recording { replay, replay_speed, record, .. } = &serve.recording;
    let bad = |flag, expected: &str| {
        let value = serve.effective.get(flag).map(|given| given.text()).unwrap_or_default();
        Err(BadSetting { flag, value, expected: expected.to_owned() })
    };
    match replay {
        None => {
            match ["replay-speed", "replay-missing"].into_iter().find(|flag| serve.given.contains(flag)) {
                Some(flag) => bad(flag, "expected --replay with it"),
                None => Ok(None),
            }
        }
        Some(file) if record.as_ref() == Some(file) => {
            bad("record", "expected another file than that of --replay")
        }
        Some(file) => Ok(Some(ReplayConfig {
            file: file.clone(),
            speed: *replay_speed,
            #[cfg(feature = "mock")]
            missing: None,
        })),
    }
}

pub(super) fn recording(serve: &Serve) -> Result<RecordConfig, BadSetting> {
    let Recording { record, record_dir, record_size, record_files, .. } = &serve.recording;
    let folder = record_dir.as_ref().map(|folder| {
        // Links on the way to it are followed now, and not once a recording starts.
        let found = folder.canonicalize().and_then(|folder| match folder.is_dir() {
            true => Ok(folder),
            false => Err(std::io::ErrorKind::NotADirectory.into()),
        });
        found.map_err(|error| BadSetting {
            flag: "record-dir",
            value: folder.display().to_string(),
            expected: format!("expected a folder ({error})"),
        })
    });
    let needed = record.is_some() || record_dir.is_some();
    let alone =
        ["record-size", "record-files"].into_iter().find(|flag| !needed && serve.given.contains(flag));
    if let Some(flag) = alone {
        let value = serve.effective.get(flag).map(|given| given.text()).unwrap_or_default();
        return Err(BadSetting {
            flag,
            value,
            expected: "expected --record or --record-dir with it".to_owned(),
        });
    }
    Ok(RecordConfig {
        file: record.clone(),
        folder: folder.transpose()?,
        size: *record_size,
        files: *record_files,
    })
}
