//! `/api/v1/tokens/revoke`: revokes tokens that the built-in engine issued.

use std::{fmt::Debug, sync::Arc};

use axum::{Json, extract, http::StatusCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Body, ErrorAnswer, Problem, Shared, paths};

/// Revokes tokens.
pub trait TokenControl: Debug + Send + Sync {
    /// Revokes tokens, and returns how many of them were valid.
    fn revoke(&self, which: Revoke<'_>) -> usize;
}

/// Which tokens to revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revoke<'a> {
    /// This token.
    Token(&'a str),
    /// All tokens of this client.
    Client(&'a str),
    /// All tokens.
    All,
}

/// Which tokens to revoke: a token, a client's, or all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Revocation {
    /// This token.
    token: Option<String>,
    /// The id of the client whose tokens to revoke.
    client: Option<String>,
    /// Revoke all tokens.
    #[serde(default)]
    all: bool,
}

/// The result of a revocation.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct Revoked {
    /// The number of tokens that were valid until now.
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
    let tokens = shared.admin.tokens.as_deref().ok_or_else(|| Problem::not_here(none))?;
    Ok(Json(Revoked { revoked: tokens.revoke(which) }))
}
