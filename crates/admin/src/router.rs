//! The router: all paths, behind the guard.

use std::sync::Arc;

use axum::{
    Router,
    http::{Method, StatusCode, Uri, header::CONTENT_TYPE},
    middleware,
    routing::get,
};
use bytes::Bytes;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    Problem, Shared, calls, cluster, document, events, faults, guard, health, page, paths, queries, record,
    reload, state, tokens, verbs, watch,
};

/// Builds the router.
pub(super) fn router(shared: Arc<Shared>) -> Router {
    let routes = OpenApiRouter::with_openapi(document::head())
        .routes(routes!(state::state))
        .routes(routes!(verbs::switch))
        .routes(routes!(verbs::cutover))
        .routes(routes!(verbs::abort))
        .routes(routes!(verbs::rollback))
        .routes(routes!(verbs::timer))
        .routes(routes!(queries::queries))
        .routes(routes!(events::events))
        .routes(routes!(events::stream))
        .routes(routes!(calls::calls))
        .routes(routes!(calls::one))
        .routes(routes!(calls::call_stream))
        .routes(routes!(calls::verify))
        .routes(routes!(cluster::status, cluster::order))
        .routes(routes!(tokens::revoke))
        .routes(routes!(faults::list, faults::add, faults::clear))
        .routes(routes!(faults::remove))
        .routes(routes!(watch::list_clients))
        .routes(routes!(watch::show_series))
        .routes(routes!(watch::show_metrics))
        .routes(routes!(reload::order))
        .routes(routes!(record::state, record::order))
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .with_state(shared.clone());
    let (router, api) = routes.split_for_parts();
    let document = Bytes::from(document::complete(api, shared.token.is_some()));
    let document = get(async move || ([(CONTENT_TYPE, "application/json")], document));
    router
        .route(paths::DOCUMENT, document)
        .merge(page::router())
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(shared, guard::guard))
}

async fn no_such_path(uri: Uri) -> Problem {
    let why = format!("there is no path {}: see {}", uri.path(), paths::DOCUMENT);
    Problem::new(StatusCode::NOT_FOUND, "no_such_path", why)
}

async fn no_such_method(method: Method, uri: Uri) -> Problem {
    let why = format!("{} does not take {method}", uri.path());
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no_such_method", why)
}
