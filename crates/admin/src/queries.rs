//! `GET /api/v1/queries`: the queries on record.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use protocol::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ErrorAnswer, Params, Problem, Shared, paths};

/// The default number of queries in a list.
const FEW: usize = 100;
/// The largest number of queries in a list, so that a listing stays short and other requests do not wait for it.
const MANY: usize = 1000;

/// The queries on record, longest idle first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queries {
    /// The queries, up to the limit.
    pub queries: Vec<Query>,
    /// The number of all matching queries.
    pub total: u64,
}

/// A query on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Query {
    /// The query id that the engine assigned.
    pub id: String,
    /// The strategy it was begun under; this never changes.
    pub strategy: Strategy,
    /// Seconds since it was put on record.
    pub age_seconds: f64,
    /// Seconds since the last request that named it.
    pub idle_seconds: f64,
    /// In-flight requests that name it.
    pub requests: u32,
}

/// Which queries to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The most queries to return [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Return only queries of this strategy.
    strategy: Option<Strategy>,
}

/// List the queries on record, longest idle first.
#[utoipa::path(get, path = paths::QUERIES, tag = "switch", params(Which),
    responses((status = 200, body = Queries), (status = 404, description = "There is no switch", body = ErrorAnswer)))]
pub(super) async fn queries(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
) -> Result<Json<Queries>, Problem> {
    let switch = shared.switch()?;
    let limit = which.limit.unwrap_or(FEW);
    if !(1..=MANY).contains(&limit) {
        let expected = format!("limit: {limit}: expected a number from 1 to {MANY}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", expected));
    }
    let (listed, total) = switch.on_record(limit, which.strategy);
    let queries = listed.into_iter().map(|query| Query {
        id: query.id,
        strategy: query.strategy,
        age_seconds: query.age.as_secs_f64(),
        idle_seconds: query.idle.as_secs_f64(),
        requests: query.requests,
    });
    Ok(Json(Queries { queries: queries.collect(), total: total as u64 }))
}
