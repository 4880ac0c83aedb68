//! The state that a restart continues from, and the file that holds it: one JSON object.

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use protocol::Strategy;
use serde::{Deserialize, Serialize};

use super::phase_name::PhaseName;

/// The version that is written, and the only one that is read.
const VERSION: u64 = 1;
/// The size above which a file cannot be a saved state, in bytes.
const LARGEST: u64 = 64 << 10;

/// The state that a later run continues from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedState {
    /// The phase.
    pub phase: PhaseName,
    /// The active strategy. The other one is pending or old, depending on the phase.
    pub active: Strategy,
    /// The number of transitions so far.
    pub epoch: u64,
    /// The announcement takes back a cutover.
    pub rollback: bool,
    /// The timer.
    pub timer: SavedTimer,
}

/// The timer in a saved state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedTimer {
    /// Whether it is paused.
    pub paused: bool,
    /// The time left; none without a timer.
    pub left: Option<Duration>,
}

/// The content of the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    teal_switch_state: u64,
    phase: PhaseName,
    active: Strategy,
    epoch: u64,
    rollback: bool,
    timer_paused: bool,
    timer_left_ms: Option<u64>,
    /// Milliseconds since 1970. The timer runs on while teal is stopped.
    written_ms: u64,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadState {
    /// It is unreadable.
    #[error("expected a readable file ({0})")]
    Unreadable(io::Error),
    /// It cannot be written.
    #[error("expected a file that can be written ({0})")]
    Unwritable(io::Error),
    /// Its content is no saved state.
    #[error("expected the state of a switch, as teal writes it ({0})")]
    Foreign(String),
    /// Another version of teal wrote it.
    #[error("expected state of version {VERSION}, found version {0}: another teal wrote it")]
    Version(u64),
}

/// The file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateFile {
    path: PathBuf,
}

impl StateFile {
    /// Opens a file for writing, and reads the state in it, if it exists.
    pub fn open(path: &Path) -> Result<(Self, Option<SavedState>), BadState> {
        let file = Self { path: path.to_owned() };
        let kept = file.read(SystemTime::now())?;
        file.probe().map_err(BadState::Unwritable)?;
        Ok((file, kept))
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn read(&self, now: SystemTime) -> Result<Option<SavedState>, BadState> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(BadState::Unreadable(error)),
            Ok(about) if !about.is_file() => return Err(BadState::Foreign("it is no file".to_owned())),
            Ok(about) if about.len() > LARGEST => {
                return Err(BadState::Foreign(format!("it has more than {LARGEST} bytes")));
            }
            Ok(_) => {}
        }
        let text = fs::read(&self.path).map_err(BadState::Unreadable)?;
        SavedState::read(&text, now).map(Some)
    }

    /// Replaces the file with the state, atomically, and syncs it to the disk.
    pub fn write(&self, kept: &SavedState, now: SystemTime) -> io::Result<()> {
        let new = self.beside(".new");
        let mut file = fs::File::create(&new)?;
        file.write_all(kept.text(now).as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        // The rename is on the disk once its folder is.
        fs::File::open(self.folder())?.sync_all()
    }

    /// Checks that a file can be created beside it.
    fn probe(&self) -> io::Result<()> {
        let probe = self.beside(&format!(".probe-{}", std::process::id()));
        fs::File::create(&probe)?;
        fs::remove_file(&probe)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(suffix);
        name.into()
    }

    fn folder(&self) -> &Path {
        self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    }
}

impl SavedState {
    fn text(&self, now: SystemTime) -> String {
        let Self { phase, active, epoch, rollback, timer } = *self;
        let written = Written {
            teal_switch_state: VERSION,
            phase,
            active,
            epoch,
            rollback,
            timer_paused: timer.paused,
            timer_left_ms: timer.left.map(millis),
            written_ms: since_1970(now),
        };
        serde_json::to_string(&written).unwrap_or_default() + "\n"
    }

