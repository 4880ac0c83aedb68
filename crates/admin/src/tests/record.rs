//! A recording is started, shown and stopped.

use super::*;
use crate::paths::RECORD;

/// Records nothing, and keeps the name.
#[derive(Debug, Default)]
struct Tape(Mutex<Option<String>>);

impl RecordControl for Tape {
    fn start(&self, file: &str) -> Result<(), RecordRefusal> {
        match file {
            "/etc/passwd" => Err(RecordRefusal::BadName("expected a name".to_owned())),
            "nowhere" => Err(RecordRefusal::NotHere("there is no --record-dir".to_owned())),
            _ if self.0.lock().is_some() => Err(RecordRefusal::Conflict("stop it first".to_owned())),
            file => {
                *self.0.lock() = Some(file.to_owned());
                Ok(())
            }
        }
    }

    fn stop(&self) -> Option<RecordState> {
        self.0.lock().take().map(|file| RecordState { file: Some(file), ..RecordState::default() })
    }

    fn state(&self) -> RecordState {
        let file = self.0.lock().clone();
        RecordState { recording: file.is_some(), file, ..RecordState::default() }
    }
}

#[tokio::test]
async fn a_recording_is_started_and_stopped() {
    let bench = Bench::with(still(), |admin| admin.record = Some(Arc::new(Tape::default())), None);
    let state = |is_on: bool, file: Option<&str>| json!({"recording": is_on, "file": file, "since": null, "calls": 0, "lost": 0, "bytes": 0, "failing": false});
    assert_eq!(bench.get(RECORD).await, (StatusCode::OK, state(false, None)));
    let start = r#"{"action": "start", "file": "a"}"#;
    assert_eq!(bench.post(RECORD, start).await, (StatusCode::OK, state(true, Some("a"))));
    assert_eq!(bench.get(RECORD).await.1, state(true, Some("a")));
    let (status, answer) = bench.post(RECORD, start).await;
    assert_eq!(
        (status, code(&answer), message(&answer)),
        (StatusCode::CONFLICT, "recording", "stop it first")
    );
    let stop = r#"{"action": "stop"}"#;
    assert_eq!(bench.post(RECORD, stop).await, (StatusCode::OK, state(false, Some("a"))));
    for (body, status, words) in [
        (stop, 409, "nothing is recorded"),
        (r#"{"action": "start"}"#, 422, "missing field `file`"),
        (r#"{"action": "start", "file": "/etc/passwd"}"#, 422, "file: expected a name"),
        (r#"{"action": "start", "file": "nowhere"}"#, 404, "--record-dir"),
        (r#"{"action": "dance"}"#, 422, "dance"),
    ] {
        let (found, answer) = bench.post(RECORD, body).await;
        assert_eq!(found.as_u16(), status, "{body}");
        assert!(message(&answer).contains(words), "{answer}");
    }
}

#[tokio::test]
async fn without_a_recorder_there_is_no_recording() {
    let bench = Bench::new(still());
    assert_eq!(bench.get(RECORD).await.0, StatusCode::NOT_FOUND);
    assert_eq!(bench.post(RECORD, r#"{"action": "stop"}"#).await.0, StatusCode::NOT_FOUND);
}
