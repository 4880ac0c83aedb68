//! `/api/v1/tokens/revoke`: the tokens that were issued, for operators.

use axum::{Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{Revoke, Tokens};
use crate::admin::{Body, ErrorAnswer, Problem};

/// Which tokens to revoke: a token, a client's, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Revocation {
    /// This one.
    token: Option<String>,
    /// Those of the client of this id.
    client: Option<String>,
    /// Every one.
    #[serde(default)]
    all: bool,
}

/// How many tokens were revoked.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// Those that were good until then.
    pub revoked: usize,
}

/// What is served, by full paths.
pub fn router(tokens: Tokens) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(revoke)).with_state(tokens)
}

/// Revoke tokens.
#[utoipa::path(post, path = "/api/v1/tokens/revoke", tag = "tokens", request_body = Revocation,
    responses((status = 200, body = Revoked), (status = 422, body = ErrorAnswer)))]
async fn revoke(
    State(tokens): State<Tokens>,
    Body(asked): Body<Revocation>,
) -> Result<Json<Revoked>, Problem> {
    let which = match (&asked.token, &asked.client, asked.all) {
        (Some(token), None, false) => Revoke::Token(token),
        (None, Some(client), false) => Revoke::Client(client),
        (None, None, true) => Revoke::All,
        _ => {
            let expected = "expected one of token, client or all";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", expected));
        }
    };
    Ok(Json(Revoked { revoked: tokens.revoke(which) }))
}
