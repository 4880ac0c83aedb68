//! `/api/v1/faults`: the rules in force, for operators.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Faults, Listed, Refused, Source};
use crate::admin::{Body, ErrorAnswer, Problem};

/// The rules in force, in order.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct FaultList {
    /// Each with what it has seen.
    pub faults: Vec<Listed>,
}

/// A rule to add.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewFault {
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

/// What is served, by full paths.
pub fn router(faults: Faults) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(list, add, clear)).routes(routes!(remove)).with_state(faults)
}

/// The rules in force.
#[utoipa::path(get, path = "/api/v1/faults", tag = "faults", responses((status = 200, body = FaultList)))]
async fn list(State(faults): State<Faults>) -> Json<FaultList> {
    Json(FaultList { faults: faults.list() })
}

/// Add a rule behind the others.
#[utoipa::path(post, path = "/api/v1/faults", tag = "faults", request_body = NewFault,
    responses((status = 201, body = Listed), (status = 409, description = "There is a rule of that name", body = ErrorAnswer),
        (status = 422, description = "The rule is no good", body = ErrorAnswer)))]
async fn add(
    State(faults): State<Faults>,
    Body(NewFault { rule }): Body<NewFault>,
) -> Result<(StatusCode, Json<Listed>), Problem> {
    let unfit =
        |bad: &dyn ToString| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_rule", bad.to_string());
    let rule = rule.parse().map_err(|bad| unfit(&bad))?;
    match faults.add(rule, Source::Operator) {
        Ok(listed) => Ok((StatusCode::CREATED, Json(listed))),
        Err(taken @ Refused::Taken(_)) => Err(Problem::new(StatusCode::CONFLICT, "taken", taken.to_string())),
        Err(Refused::Bad(bad)) => Err(unfit(&bad)),
    }
}

/// Remove all rules.
#[utoipa::path(delete, path = "/api/v1/faults", tag = "faults", responses((status = 200, body = Removed)))]
async fn clear(State(faults): State<Faults>) -> Json<Removed> {
    Json(Removed { removed: faults.clear() })
}

/// Remove a rule.
#[utoipa::path(delete, path = "/api/v1/faults/{id}", tag = "faults",
    params(("id" = String, Path, description = "What the rule is called")),
    responses((status = 200, body = Removed), (status = 404, description = "There is no rule of that name", body = ErrorAnswer)))]
async fn remove(State(faults): State<Faults>, Path(id): Path<String>) -> Result<Json<Removed>, Problem> {
    if faults.remove(&id) {
        return Ok(Json(Removed { removed: 1 }));
    }
    let why = format!("there is no fault '{}'", id.escape_debug());
    Err(Problem::new(StatusCode::NOT_FOUND, "no_such_fault", why))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::{Request, header::CONTENT_TYPE};
    use http_body_util::BodyExt;
    use serde_json::{Value, json};
    use tower::ServiceExt;

    use super::{super::Around, *};

    async fn ask(faults: &Faults, method: &str, path: &str, body: &str) -> (u16, Value) {
        let request = Request::builder().method(method).uri(path).header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (router, _) = router(faults.clone()).split_for_parts();
        let response = router.oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn rules_are_added_listed_and_removed() {
        let faults = Faults::new(false, Around::default());
        let (status, added) =
            ask(&faults, "POST", "/api/v1/faults", r#"{"rule": "method=clear,hang"}"#).await;
        let expected =
            json!({"id": "f1", "rule": "method=clear,hang", "source": "operator", "matches": 0, "hits": 0});
        assert_eq!((status, &added), (201, &expected));
        assert_eq!(ask(&faults, "POST", "/api/v1/faults", r#"{"rule": "id=x,hang"}"#).await.0, 201);
        let (_, list) = ask(&faults, "GET", "/api/v1/faults", "").await;
        assert_eq!((&list["faults"][0], &list["faults"][1]["id"]), (&expected, &json!("x")));
        assert_eq!(ask(&faults, "DELETE", "/api/v1/faults/x", "").await, (200, json!({"removed": 1})));
        assert_eq!(ask(&faults, "DELETE", "/api/v1/faults", "").await, (200, json!({"removed": 1})));
        assert_eq!(ask(&faults, "GET", "/api/v1/faults", "").await, (200, json!({"faults": []})));
    }

    #[tokio::test]
    async fn what_is_refused_is_told_why() {
        let faults = Faults::new(false, Around::default());
        ask(&faults, "POST", "/api/v1/faults", r#"{"rule": "id=x,hang"}"#).await;
        for (method, path, body, status, words) in [
            ("POST", "", r#"{"rule": "delay=soon"}"#, 422, "delay: 'soon': expected a duration"),
            ("POST", "", r#"{"rule": "mismatch"}"#, 422, "never matches: there is no gate"),
            ("POST", "", r#"{"rule": "id=x,hang"}"#, 409, "expected a name that no other rule has"),
            ("POST", "", r#"{"rules": "hang"}"#, 422, "unknown field `rules`"),
            ("POST", "", "{", 400, "EOF"),
            ("DELETE", "/y", "", 404, "there is no fault 'y'"),
        ] {
            let (found, answer) = ask(&faults, method, &format!("/api/v1/faults{path}"), body).await;
            let message = answer["error"]["message"].as_str().unwrap();
            assert_eq!(found, status, "{body} {message}");
            assert!(message.contains(words), "{message}");
        }
    }
}
