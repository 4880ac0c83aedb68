//! `/api/v1/cluster`: the cluster behind the built-in engine.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Who can suspend the cluster and wake it. Each says what the cluster is then: `active`, `suspended` or
/// `resuming`.
pub trait ClusterControl: Debug + Send + Sync {
    /// What it is.
    fn status(&self) -> &'static str;
    /// Suspends it.
    fn suspend(&self) -> &'static str;
    /// Wakes it.
    fn resume(&self) -> &'static str;
}

/// What the cluster is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// `active`, `suspended` or `resuming`.
    #[schema(example = "active")]
    pub status: String,
}

/// What to do to the cluster.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterOrder {
    /// Suspend it, or wake it.
    action: ClusterAction,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClusterAction {
    Suspend,
    Resume,
}

/// What the cluster is.
#[utoipa::path(get, path = paths::CLUSTER, tag = "cluster",
    responses((status = 200, body = ClusterStatus),
        (status = 404, description = "Calls are forwarded: there is no cluster here", body = ErrorAnswer)))]
pub(super) async fn status(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<ClusterStatus>, Problem> {
    Ok(answer(shared.cluster()?.status()))
}

/// Suspend the cluster, or wake it.
#[utoipa::path(post, path = paths::CLUSTER, tag = "cluster", request_body = ClusterOrder,
    responses((status = 200, body = ClusterStatus),
        (status = 404, description = "Calls are forwarded: there is no cluster here", body = ErrorAnswer)))]
pub(super) async fn order(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(order): Body<ClusterOrder>,
) -> Result<Json<ClusterStatus>, Problem> {
    let cluster = shared.cluster()?;
    Ok(answer(match order.action {
        ClusterAction::Suspend => cluster.suspend(),
        ClusterAction::Resume => cluster.resume(),
    }))
}

fn answer(status: &str) -> Json<ClusterStatus> {
    Json(ClusterStatus { status: status.to_owned() })
}

impl Shared {
    fn cluster(&self) -> Result<&dyn ClusterControl, Problem> {
        let none = "there is no cluster here: calls are forwarded, and the engine has its own";
        self.handles.cluster.as_deref().ok_or_else(|| Problem::not_here(none))
    }
}
