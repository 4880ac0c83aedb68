//! `GET /api/v1/calls`: the last calls, as a list and as server-sent events, one of them, and statements about them.

mod count;
mod one;
mod stream;
mod verify;
mod which;

use std::sync::Arc;

use axum::{Json, extract, http::StatusCode};
use protocol::Strategy;
use proxy::telemetry::history::{Call, Entry, History};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use self::which::Which;
use super::{ErrorAnswer, Params, Problem, Shared, paths};

pub use self::{count::Seen, one::OneCall, verify::Verified};
pub(super) use self::{one::*, stream::*, verify::*};

/// The default number of calls in a list.
const FEW: usize = 100;
/// The largest number of calls in a list.
const MANY: usize = 10_000;

/// The last calls that match, oldest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Calls {
    /// The calls, up to the limit: the last ones, or with `after` the first ones after it.
    pub calls: Vec<Call>,
    /// The number of all matching calls.
    pub total: u64,
    /// The id to go on with: `after` it come the calls that follow these.
    pub last: u64,
    /// The id from which on no call has left the history.
    pub complete_from: u64,
}

/// List the last calls that have ended, by default 100, oldest first.
#[utoipa::path(get, path = paths::CALLS, tag = "calls", params(Which),
    responses((status = 200, body = Calls), (status = 404, description = "No calls are kept", body = ErrorAnswer)))]
pub(super) async fn calls(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
) -> Result<Json<Calls>, Problem> {
    let history = shared.history()?;
    let limit = which.limit.unwrap_or(FEW);
    if !(1..=MANY).contains(&limit) {
        let expected = format!("limit: {limit}: expected a number from 1 to {MANY}");
        return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", expected));
    }
    let (filter, after) = (which.filter(&shared, &history)?, which.after()?);
    let (complete_from, newest) = (history.complete_from(), history.next() - 1);
    let mut found = history.find(&filter);
    found.retain(|entry| after.is_none_or(|after| entry.id() > after));
    let total = found.len();
    let mut last = found.last().map_or(newest, |entry| newest.max(entry.id()));
    if total > limit && after.is_some() {
        found.truncate(limit);
        last = found[limit - 1].id();
    }
    let shown = shared.views(&history, &found[found.len().saturating_sub(limit)..]);
    Ok(Json(Calls { calls: shown, total: total as u64, last, complete_from }))
}

impl Shared {
    /// The history, or a 404.
    fn history(&self) -> Result<History, Problem> {
        let none = || Problem::not_here("no calls are kept: --calls is 0, or --gate is off");
        self.admin.collector.history().ok_or_else(none)
    }

    /// Calls as the API shows them.
    fn views(&self, history: &History, entries: &[Entry]) -> Vec<Call> {
        let engines = self.engine_names();
        let engine = |strategy: Strategy| engines[strategy.index()].clone();
        entries.iter().map(|entry| history.view(entry, engine)).collect()
    }

    /// The URL of each strategy's engine.
    fn engine_names(&self) -> [String; 2] {
        let engines = self.admin.engines.as_ref().map(|engines| engines.status()).unwrap_or_default();
        let mut names = [(); 2].map(|()| "built-in".to_owned());
        for engine in engines {
            for strategy in engine.strategies {
                names[strategy.index()].clone_from(&engine.url);
            }
        }
        names
    }
}
