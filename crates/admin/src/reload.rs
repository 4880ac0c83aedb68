//! `POST /api/v1/reload`.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Reads the settings of the running server again.
pub trait ReloadControl: Debug + Send + Sync {
    /// Reads the settings and the files that they name, and takes over what can change while teal runs. Where they are
    /// no good nothing changes, and the error says why. Blocks.
    fn reload(&self) -> Result<Reloaded, String>;
}

/// The result of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// All of it in a sentence.
    #[schema(example = "switch-every is 5s now, it was 120s")]
    pub done: String,
    /// The event that tells of it.
    pub event: u64,
    /// Settings that have changed, and hold.
    pub taken_over: Vec<Change>,
    /// Files of certificates and keys that are used as they are now.
    pub read_again: Vec<String>,
    /// Settings that have changed, and hold after a restart.
    pub needs_restart: Vec<Change>,
    /// Settings that are as they were.
    pub unchanged: Vec<String>,
}

/// A setting that has changed. An unset one is written `nothing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The flag, without its dashes.
    #[schema(example = "switch-every")]
    pub name: String,
    /// The value before.
    #[schema(example = "120s")]
    pub from: String,
    /// The value that the settings have now.
    #[schema(example = "5s")]
    pub to: String,
}

/// Nothing but to do it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadOrder {}

/// Read the settings again, and take over what can change while teal runs.
#[utoipa::path(post, path = paths::RELOAD, tag = "settings", request_body = Option<ReloadOrder>,
    responses((status = 200, body = Reloaded),
        (status = 404, description = "This server has no settings to read again", body = ErrorAnswer),
        (status = 409, description = "The settings are no good: nothing has changed", body = ErrorAnswer)))]
pub(super) async fn order(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(ReloadOrder {}): Body<ReloadOrder>,
) -> Result<Json<Reloaded>, Problem> {
    let bad = |why: String| {
        Problem::new(StatusCode::CONFLICT, "bad_settings", format!("nothing has changed: {why}"))
    };
    let none = "there are no settings to read again";
    let reload = shared.handles.reload.clone().ok_or_else(|| Problem::not_here(none))?;
    // Files are read, and names looked up.
    let reloaded = tokio::task::spawn_blocking(move || reload.reload()).await;
    reloaded.map_err(|error| bad(error.to_string()))?.map(Json).map_err(bad)
}
