//! `POST /api/v1/calls/verify`: a statement about the number of calls.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    Json, extract,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use proxy::telemetry::history::{Call, Conditions, Entry, Filter, History, Since};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::which;
use crate::{Body, ErrorBody, Problem, Shared, extract::whole, paths};

/// How often the history is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(600);
/// The most calls that an answer shows.
const SHOWN: usize = 5;

/// A statement about the calls that match all conditions.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Statement {
    /// Calls of this method; `*` and `?` are wildcards, as in all patterns here.
    method: Option<String>,
    /// Calls of this client: a pattern for its id, user, session, address or user agent.
    client: Option<String>,
    /// Calls that were let in under this strategy, or named it and were rejected.
    strategy: Option<String>,
    /// Calls of this query: a pattern for its id.
    query: Option<String>,
    /// Calls with this gRPC status: its name or number, or `none`.
    status: Option<String>,
    /// Calls with this outcome: `ok`, `error`, `rejected` or `dropped`.
    outcome: Option<String>,
    /// Calls after the call `call:ID`, after the event `event:ID`, or judged from the epoch `epoch:N` on.
    since: Option<String>,
    /// There are so many or more [default: 1].
    #[serde(deserialize_with = "whole")]
    at_least: Option<u64>,
    /// There are so many or fewer.
    #[serde(deserialize_with = "whole")]
    at_most: Option<u64>,
    /// There are so many.
    #[serde(deserialize_with = "whole")]
    exactly: Option<u64>,
    /// How long to wait for it, such as `5s`; 10 minutes at most [default: not at all].
    within: Option<String>,
}

/// The statement is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// What was seen.
    pub seen: Seen,
}

/// The statement is not true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct Refuted {
    /// The reason.
    error: ErrorBody,
    /// What was seen instead.
    seen: Seen,
}

/// The calls that a statement was compared with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Seen {
    /// The number of calls that match.
    pub matched: u64,
    /// The number of calls since then, matching or not.
    pub calls: u64,
    /// Their number by method and status.
    pub by_method: BTreeMap<String, BTreeMap<String, u64>>,
    /// The last calls that match, or, if there are too few, those that match most of the conditions; at most 5.
    pub nearest: Vec<Call>,
}

/// Verify how many calls match: 200 if it is so, or 409 with what was seen instead. `at_least` is true as soon as there
/// are enough. `at_most` and `exactly` are true at the end of `within`, because another call may come until then.
#[utoipa::path(post, path = paths::VERIFY_CALLS, tag = "calls", request_body = Statement,
    responses((status = 200, body = Verified), (status = 404, description = "No calls are kept", body = crate::ErrorAnswer),
        (status = 409, description = "It is not so", body = Refuted)))]
pub(crate) async fn verify(
    extract::State(shared): extract::State<Arc<Shared>>,
    Body(statement): Body<Statement>,
) -> Result<Response, Problem> {
    let history = shared.history()?;
    let (range, within) = (statement.range()?, statement.within()?);
    let conditions = Conditions {
        method: statement.method.as_deref(),
        client: statement.client.as_deref(),
        strategy: statement.strategy.as_deref(),
        query: statement.query.as_deref(),
        status: statement.status.as_deref(),
        outcome: statement.outcome.as_deref(),
    };
    let filter = which::filter(&shared, &history, conditions, statement.since.as_deref())?;
    let mut count = Count::new(history, filter);
    let deadline = Instant::now() + within;
    let end = &shared.end;
    let is_so = loop {
        let is_last = Instant::now() >= deadline || end.is_cancelled();
        count.go_on();
        match range.judge(count.seen.matched, is_last) {
            Some(is_so) => break is_so,
            None => tokio::select! {
                () = end.cancelled() => {}
                () = sleep(LOOK.min(deadline - Instant::now())) => {}
            },
        }
    };
    // What is not there any more may have matched.
    let missing = if range.most.is_some() || !is_so { count.missing() } else { None };
    let matched = count.seen.matched;
    let why = match missing {
        Some(until) if is_so || matched < range.least => Some(format!(
            "cannot tell: calls up to {until} have left the history; name a later since, or start teal with more --calls"
        )),
        _ if is_so => None,
        _ => Some(format!("expected {range}, saw {matched}")),
    };
    let seen = count.into_seen(&shared, range.least);
    Ok(match why {
        None => Json(Verified { seen }).into_response(),
        Some(message) => {
            let error = ErrorBody { code: "not_so".to_owned(), message, phase: None, epoch: None };
            (StatusCode::CONFLICT, Json(Refuted { error, seen })).into_response()
        }
    })
}

