//! `GET /livez` and `/readyz`, for probes: no token is asked for.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use protocol::Strategy;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ErrorAnswer, Problem, Shared, paths};

/// All is well.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Well {
    /// `ok`
    #[schema(example = "ok")]
    status: &'static str,
}

const WELL: Json<Well> = Json(Well { status: "ok" });

/// Whether the server runs.
#[utoipa::path(get, path = paths::LIVEZ, tag = "health", responses((status = 200, body = Well)))]
pub(super) async fn livez() -> Json<Well> {
    WELL
}

/// Whether calls can be served: the server isn't about to end and, where calls are forwarded, the active
/// engine answers.
#[utoipa::path(get, path = paths::READYZ, tag = "health",
    responses((status = 200, body = Well), (status = 503, description = "Not now", body = ErrorAnswer)))]
pub(super) async fn readyz(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<Well>, Problem> {
    let unready = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why);
    if shared.handles.ending.is_cancelled() {
        return Err(unready("the server is about to end".to_owned()));
    }
    if let Some(engines) = &shared.handles.engines {
        let active =
            shared.handles.switch.as_ref().map_or(Strategy::Blue, |switch| switch.view().now.phase.active());
        engines.check(active).await.map_err(unready)?;
    }
    Ok(WELL)
}
