//! Clients, the last ten minutes, and metrics.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use proxy::{
    adoption::{Client, MOST, Verdict},
    telemetry::Series,
};
use serde::{Deserialize, Serialize};

use super::{Params, Problem, Shared, paths};

/// The content type of the Prometheus text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The known clients.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ClientList {
    /// The most recently active first, up to the limit.
    clients: Vec<Client>,
    /// The number of all matching clients.
    total: usize,
    /// The number of clients per verdict on the last switch that concerns them, or `none`.
    by_verdict: BTreeMap<&'static str, usize>,
}

/// Which clients to return.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The most clients to return [default: all].
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Return only clients with this verdict.
    verdict: Option<Verdict>,
}

/// List the most recently active clients, at most 10 000, with their verdicts.
#[utoipa::path(get, path = paths::CLIENTS, tag = "watch", params(Which),
    responses((status = 200, description = "The most recently active first.", body = ClientList)))]
pub(super) async fn list_clients(
    State(shared): State<Arc<Shared>>,
    Params(which): Params<Which>,
) -> Result<Json<ClientList>, Problem> {
    let limit = which.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        let expected = format!("limit: {limit}: expected a number from 1 to {MOST}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", expected));
    }
    let mut clients = shared.admin.collector.clients();
    let (total, mut by_verdict) = (clients.len(), BTreeMap::new());
    for client in &clients {
        *by_verdict.entry(client.verdict.map_or("none", Verdict::as_str)).or_default() += 1;
    }
    clients.retain(|client| which.verdict.is_none() || client.verdict == which.verdict);
    clients.truncate(limit);
    Ok(Json(ClientList { clients, total, by_verdict }))
}

/// Return counts of the last ten minutes, second by second.
#[utoipa::path(get, path = paths::SERIES, tag = "watch",
    responses((status = 200, description = "Oldest first.", body = Series)))]
pub(super) async fn show_series(State(shared): State<Arc<Shared>>) -> Json<Series> {
    Json(shared.admin.collector.series())
}

/// Return the metrics in the Prometheus text format.
#[utoipa::path(get, path = paths::METRICS, tag = "watch",
    responses((status = 200, description = "All of them.", body = String, content_type = "text/plain")))]
pub(super) async fn show_metrics(State(shared): State<Arc<Shared>>) -> Response {
    ([(CONTENT_TYPE, TEXT_FORMAT)], shared.admin.collector.metrics()).into_response()
}