impl Statement {
    fn range(&self) -> Result<Range, Problem> {
        let bad = |why: &str| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", why);
        match (self.exactly, self.at_least, self.at_most) {
            (Some(exactly), None, None) => Ok(Range { least: exactly, most: Some(exactly) }),
            (Some(_), ..) => Err(bad("exactly: expected it without at_least and at_most")),
            (None, Some(least), Some(most)) if least > most => {
                Err(bad(&format!("at_most: {most}: expected at_least, {least}, or more")))
            }
            (None, None, None) => Ok(Range { least: 1, most: None }),
            (None, least, most) => Ok(Range { least: least.unwrap_or(0), most }),
        }
    }

    fn within(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.within else { return Ok(Duration::ZERO) };
        let within = humantime::parse_duration(text.trim()).ok().filter(|within| *within <= LONGEST);
        within.ok_or_else(|| {
            let why = format!("within: '{text}': expected a duration such as 5s, of at most 10m");
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_field", why)
        })
    }
}

/// The numbers that are expected.
#[derive(Clone, Copy, Debug)]
struct Range {
    least: u64,
    most: Option<u64>,
}

impl Range {
    /// Whether the number is right; `None` if that may change until the end.
    fn judge(self, number: u64, is_last: bool) -> Option<bool> {
        match self.most {
            Some(most) if number > most => Some(false),
            None if number >= self.least => Some(true),
            _ if is_last => Some(number >= self.least),
            _ => None,
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.least, self.most) {
            (least, Some(most)) if least == most => write!(f, "exactly {least}"),
            (0, Some(most)) => write!(f, "at most {most}"),
            (least, Some(most)) => write!(f, "{least} to {most}"),
            (least, None) => write!(f, "at least {least}"),
        }
    }
}

/// Counts calls as they end.
struct Count {
    history: History,
    filter: Filter,
    /// The id of the last call that is counted.
    after: u64,
    seen: Seen,
    /// The last call with each number of conditions that do not hold, and those before it.
    nearest: BTreeMap<usize, Vec<Entry>>,
    /// The last call of which it is not known whether it counts.
    missing: Option<u64>,
}

impl Count {
    fn new(history: History, filter: Filter) -> Self {
        let after = match filter.since {
            Since::Call(id) => id,
            Since::Start | Since::Epoch(_) | Since::Time(_) => 0,
        };
        Self { history, filter, after, seen: Seen::default(), nearest: BTreeMap::new(), missing: None }
    }

    /// Counts those that have ended since the last time.
    fn go_on(&mut self) {
        let next = self.history.next();
        let found = self.history.read(self.after + 1, next);
        let expected = next.saturating_sub(self.after + 1);
        if (found.len() as u64) < expected {
            let first = self.history.complete_from();
            // If the oldest that is there is from before, then so are those that are not.
            let oldest = found.iter().find(|entry| entry.id() >= first);
            if oldest.is_none_or(|entry| self.filter.has_begun(entry)) {
                self.missing = Some(first - 1);
            }
        }
        for entry in found {
            if self.filter.has_begun(&entry) {
                self.count(entry);
            }
        }
        self.after = next - 1;
    }

    fn count(&mut self, entry: Entry) {
        let missed = self.history.missed(&self.filter, &entry);
        self.seen.calls += 1;
        self.seen.matched += u64::from(missed == 0);
        let by_status = self.seen.by_method.entry(self.history.method(&entry).to_owned()).or_default();
        *by_status.entry(entry.status().to_owned()).or_default() += 1;
        let nearest = self.nearest.entry(missed).or_default();
        if nearest.len() == SHOWN {
            nearest.remove(0);
        }
        nearest.push(entry);
    }

    fn missing(&self) -> Option<u64> {
        self.missing
    }

    fn into_seen(self, shared: &Shared, least: u64) -> Seen {
        let Self { history, mut seen, nearest, .. } = self;
        let is_enough = seen.matched > 0 && seen.matched >= least;
        let shown = nearest.into_iter().take_while(|(missed, _)| *missed == 0 || !is_enough);
        let shown: Vec<_> = shown.flat_map(|(_, entries)| entries.into_iter().rev()).take(SHOWN).collect();
        seen.nearest = shared.views(&history, &shown);
        seen
    }
}
