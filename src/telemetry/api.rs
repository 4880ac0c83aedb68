//! What the watch knows, over HTTP.

use axum::{
    Json,
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{series::Series, watch::Watch};
use crate::clients::Client;

/// The text format that Prometheus reads.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The clients that were heard from.
#[derive(Debug, Serialize, utoipa::ToSchema)]
struct ClientList {
    /// The latest first.
    clients: Vec<Client>,
    /// How many there are.
    total: usize,
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
#[utoipa::path(get, path = "/api/v1/clients", tag = "watch",
    responses((status = 200, description = "The latest first.", body = ClientList)))]
async fn list_clients(State(watch): State<Watch>) -> Json<ClientList> {
    let clients = watch.clients();
    Json(ClientList { total: clients.len(), clients })
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
