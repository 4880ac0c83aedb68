//! Calls as the admin API shows them.

use std::time::{Duration, Instant};

use protocol::Strategy;
use serde::{Deserialize, Serialize};
use switch::{Header, PhaseName};
use utoipa::ToSchema;

use super::Entry;
use crate::{
    adoption::{ClientIdentity, abbreviated},
    telemetry::Outcome,
};

/// A finished call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Call {
    /// Counts from 1, without gaps, in the order in which calls end.
    pub id: u64,
    /// When it arrived, as in RFC 3339.
    #[schema(format = DateTime)]
    pub time: String,
    /// The method; `other` if it is unknown.
    pub method: String,
    /// The id of its client, as in the list of clients.
    pub client: String,
    /// The user that the client logged in as.
    #[schema(required)]
    pub user: Option<String>,
    /// The client's user agent.
    pub user_agent: String,
    /// The address that it came from, without a port.
    pub peer: String,
    /// The beginning of a hash of its session, if it was read. The hash is another one after a restart.
    #[schema(required)]
    pub session: Option<String>,
    /// The strategy that its metadata names: `blue`, `green`, or `unknown` for anything else.
    #[schema(required)]
    pub asked: Option<String>,
    /// The strategy that it was let in under; of a rejected call the one that it named.
    #[schema(required)]
    pub strategy: Option<Strategy>,
    /// `let_in`, `rejected`, or `unjudged` if it ended before that.
    pub verdict: String,
    /// The phase when it was judged.
    pub phase: PhaseName,
    /// The epoch when it was judged.
    pub epoch: u64,
    /// The query that it began, continued or ended; cut at 63 bytes.
    #[schema(required)]
    pub query: Option<String>,
    /// The URL of the engine of its strategy, or `built-in`; `null` if it was not let in.
    #[schema(required)]
    pub engine: Option<String>,
    /// `ok`, `error`, `rejected` (a 456) or `dropped` (cancelled, or cut short).
    pub outcome: String,
    /// The name of its gRPC status; `none` if it ended without one.
    pub status: String,
    /// The message of a status that is not OK; cut at 159 bytes.
    #[schema(required)]
    pub message: Option<String>,
    /// Bytes of the request's body that were passed on.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// Seconds until its answer began.
    pub first_byte_seconds: f64,
    /// Seconds until its end.
    pub seconds: f64,
    /// The strategy that its answer announced.
    #[schema(required)]
    pub notice: Option<Strategy>,
    /// The faults that hit it, separated by commas; cut at 63 bytes.
    #[schema(required)]
    pub fault: Option<String>,
}

/// Shows a call of `method`. `engine` is that of its strategy, `time` formats a time.
pub(super) fn view(
    entry: &Entry,
    method: &str,
    engine: impl FnOnce(Strategy) -> String,
    time: impl FnOnce(Instant) -> String,
) -> Call {
    let (mut client, mut user, mut user_agent, mut peer) =
        (String::new(), None, String::new(), String::new());
    if let Some(key) = &entry.facts.client {
        (client, user_agent, peer) = (key.id(), key.agent().to_owned(), key.peer().to_string());
        if let ClientIdentity::User(name) = key.who() {
            user = Some(name.to_string());
        }
    }
    let since = |at: Instant| at.saturating_duration_since(entry.facts.arrived);
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Call {
        id: entry.facts.id,
        time: time(entry.facts.arrived),
        method: method.to_owned(),
        client,
        user,
        user_agent,
        peer,
        session: entry.facts.session.map(abbreviated),
        asked: asked(entry.facts.asked).map(str::to_owned),
        strategy: entry.facts.strategy,
        verdict: verdict(entry).to_owned(),
        phase: entry.facts.moment.phase(),
        epoch: entry.facts.moment.epoch(),
        query: owned(entry.query()),
        engine: entry.facts.strategy.filter(|_| entry.facts.is_let_in).map(engine),
        outcome: entry.facts.outcome.as_str().to_owned(),
        status: entry.facts.status.as_str().to_owned(),
        message: owned(entry.message()).or_else(|| owned(rejection(entry))),
        request_bytes: entry.facts.request,
        response_bytes: entry.facts.response,
        first_byte_seconds: seconds(since(entry.facts.answered)),
        seconds: seconds(since(entry.facts.ended)),
        notice: entry.facts.notice,
        fault: owned(entry.fault()),
    }
}

fn asked(header: Header) -> Option<&'static str> {
    match header {
        Header::Absent => None,
        Header::Names(strategy) => Some(strategy.as_str()),
        Header::Unknown => Some("unknown"),
    }
}

fn verdict(entry: &Entry) -> &'static str {
    match (entry.facts.is_let_in, entry.facts.outcome) {
        (true, _) => "let_in",
        (false, Outcome::Rejected) => "rejected",
        (false, _) => "unjudged",
    }
}

/// The message of a 456 is always the same.
fn rejection(entry: &Entry) -> Option<&'static str> {
    (entry.facts.outcome == Outcome::Rejected).then_some("status: 456")
}

/// Whole microseconds.
fn seconds(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1e6
}
