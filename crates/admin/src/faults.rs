//! `/api/v1/faults`: lists, adds and removes fault rules.

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

/// The active fault rules, in order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultList {
    /// Each rule with its counts.
    pub faults: Vec<Listed>,
}

/// A rule to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewFault {
    /// The rule in its textual form.
    #[schema(example = "method=getNextResultBatch,delay=200ms,first=3")]
    rule: String,
}

/// The number of rules that were removed.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Removed {
    /// The number of rules.
    pub removed: usize,
}

/// List the active rules.
#[utoipa::path(get, path = paths::FAULTS, tag = "faults", responses((status = 200, body = FaultList)))]
pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Json<FaultList> {
    Json(FaultList { faults: shared.admin.faults.list() })
}

/// Add a rule after the existing ones.
#[utoipa::path(post, path = paths::FAULTS, tag = "faults", request_body = NewFault,
    responses((status = 201, body = Listed), (status = 409, description = "A rule of that name exists", body = ErrorAnswer),
        (status = 422, description = "The rule is invalid", body = ErrorAnswer)))]
pub(super) async fn add(
    State(shared): State<Arc<Shared>>,
    Body(NewFault { rule }): Body<NewFault>,
) -> Result<(StatusCode, Json<Listed>), Problem> {
    let unfit =
        |bad: &dyn ToString| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_rule", bad.to_string());
    let rule = rule.parse().map_err(|bad| unfit(&bad))?;
    match shared.admin.faults.add(rule, Source::Operator) {
        Ok(listed) => Ok((StatusCode::CREATED, Json(listed))),
        Err(taken @ Refused::Taken(_)) => Err(Problem::new(StatusCode::CONFLICT, "taken", taken.to_string())),
        Err(Refused::Bad(bad)) => Err(unfit(&bad)),
    }
}

/// Remove all rules.
#[utoipa::path(delete, path = paths::FAULTS, tag = "faults", responses((status = 200, body = Removed)))]
pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> Json<Removed> {
    Json(Removed { removed: shared.admin.faults.clear() })
}

/// Remove a rule.
#[utoipa::path(delete, path = paths::FAULT, tag = "faults",
    params(("id" = String, Path, description = "The name of the rule")),
    responses((status = 200, body = Removed), (status = 404, description = "There is no rule of that name", body = ErrorAnswer)))]
pub(super) async fn remove(
    State(shared): State<Arc<Shared>>,
    Path(id): Path<String>,
) -> Result<Json<Removed>, Problem> {
    if shared.admin.faults.remove(&id) {
        return Ok(Json(Removed { removed: 1 }));
    }
    let why = format!("there is no fault '{}'", id.escape_debug());
    Err(Problem::new(StatusCode::NOT_FOUND, "no_such_fault", why))
}
