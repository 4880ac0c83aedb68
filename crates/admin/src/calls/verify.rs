//! `POST /api/v1/calls/verify`: a statement about the number of calls.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, extract,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use proxy::telemetry::history::Conditions;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;

use super::{
    count::{Count, Range, Seen},
    which,
};
use crate::{Body, ErrorBody, Problem, Shared, extract::whole, paths};

/// How often the history is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// The longest wait.
const LONGEST: Duration = Duration::from_secs(600);

/// The largest number of calls that a statement names.
const LARGEST: u64 = 1_000_000_000;

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
    #[schema(maximum = 1000000000)]
    #[serde(deserialize_with = "whole")]
    at_least: Option<u64>,
    /// There are so many or fewer.
    #[schema(maximum = 1000000000)]
    #[serde(deserialize_with = "whole")]
    at_most: Option<u64>,
    /// There are so many.
    #[schema(maximum = 1000000000)]
    #[serde(deserialize_with = "whole")]
    exactly: Option<u64>,
    /// How long to wait for it, such as `5s`; 10 minutes at most [default: not at all].
    within: Option<String>,
}

/// The statement is true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Verified {
    /// The calls that the statement was compared with.
    pub seen: Seen,
}

/// The statement is not true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
struct Refuted {
    /// The reason.
    error: ErrorBody,
    /// The calls that were seen instead.
    seen: Seen,
}

/// Verify how many calls match: 200 if it is so, or 409 with what was seen instead. `at_least` is true as soon as there
/// are enough. `at_most` and `exactly` are true at the end of `within`, because another call may come until then.
#[utoipa::path(post, path = paths::VERIFY_CALLS, tag = "calls", request_body = Option<Statement>,
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
        let numbers = [("exactly", self.exactly), ("at_least", self.at_least), ("at_most", self.at_most)];
        let is_large = |number: &u64| *number > LARGEST;
        for (field, number) in numbers {
            if let Some(number) = number.filter(is_large) {
                return Err(bad(&format!("{field}: {number}: expected a number up to {LARGEST}")));
            }
        }
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
