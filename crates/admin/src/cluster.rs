//! `/api/v1/cluster`: the cluster behind the built-in engine.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Suspends and resumes the cluster. Each method returns the state afterwards: `active`, `suspended` or `resuming`.
pub trait ClusterControl: Debug + Send + Sync {
    /// The current state.
    fn status(&self) -> &'static str;
    /// Suspends the cluster, and returns its state.
    fn suspend(&self) -> &'static str;
    /// Resumes the cluster, and returns its state.
    fn resume(&self) -> &'static str;
}

/// The state of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ClusterStatus {
    /// `active`, `suspended` or `resuming`.
    #[schema(example = "active")]
    pub status: String,
}

/// An operation on the cluster.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ClusterOrder {
    /// Suspend or resume the cluster.
    action: ClusterAction,
}

#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ClusterAction {
    Suspend,
    Resume,
}

/// Return the state of the cluster.
#[utoipa::path(get, path = paths::CLUSTER, tag = "cluster",
    responses((status = 200, body = ClusterStatus),
        (status = 404, description = "Calls are forwarded: there is no cluster here", body = ErrorAnswer)))]
pub(super) async fn status(
    extract::State(shared): extract::State<Arc<Shared>>,
) -> Result<Json<ClusterStatus>, Problem> {
    Ok(answer(shared.cluster()?.status()))
}

/// Suspend or resume the cluster.
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
        self.admin.cluster.as_deref().ok_or_else(|| Problem::not_here(none))
    }
}
