//! `GET /livez` and `/readyz`, for probes; they need no token.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use protocol::Strategy;
use serde::Serialize;
use utoipa::ToSchema;

use super::{ErrorAnswer, Problem, Shared, paths};

/// A passed probe.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Well {
    /// `ok`
    #[schema(example = "ok")]
    status: &'static str,
}

const WELL: Json<Well> = Json(Well { status: "ok" });

/// Return 200 while the server runs, and 503 once only a restart helps: it is one of several instances, and what follows
/// etcd has ended by a fault.
#[utoipa::path(get, path = paths::LIVEZ, tag = "health",
    responses((status = 200, body = Well), (status = 503, description = "Needs a restart", body = ErrorAnswer)))]
pub(super) async fn livez(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<Well>, Problem> {
    match shared.admin.switch.as_ref().and_then(|switch| switch.failed()) {
        Some(why) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "failed", why)),
        None => Ok(WELL),
    }
}

/// Return 200 if calls can be served: the server is not shutting down, has joined the other instances if there are any,
/// has not lost etcd, which has room, and does not alone find an engine unhealthy; where calls are forwarded, the active engine answers.
#[utoipa::path(get, path = paths::READYZ, tag = "health",
    responses((status = 200, body = Well), (status = 503, description = "Not ready", body = ErrorAnswer)))]
pub(super) async fn readyz(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<Well>, Problem> {
    let unready = |why: String| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", why);
    if shared.admin.ending.is_cancelled() {
        return Err(unready("the server is shutting down".to_owned()));
    }
    if let Some(why) = shared.admin.switch.as_ref().and_then(|switch| switch.unready()) {
        return Err(unready(why));
    }
    if let Some(strategy) = shared.admin.switch.as_ref().and_then(|switch| switch.unwell_here_alone()) {
        return Err(unready(format!("only this instance cannot reach the engine of {strategy}")));
    }
    if let Some(engines) = &shared.admin.engines {
        let active =
            shared.admin.switch.as_ref().map_or(Strategy::Blue, |switch| switch.view().now.phase.active());
        engines.check(active).await.map_err(unready)?;
    }
    Ok(WELL)
}
