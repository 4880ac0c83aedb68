//! `/api/v1/faults`: the rules in force, for operators.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use proxy::fault::{Listed, Refused, Source};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// The rules in force, in order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultList {
    /// Each with what it has seen.
    pub faults: Vec<Listed>,
}

/// A rule to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFault {
    /// In its textual form.
    #[schema(example = "method=getNextResultBatch,delay=200ms,first=3")]
    rule: String,
}

/// How many rules were removed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// So many.
    pub removed: usize,
}

/// The rules in force.
#[utoipa::path(get, path = paths::FAULTS, tag = "faults", responses((status = 200, body = FaultList)))]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<FaultList> {
    Json(FaultList { faults: shared.handles.faults.list() })
}

/// Add a rule behind the others.
#[utoipa::path(post, path = paths::FAULTS, tag = "faults", request_body = NewFault,
    responses((status = 201, body = Listed), (status = 409, description = "There is a rule of that name", body = ErrorAnswer),
        (status = 422, description = "The rule is no good", body = ErrorAnswer)))]
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Body(NewFault { rule }): Body<NewFault>,
) -> Result<(StatusCode, Json<Listed>), Problem> {
    let unfit =
        |bad: &dyn ToString| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_rule", bad.to_string());
    let rule = rule.parse().map_err(|bad| unfit(&bad))?;
    match shared.handles.faults.add(rule, Source::Operator) {
        Ok(listed) => Ok((StatusCode::CREATED, Json(listed))),
        Err(taken @ Refused::Taken(_)) => Err(Problem::new(StatusCode::CONFLICT, "taken", taken.to_string())),
        Err(Refused::Bad(bad)) => Err(unfit(&bad)),
    }
}

/// Remove all rules.
#[utoipa::path(delete, path = paths::FAULTS, tag = "faults", responses((status = 200, body = Removed)))]
pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> Json<Removed> {
    Json(Removed { removed: shared.handles.faults.clear() })
}

/// Remove a rule.
#[utoipa::path(delete, path = paths::FAULT, tag = "faults",
    params(("id" = String, Path, description = "What the rule is called")),
    responses((status = 200, body = Removed), (status = 404, description = "There is no rule of that name", body = ErrorAnswer)))]
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Removed>, Problem> {
    if shared.handles.faults.remove(&id) {
        return Ok(Json(Removed { removed: 1 }));
    }
    let why = format!("there is no fault '{}'", id.escape_debug());
    Err(Problem::new(StatusCode::NOT_FOUND, "no_such_fault", why))
}
