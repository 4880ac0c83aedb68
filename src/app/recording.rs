//! Recordings of calls: the one from the start, and those of operators.

use std::{io, thread, time::Duration};

use admin::{RecordControl, RecordRefusal, RecordState, rfc3339};
use binlog::Stats;
use proxy::recording::{Recorder, RecordingStatus};
use tokio::{sync::oneshot, time::timeout};
use tracing::warn;

use crate::{cli::environment, config::RecordConfig};

/// How long the end of the server waits for the disk.
const ENDS_WITHIN: Duration = Duration::from_secs(5);
/// The most bytes in the name of a file.
const LONGEST: usize = 100;

/// Records where the settings allow it.
#[derive(Debug)]
pub(super) struct Recordings {
    recorder: Recorder,
    config: RecordConfig,
}

impl Recordings {
    /// Starts the recording of `--record`.
    pub(super) fn start(recorder: Recorder, config: RecordConfig) -> io::Result<Self> {
        if let Some(file) = &config.file {
            let bad = |error| {
                let names = format!("--record (or {})", environment("record"));
                let file = file.display();
                io::Error::other(format!("{names}: '{file}': expected a file that can be written ({error})"))
            };
            recorder.start(config.options(file.clone())).map_err(bad)?;
        }
        Ok(Self { recorder, config })
    }

    /// Writes what is left. Does not wait for a disk that hangs.
    pub(super) async fn end(&self) {
        let (recorder, (done, ended)) = (self.recorder.clone(), oneshot::channel());
        let stop = move || {
            recorder.stop();
            // Nobody waits any more if it took too long.
            _ = done.send(());
        };
        let stopping = thread::Builder::new().name("recording-end".to_owned()).spawn(stop);
        if stopping.is_err() || timeout(ENDS_WITHIN, ended).await.is_err() {
            warn!("The end of the recording is not written: the disk does not answer");
        }
    }
}

impl RecordControl for Recordings {
    fn start(&self, file: &str) -> Result<(), RecordRefusal> {
        let none = "operators may not record: teal was started without --record-dir";
        let folder = self.config.folder.as_ref().ok_or_else(|| RecordRefusal::NotHere(none.to_owned()))?;
        if !is_name(file) {
            let expected =
                format!("expected the name of a file in the folder, 1 to {LONGEST} of A-Z a-z 0-9 . _ -");
            return Err(RecordRefusal::BadName(expected));
        }
        let started = self.recorder.start(self.config.options(folder.join(file)));
        started.map_err(|error| RecordRefusal::Conflict(error.to_string()))
    }

    fn stop(&self) -> Option<RecordState> {
        self.recorder.stop().map(|status| RecordState { recording: false, ..state(status) })
    }

    fn state(&self) -> RecordState {
        self.recorder.status().map(state).unwrap_or_default()
    }
}

/// Whether it is a file of the folder itself, and not hidden.
fn is_name(file: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=LONGEST).contains(&file.len()) && !file.starts_with(['.', '-']) && file.bytes().all(is_plain)
}

fn state(RecordingStatus { path, since, stats }: RecordingStatus) -> RecordState {
    let Stats { bytes, calls, lost, is_failing } = stats;
    let since = rfc3339(since.into());
    let (file, since) = (Some(path.display().to_string()), Some(since));
    RecordState { recording: true, file, since, calls, lost, bytes, failing: is_failing }
}

#[cfg(test)]
mod tests {
    use proxy::recording::Recorder;

    use super::*;

    #[test]
    fn operators_record_in_the_folder_only() {
        let folder = tempfile::tempdir().unwrap();
        let config =
            RecordConfig { file: None, folder: Some(folder.path().to_owned()), size: 1 << 20, files: 2 };
        let recordings = Recordings::start(Recorder::default(), config.clone()).unwrap();
        let long = "a".repeat(LONGEST + 1);
        for name in ["", ".", "..", "../a", "/etc/passwd", "a/b", ".hidden", "-a", "a b", "a\0", &long] {
            assert!(matches!(recordings.start(name), Err(RecordRefusal::BadName(_))), "{name:?}");
        }
        std::fs::write(folder.path().join("notes"), "precious").unwrap();
        let taken = recordings.start("notes");
        assert!(
            matches!(&taken, Err(RecordRefusal::Conflict(why)) if why.contains("not overwritten")),
            "{taken:?}"
        );
        recordings.start("calls.1-a_b").unwrap();
        assert!(matches!(recordings.start("other"), Err(RecordRefusal::Conflict(_))));
        assert!(folder.path().join("calls.1-a_b").is_file() && recordings.state().recording);
        assert_eq!(recordings.stop().map(|state| state.recording), Some(false));
        assert_eq!((recordings.stop(), recordings.state()), (None, RecordState::default()));

        let closed = Recordings::start(Recorder::default(), RecordConfig { folder: None, ..config }).unwrap();
        assert!(matches!(closed.start("calls"), Err(RecordRefusal::NotHere(_))));
    }
}
