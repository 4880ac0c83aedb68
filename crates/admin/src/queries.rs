//! `GET /api/v1/queries`: what is on record.

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use protocol::Strategy;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{ErrorAnswer, Params, Problem, Shared, paths};

/// Queries that are listed unless another number is asked for.
const FEW: usize = 100;
/// Queries that are listed at most: no request has to wait for the list.
const MANY: usize = 1000;

/// Queries on record, the longest silent first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queries {
    /// As many as were asked for.
    pub queries: Vec<Query>,
    /// How many there are.
    pub total: u64,
}

/// A query on record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Query {
    /// As the engine named it.
    pub id: String,
    /// The strategy that it was begun under, and belongs to for life.
    pub strategy: Strategy,
    /// How long it is on record.
    pub age_seconds: f64,
    /// How long nobody has asked about it.
    pub idle_seconds: f64,
    /// Requests about it in progress.
    pub requests: u32,
}

/// Which queries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// So many at most [default: 100].
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
    /// Those of this strategy alone.
    strategy: Option<Strategy>,
}

/// Queries on record, the longest silent first.
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
