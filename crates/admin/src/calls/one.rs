//! `GET /api/v1/calls/{id}`: one call, with its messages if they are kept.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use proxy::telemetry::history::{Call, Messages};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ErrorAnswer, Problem, Shared, paths};

/// A call, and its messages.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OneCall {
    /// The call.
    #[serde(flatten)]
    pub call: Call,
    /// Its messages; absent without `--calls-messages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub messages: Option<Messages>,
}

/// Show one call, with its messages if they are kept.
#[utoipa::path(get, path = paths::CALL, tag = "calls",
    params(("id" = u64, Path, description = "The id of the call", minimum = 1)),
    responses((status = 200, body = OneCall),
        (status = 404, description = "The call is not kept, or no calls are", body = ErrorAnswer),
        (status = 422, description = "The id is no number", body = ErrorAnswer)))]
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<OneCall>, Problem> {
    let history = shared.history()?;
    let bad = |_| {
        let why = format!("id: '{}': expected the number of a call", id.escape_debug());
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", why)
    };
    let id: u64 = id.parse().map_err(bad)?;
    let found = history.read(id, id.saturating_add(1));
    let Some(entry) = found.first() else {
        let (next, first) = (history.next(), history.complete_from());
        let why = match id {
            0 => "call 0: ids count from 1".to_owned(),
            _ if id >= next => format!("call {id} has not ended, the last one is {}", next - 1),
            _ => format!("call {id} has left the history; all calls from {first} on are there"),
        };
        return Err(Problem::new(StatusCode::NOT_FOUND, "no_such_call", why));
    };
    let messages = history.messages(entry);
    let call = shared.views(&history, &found).remove(0);
    Ok(Json(OneCall { call, messages }))
}
