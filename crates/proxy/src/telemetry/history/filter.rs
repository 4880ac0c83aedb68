//! Which calls are asked for.

use std::time::Instant;

use globset::GlobMatcher;
use grpc::CODES;
use protocol::Strategy;

use super::Entry;
use crate::{
    adoption::abbreviated,
    fault::glob,
    telemetry::{Outcome, Status},
};

/// The outcomes of calls.
const OUTCOMES: [Outcome; 4] = [Outcome::Ok, Outcome::Error, Outcome::Rejected, Outcome::Dropped];

/// The conditions, as texts; those that are there must all hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Conditions<'a> {
    /// The name of the method, with wildcards.
    pub method: Option<&'a str>,
    /// The id, user, session, address or user agent of the client, with wildcards.
    pub client: Option<&'a str>,
    /// The strategy that it was let in under; of a rejected call the one that it named.
    pub strategy: Option<&'a str>,
    /// The id of the query, with wildcards.
    pub query: Option<&'a str>,
    /// The name or number of the gRPC status, or `none`.
    pub status: Option<&'a str>,
    /// The outcome.
    pub outcome: Option<&'a str>,
}

/// A condition that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: '{found}': {expected}")]
pub struct BadCondition {
    /// The name of the condition.
    pub field: &'static str,
    /// The value.
    pub found: String,
    /// The expected value.
    pub expected: String,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Since {
    /// With the first call that is kept.
    #[default]
    Start,
    /// After the call of this id.
    Call(u64),
    /// With calls that were judged in this epoch or a later one.
    Epoch(u64),
    /// With calls that arrived at this time or later.
    Time(Instant),
}

/// Chooses calls.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Where to begin.
    pub since: Since,
    method: Option<GlobMatcher>,
    client: Option<GlobMatcher>,
    strategy: Option<Strategy>,
    query: Option<GlobMatcher>,
    status: Option<Status>,
    outcome: Option<Outcome>,
}

impl Filter {
    /// Reads the conditions.
    pub fn new(conditions: Conditions<'_>, since: Since) -> Result<Self, BadCondition> {
        let globbed = |field, text: Option<&str>| {
            let bad = |text: &str, expected| BadCondition { field, found: text.to_owned(), expected };
            text.map(|text| glob(text).map_err(|expected| bad(text, expected))).transpose()
        };
        Ok(Self {
            since,
            method: globbed("method", conditions.method)?,
            client: globbed("client", conditions.client)?,
            strategy: read("strategy", conditions.strategy, "expected blue or green", |text| {
                text.to_ascii_lowercase().parse().ok()
            })?,
            query: globbed("query", conditions.query)?,
            status: read(
                "status",
                conditions.status,
                "expected a gRPC status such as OK or 14, or none",
                status,
            )?,
            outcome: read(
                "outcome",
                conditions.outcome,
                "expected ok, error, rejected or dropped",
                |text| OUTCOMES.into_iter().find(|outcome| outcome.as_str().eq_ignore_ascii_case(text)),
            )?,
        })
    }

    /// Whether a call counts, by when it was.
    pub fn has_begun(&self, entry: &Entry) -> bool {
        match self.since {
            Since::Start => true,
            Since::Call(id) => entry.facts.id > id,
            Since::Epoch(epoch) => entry.facts.moment.epoch() >= epoch,
            Since::Time(time) => entry.facts.arrived >= time,
        }
    }

    /// How many of the conditions do not hold for a call of `method`.
    pub(super) fn missed(&self, entry: &Entry, method: &str) -> usize {
        let held = [
            self.strategy.is_none_or(|strategy| entry.facts.strategy == Some(strategy)),
            self.status.is_none_or(|status| entry.facts.status == status),
            self.outcome.is_none_or(|outcome| entry.facts.outcome == outcome),
            self.method.as_ref().is_none_or(|glob| glob.is_match(method)),
            self.query.as_ref().is_none_or(|glob| entry.query().is_some_and(|id| glob.is_match(id))),
            self.client.as_ref().is_none_or(|glob| is_of(glob, entry)),
        ];
        held.iter().filter(|held| !**held).count()
    }
}

fn read<T>(
    field: &'static str,
    text: Option<&str>,
    expected: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, BadCondition> {
    let Some(text) = text else { return Ok(None) };
    let bad = || BadCondition { field, found: text.to_owned(), expected: expected.to_owned() };
    read(text).map(Some).ok_or_else(bad)
}

fn status(text: &str) -> Option<Status> {
    let number = text.parse().ok().filter(|code| *code < CODES.len());
    Status::all().find(|status| Some(status.index()) == number || status.as_str().eq_ignore_ascii_case(text))
}

/// Whether the call is of a client that the pattern names in any way.
fn is_of(glob: &GlobMatcher, entry: &Entry) -> bool {
    use crate::adoption::ClientIdentity::{Nobody, Session, Token, User};
    let Some(key) = &entry.facts.client else { return false };
    let who = match key.who() {
        Nobody => false,
        User(name) => glob.is_match(&**name),
        Session(hash) | Token(hash) => glob.is_match(abbreviated(*hash)),
    };
    who || glob.is_match(key.agent())
        || glob.is_match(key.peer().to_string())
        || entry.facts.session.is_some_and(|session| glob.is_match(abbreviated(session)))
        || glob.is_match(key.id())
}
