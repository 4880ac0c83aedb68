//! What the watch knows, over HTTP.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{series::Series, watch::Watch};
use crate::{
    admin::{Params, Problem},
    clients::{Client, MOST, Verdict},
};

/// The text format that Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The clients that were heard from.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ClientList {
    /// The latest first, as many as were asked for.
    clients: Vec<Client>,
    /// How many there are.
    total: usize,
    /// How many there are by the verdict on the last switch that concerns them, or `none`.
    by_verdict: BTreeMap<&'static str, usize>,
}

/// Which clients.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Which {
    /// So many at most [default: all].
    #[param(minimum = 1, maximum = 10000)]
    limit: Option<usize>,
    /// Those of this verdict alone.
    verdict: Option<Verdict>,
}

/// Clients, the last ten minutes, and the metrics.
pub fn routes(watch: Watch) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_clients))
        .routes(routes!(show_series))
        .routes(routes!(show_metrics))
        .with_state(watch)
}

/// The clients that were heard from most recently, at most 10 000, and the verdicts on them.
#[utoipa::path(get, path = "/api/v1/clients", tag = "watch", params(Which),
    responses((status = 200, description = "The latest first.", body = ClientList)))]
async fn list_clients(
    State(watch): State<Watch>,
    Params(which): Params<Which>,
) -> Result<Json<ClientList>, Problem> {
    let limit = which.limit.unwrap_or(MOST);
    if !(1..=MOST).contains(&limit) {
        let expected = format!("limit: {limit}: expected a number from 1 to {MOST}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", expected));
    }
    let mut clients = watch.clients();
    let (total, mut by_verdict) = (clients.len(), BTreeMap::new());
    for client in &clients {
        *by_verdict.entry(client.verdict.map_or("none", Verdict::as_str)).or_default() += 1;
    }
    clients.retain(|client| which.verdict.is_none() || client.verdict == which.verdict);
    clients.truncate(limit);
    Ok(Json(ClientList { clients, total, by_verdict }))
}

/// The last ten minutes, second by second.
#[utoipa::path(get, path = "/api/v1/series", tag = "watch",
    responses((status = 200, description = "Oldest first.", body = Series)))]
async fn show_series(State(watch): State<Watch>) -> Json<Series> {
    Json(watch.series())
}

/// The metrics, as Prometheus reads them.
#[utoipa::path(get, path = "/metrics", tag = "watch",
    responses((status = 200, description = "All of them.", body = String, content_type = "text/plain")))]
async fn show_metrics(State(watch): State<Watch>) -> Response {
    ([(CONTENT_TYPE, TEXT_FORMAT)], watch.metrics()).into_response()
}
