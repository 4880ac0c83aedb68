//! Error responses: a status, and a reason in JSON.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use switch::{PhaseName, Refusal, RefusalCode};
use utoipa::ToSchema;

/// An error response.
#[derive(Clone, Debug)]
pub struct Problem {
    status: StatusCode,
    answer: ErrorAnswer,
}

/// The body of every error response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    /// The reason.
    pub error: ErrorBody,
}

/// A reason, as a code for programs and a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// A fixed code for programs, such as `no_such_path`.
    #[schema(example = "unfit")]
    pub code: String,
    /// A sentence for people.
    #[schema(example = "cannot cut over in phase STABLE: expected ANNOUNCED")]
    pub message: String,
    /// The phase at the time of a refused command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phase: Option<PhaseName>,
    /// The epoch at the time of a refused command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub epoch: Option<u64>,
}

impl Problem {
    /// Creates an error response from a status, a code for programs and a sentence for people.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let (code, message) = (code.to_owned(), message.into());
        Self { status, answer: ErrorAnswer { error: ErrorBody { code, message, phase: None, epoch: None } } }
    }

    /// A 404: this server lacks the part that the request is for.
    pub(super) fn not_here(why: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_here", why)
    }

    /// The HTTP status of the response.
    pub(super) fn status(&self) -> StatusCode {
        self.status
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code {
            RefusalCode::InvalidTransition => "unfit",
            RefusalCode::Stale => "stale",
            RefusalCode::Engine => "engine",
            RefusalCode::Waiting => "waiting",
            RefusalCode::LostEtcd => "lost_etcd",
        };
        let status = match refusal.code {
            RefusalCode::LostEtcd => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::CONFLICT,
        };
        let mut problem = Self::new(status, code, refusal.why);
        problem.answer.error.phase = Some(refusal.phase);
        problem.answer.error.epoch = Some(refusal.epoch);
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(self.answer)).into_response()
    }
}
