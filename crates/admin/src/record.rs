//! `/api/v1/record`: starts, stops and shows a recording of calls.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Records calls.
pub trait RecordControl: Debug + Send + Sync {
    /// Starts a recording in a file of this name. Blocks.
    fn start(&self, file: &str) -> Result<(), RecordRefusal>;
    /// Stops it. Returns its state at the end; `None` if there was none. Blocks until all is written.
    fn stop(&self) -> Option<RecordState>;
    /// The state now.
    fn state(&self) -> RecordState;
}

/// Why no recording starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordRefusal {
    /// Operators may start none.
    NotHere(String),
    /// The name is invalid.
    BadName(String),
    /// There is one, or the file cannot be used.
    Conflict(String),
}

/// The state of the recording.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordState {
    /// Whether calls are recorded now.
    pub recording: bool,
    /// The file, on the server.
    #[schema(required)]
    pub file: Option<String>,
    /// When the recording began.
    #[schema(required, format = DateTime)]
    pub since: Option<String>,
    /// Calls that were recorded to their end.
    pub calls: u64,
    /// Calls that are not, or not wholly, in the file, because the disk is slow or full.
    pub lost: u64,
    /// Bytes that were written.
    pub bytes: u64,
    /// Whether the last attempt to write failed.
    pub failing: bool,
}

/// Starts or stops a recording.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(tag = "action", rename_all = "lowercase")]
pub(super) enum RecordOrder {
    /// Start one.
    Start {
        /// The name of a file in the folder of --record-dir. An older recording of that name is kept as `NAME.1`.
        #[schema(example = "calls.binlog")]
        file: String,
    },
    /// Stop it.
    Stop {},
}

/// The state of the recording.
#[utoipa::path(get, path = paths::RECORD, tag = "recording",
    responses((status = 200, body = RecordState), (status = 404, description = "This server does not record", body = ErrorAnswer)))]
pub(super) async fn state(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<RecordState>, Problem> {
    Ok(Json(shared.record()?.state()))
}

/// Start or stop a recording of all calls.
#[utoipa::path(post, path = paths::RECORD, tag = "recording", request_body = RecordOrder,
    responses((status = 200, body = RecordState),
        (status = 404, description = "Operators may start no recording: there is no --record-dir", body = ErrorAnswer),
        (status = 409, description = "There is a recording already, or none to stop, or the file cannot be used", body = ErrorAnswer),
        (status = 422, description = "The name of the file is invalid", body = ErrorAnswer)))]
pub(super) async fn order(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(order): Body<RecordOrder>,
) -> Result<Json<RecordState>, Problem> {
    let record = shared.record()?;
    let unfit = |why: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", why);
    let conflict = |why: String| Problem::new(StatusCode::CONFLICT, "recording", why);
    // Both wait for the disk.
    let done = tokio::task::spawn_blocking(move || match order {
        RecordOrder::Start { file } => record.start(&file).map(|()| record.state()),
        RecordOrder::Stop {} => {
            record.stop().ok_or_else(|| RecordRefusal::Conflict("nothing is recorded".to_owned()))
        }
    });
    match done.await {
        Ok(Ok(state)) => Ok(Json(state)),
        Ok(Err(RecordRefusal::NotHere(why))) => Err(Problem::not_here(&why)),
        Ok(Err(RecordRefusal::BadName(why))) => Err(unfit(&format!("file: {why}"))),
        Ok(Err(RecordRefusal::Conflict(why))) => Err(conflict(why)),
        Err(error) => Err(conflict(error.to_string())),
    }
}

impl Shared {
    fn record(&self) -> Result<Arc<dyn RecordControl>, Problem> {
        self.admin.record.clone().ok_or_else(|| Problem::not_here("this server does not record"))
    }
}
