//! `POST /api/v1/reload`.

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Reload, Reloaded};
use crate::admin::{Body, ErrorAnswer, Problem};

/// Nothing but to do it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReloadOrder {}

/// What is served, by full paths.
pub fn router(reload: Reload) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(order)).with_state(reload)
}

/// Read the settings again, and take over what can change while teal runs.
#[utoipa::path(post, path = "/api/v1/reload", tag = "settings", request_body = Option<ReloadOrder>,
    responses((status = 200, body = Reloaded),
        (status = 409, description = "The settings are no good: nothing has changed", body = ErrorAnswer)))]
async fn order(
    State(reload): State<Reload>,
    Body(ReloadOrder {}): Body<ReloadOrder>,
) -> Result<Json<Reloaded>, Problem> {
    let bad = |why: String| {
        Problem::new(StatusCode::CONFLICT, "bad_settings", format!("nothing has changed: {why}"))
    };
    // Files are read, and names looked up.
    let reloaded = tokio::task::spawn_blocking(move || reload.reload()).await;
    reloaded.map_err(|error| bad(error.to_string()))?.map(Json).map_err(bad)
}
