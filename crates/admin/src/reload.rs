//! `POST /api/v1/reload`.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Reloads the settings of a running server.
pub trait ReloadControl: Debug + Send + Sync {
    /// Reads the settings and the files they name, and applies what can change at run time. If anything is invalid,
    /// nothing changes and the error is the reason. Blocks.
    fn reload(&self) -> Result<Reloaded, String>;
}

/// The result of a reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reloaded {
    /// The result in one sentence.
    #[schema(example = "switch-every is 5s now, it was 120s")]
    pub done: String,
    /// The id of the event for this reload.
    pub event: u64,
    /// Changed settings that now apply.
    pub taken_over: Vec<Change>,
    /// Certificate and key files that were read again.
    pub read_again: Vec<String>,
    /// Changed settings that apply only after a restart.
    pub needs_restart: Vec<Change>,
    /// Settings that did not change.
    pub unchanged: Vec<String>,
}

/// A changed setting. An unset value is written `nothing`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The flag, without its dashes.
    #[schema(example = "switch-every")]
    pub name: String,
    /// The value before.
    #[schema(example = "120s")]
    pub from: String,
    /// The value now.
    #[schema(example = "5s")]
    pub to: String,
}

/// An empty object.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReloadOrder {}

/// Reload the settings, and apply what can change at run time.
#[utoipa::path(post, path = paths::RELOAD, tag = "settings", request_body = Option<ReloadOrder>,
    responses((status = 200, body = Reloaded),
        (status = 404, description = "This server has no settings to read again", body = ErrorAnswer),
        (status = 409, description = "The settings are invalid, and nothing has changed", body = ErrorAnswer)))]
pub(super) async fn order(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(ReloadOrder {}): Body<ReloadOrder>,
) -> Result<Json<Reloaded>, Problem> {
    let bad = |why: String| {
        Problem::new(StatusCode::CONFLICT, "bad_settings", format!("nothing has changed: {why}"))
    };
    let none = "there are no settings to read again";
    let reload = shared.admin.reload.clone().ok_or_else(|| Problem::not_here(none))?;
    // It blocks: it reads files and resolves names.
    let reloaded = tokio::task::spawn_blocking(move || reload.reload()).await;
    reloaded.map_err(|error| bad(error.to_string()))?.map(Json).map_err(bad)
}
