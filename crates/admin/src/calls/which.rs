//! Reads which calls are asked for.

use std::time::Instant;

use axum::http::StatusCode;
use chrono::Utc;
use proxy::telemetry::history::{Conditions, Filter, History, Since};
use serde::Deserialize;
use switch::KEPT;
use utoipa::IntoParams;

use crate::{Problem, Shared};

/// The forms of `since`.
const SINCE: &str = "expected call:ID, event:ID or epoch:N";

/// Which calls to return.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Calls of this method; `*` and `?` are wildcards, as in all patterns here.
    #[param(example = "prepareStatement*")]
    method: Option<String>,
    /// Calls of this client: a pattern for its id, user, session, address or user agent.
    client: Option<String>,
    /// Calls that were let in under this strategy, or named it and were rejected.
    #[param(pattern = "^(blue|green)$")]
    strategy: Option<String>,
    /// Calls of this query: a pattern for its id.
    query: Option<String>,
    /// Calls with this gRPC status: its name or number, or `none`.
    #[param(example = "OK")]
    status: Option<String>,
    /// Calls with this outcome.
    #[param(pattern = "^(ok|error|rejected|dropped)$")]
    outcome: Option<String>,
    /// Calls after the call `call:ID`, after the event `event:ID`, or judged from the epoch `epoch:N` on.
    #[param(pattern = "^(call|event|epoch):[0-9]+$")]
    since: Option<String>,
    /// Calls after the one of this id, oldest first.
    #[param(minimum = 0)]
    after: Option<i64>,
    /// The most calls to return [default: 100]; a stream has no limit.
    #[param(minimum = 1, maximum = 10000)]
    pub(crate) limit: Option<usize>,
}

impl Which {
    pub(crate) fn filter(&self, shared: &Shared, history: &History) -> Result<Filter, Problem> {
        let conditions = Conditions {
            method: self.method.as_deref(),
            client: self.client.as_deref(),
            strategy: self.strategy.as_deref(),
            query: self.query.as_deref(),
            status: self.status.as_deref(),
            outcome: self.outcome.as_deref(),
        };
        filter(shared, history, conditions, self.since.as_deref())
    }

    pub(crate) fn after(&self) -> Result<Option<u64>, Problem> {
        let bad = |_| bad("after: expected a whole number of 0 or more".to_owned());
        self.after.map(u64::try_from).transpose().map_err(bad)
    }
}

/// Reads the conditions; a 422 names the first one that is bad.
pub(crate) fn filter(
    shared: &Shared,
    history: &History,
    conditions: Conditions<'_>,
    since: Option<&str>,
) -> Result<Filter, Problem> {
    let since = since.map(|since| self::since(shared, history, since)).transpose()?.unwrap_or_default();
    Filter::new(conditions, since).map_err(|condition| bad(condition.to_string()))
}

fn bad(why: String) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", why)
}

fn since(shared: &Shared, history: &History, text: &str) -> Result<Since, Problem> {
    let unlike = |expected: String| bad(format!("since: '{text}': {expected}"));
    let parsed = text.split_once(':').and_then(|(kind, id)| Some((kind, id.parse::<u64>().ok()?)));
    match parsed {
        Some(("call", id)) if id < history.next() => Ok(Since::Call(id)),
        Some(("call", _)) => {
            Err(unlike(format!("expected a call that has ended, the last one is {}", history.next() - 1)))
        }
        Some(("epoch", epoch)) => {
            let present = shared.switch()?.snapshot().epoch;
            let is_there = epoch <= present;
            is_there
                .then_some(Since::Epoch(epoch))
                .ok_or_else(|| unlike(format!("expected an epoch up to {present}")))
        }
        Some(("event", id)) => event(shared, id).ok_or_else(|| {
            unlike(format!(
                "expected one of the last {KEPT} events, the last one is {}",
                shared.admin.event_log.next() - 1
            ))
        }),
        _ => Err(unlike(SINCE.to_owned())),
    }
}

/// From a transition on calls are told apart by their epoch, from another event on by their time.
fn event(shared: &Shared, id: u64) -> Option<Since> {
    let events = shared.admin.event_log.after(id.checked_sub(1)?, 1);
    let event = events.first().filter(|event| event.id == id)?;
    if event.note.details.contains_key("phase") && event.note.epoch > 0 {
        return Some(Since::Epoch(event.note.epoch));
    }
    // In this order: a call that came after the event must not look older than it.
    let now = Instant::now();
    let ago = (Utc::now() - event.time).to_std().unwrap_or_default();
    Some(Since::Time(now.checked_sub(ago)?))
}