    fn read(text: &[u8], now: SystemTime) -> Result<Self, BadState> {
        let foreign = |error: serde_json::Error| BadState::Foreign(error.to_string());
        let value: serde_json::Value = serde_json::from_slice(text).map_err(foreign)?;
        // A newer version may have fields that this one does not know.
        match value.get("teal_switch_state").and_then(serde_json::Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => return Err(BadState::Version(version)),
            None => return Err(BadState::Foreign("it has no teal_switch_state".to_owned())),
        }
        let written: Written = serde_json::from_value(value).map_err(foreign)?;
        // The epoch is packed with a bit beside it, and counts on.
        if written.epoch > u64::MAX >> 8 {
            return Err(BadState::Foreign(format!("epoch {} is too large", written.epoch)));
        }
        let past = Duration::from_millis(since_1970(now).saturating_sub(written.written_ms));
        let past = if written.timer_paused { Duration::ZERO } else { past };
        let left = written.timer_left_ms.map(|left| Duration::from_millis(left).saturating_sub(past));
        Ok(Self {
            phase: written.phase,
            active: written.active,
            epoch: written.epoch,
            rollback: written.rollback,
            timer: SavedTimer { paused: written.timer_paused, left },
        })
    }
}

fn since_1970(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).map(millis).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: SavedState = SavedState {
        phase: PhaseName::Announced,
        active: Strategy::Green,
        epoch: 7,
        rollback: true,
        timer: SavedTimer { paused: false, left: Some(Duration::from_secs(30)) },
    };

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn saved_state_is_read_with_timer_advanced() {
        let text = KEPT.text(at(100));
        assert_eq!(SavedState::read(text.as_bytes(), at(100)).unwrap(), KEPT);
        let left = |kept: SavedState, seconds| {
            SavedState::read(kept.text(at(100)).as_bytes(), at(seconds)).unwrap().timer.left
        };
        assert_eq!(left(KEPT, 110), Some(Duration::from_secs(20)));
        assert_eq!(left(KEPT, 10_000), Some(Duration::ZERO));
        assert_eq!(left(KEPT, 50), KEPT.timer.left, "the clock was set back");
        let paused = SavedState { timer: SavedTimer { paused: true, ..KEPT.timer }, ..KEPT };
        assert_eq!(left(paused, 10_000), KEPT.timer.left);
    }

    #[test]
    fn invalid_state_is_refused_in_one_line() {
        let good = KEPT.text(at(0));
        let cases = [
            ("", "(EOF"),
            ("{\"a\": 1}", "no teal_switch_state"),
            ("[1]", "no teal_switch_state"),
            (&good[..good.len() / 2], "(EOF"),
            (&good.replace("ANNOUNCED", "ELSEWHERE"), "unknown variant `ELSEWHERE`"),
            (&good.replace("\"epoch\":7", "\"epoch\":18446744073709551615"), "is too large"),
            (&good.replace("_state\":1", "_state\":2,\"more\":[]"), "found version 2: another teal wrote it"),
            (&good.replace("{", "{\"more\":1,"), "unknown field `more`"),
        ];
        for (text, expected) in cases {
            let why = SavedState::read(text.as_bytes(), at(0)).unwrap_err().to_string();
            assert!(why.contains(expected) && !why.contains('\n'), "{text}: {why}");
        }
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let (file, kept) = StateFile::open(&path).unwrap();
        assert_eq!(kept, None);
        for epoch in [1, 2] {
            file.write(&SavedState { epoch, ..KEPT }, SystemTime::now()).unwrap();
            assert_eq!(StateFile::open(&path).unwrap().1.unwrap().epoch, epoch);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(matches!(StateFile::open(folder.path()), Err(BadState::Foreign(_))));
        assert!(matches!(StateFile::open(&path.join("below")), Err(BadState::Unreadable(_))));
        assert!(matches!(StateFile::open(Path::new("/proc/nothing")), Err(BadState::Unwritable(_))));
    }
}
