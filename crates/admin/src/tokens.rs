//! `/api/v1/tokens/revoke`: the tokens that the built-in engine issued.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Who can revoke tokens.
pub trait TokenControl: Debug + Send + Sync {
    /// Revokes tokens, and says how many were good until then.
    fn revoke(&self, which: Revoke<'_>) -> usize;
}

/// Which tokens to revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke<'a> {
    /// This one.
    Token(&'a str),
    /// Those of this client.
    Client(&'a str),
    /// All.
    All,
}

/// Which tokens to revoke: a token, a client's, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
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

/// Revoke tokens.
#[utoipa::path(post, path = paths::REVOKE_TOKENS, tag = "tokens", request_body = Revocation,
    responses((status = 200, body = Revoked),
        (status = 404, description = "Calls are forwarded: no tokens are issued here", body = ErrorAnswer)))]
pub(super) async fn revoke(
    extract::State(shared): extract::State<Arc<Shared>>,
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
    let none = "no tokens are issued here: calls are forwarded, and the engine judges them";
    let tokens = shared.handles.tokens.as_deref().ok_or_else(|| Problem::not_here(none))?;
    Ok(Json(Revoked { revoked: tokens.revoke(which) }))
}
