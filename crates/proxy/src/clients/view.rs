//! The clients as operators see them.

use std::{collections::BTreeMap, time::Instant};

use protocol::Strategy;
use serde::Serialize;

use super::{
    facts::Facts,
    key::{Key, Who},
    turns::Turns,
    verdict::{Verdict, judge},
};
use crate::telemetry::Status;

/// A client: whatever calls with the same user agent, as the same user, from the same address.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Client {
    /// A name for it, the same while teal runs.
    pub id: String,
    /// What it says that it is.
    pub user_agent: String,
    /// The address that it calls from, without a port.
    pub peer: String,
    /// The user that it logged in as.
    pub user: Option<String>,
    /// Where no login was seen: the beginning of a hash of its session.
    pub session: Option<String>,
    /// Where it calls with a bearer token: the beginning of a hash of that.
    pub token: Option<String>,
    /// The strategy that it used last.
    pub strategy: Option<Strategy>,
    /// When it was first heard from, as in RFC 3339.
    pub first_heard: String,
    /// When it was last heard from, as in RFC 3339.
    pub last_heard: String,
    /// Its calls that are over, 456s among them.
    pub requests: u64,
    /// 456s.
    pub rejected: u64,
    /// Whether it used the strategy that the work was headed for at its last 456, after that. Nothing where
    /// it got none.
    pub came_back: Option<bool>,
    /// When it was first told of the last announcement.
    pub told: Option<Told>,
    /// When it first used the strategy of the last announcement, as in RFC 3339.
    pub adopted: Option<String>,
    /// Its queries.
    pub queries: QueryCounts,
    /// Its failed calls by gRPC status, 456s not among them.
    pub errors: BTreeMap<String, u64>,
    /// The verdict on the last switch that concerns it.
    pub verdict: Option<Verdict>,
    /// Why.
    pub reason: Option<String>,
    /// One for each of the last switches, newest first, at most 20.
    pub verdicts: Vec<Judged>,
}

/// A client was told where the work is headed.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Told {
    /// When, as in RFC 3339.
    pub time: String,
    /// In the answer to which method.
    pub method: String,
    /// Where to.
    pub strategy: Strategy,
}

/// The queries of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct QueryCounts {
    /// Came on record.
    pub begun: u64,
    /// Were ended by it.
    pub completed: u64,
    /// Were taken off the record when a drain timed out.
    pub abandoned: u64,
    /// Are on record.
    pub open: u64,
}

/// The verdict on a client for one switch.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Judged {
    /// The epoch of the announcement, or of the abort that took it back.
    pub switch: u64,
    /// The strategy that the work left.
    pub from: Strategy,
    /// The strategy that the work was headed for.
    pub to: Strategy,
    /// Whether this is the way back after an abort.
    pub withdrawal: bool,
    /// When it was announced, as in RFC 3339.
    pub announced: String,
    /// The verdict; nothing while there is none.
    pub verdict: Option<Verdict>,
    /// Why, in one sentence.
    pub reason: String,
    /// The 456s that the client got in it.
    pub rejected: u64,
}

/// Describes a client. `name` gives the method of a label, `time` writes a moment.
pub(crate) fn view(
    key: &Key,
    facts: &Facts,
    turns: &Turns,
    name: impl Fn(usize) -> String,
    time: impl Fn(Instant) -> String,
) -> Option<Client> {
    let (first_heard, last_heard) = facts.heard?;
    let verdicts: Vec<Judged> = turns
        .newest_first()
        .filter_map(|turn| {
            let part = facts.in_turn(turn.number);
            let (verdict, reason) = judge(turn, &part, first_heard, &name)?;
            Some(Judged {
                switch: turn.number,
                from: turn.from,
                to: turn.to,
                withdrawal: turn.is_withdrawal,
                announced: time(turn.announced),
                verdict,
                reason,
                rejected: part.rejected,
            })
        })
        .collect();
    let present = turns.present().map(|turn| (turn, facts.in_turn(turn.number)));
    let abbreviated = |hash: u64| format!("#{:08x}", hash >> 32);
    let (mut user, mut session, mut token) = (None, None, None);
    match key.who() {
        Who::Nobody => {}
        Who::User(name) => user = Some(name.to_string()),
        Who::Session(hash) => session = Some(abbreviated(*hash)),
        Who::Token(hash) => token = Some(abbreviated(*hash)),
    }
    let errors = Status::all().map(|status| (status.as_str().to_owned(), facts.errors[status.index()]));
    Some(Client {
        id: key.id(),
        user_agent: key.agent().to_owned(),
        peer: key.peer().to_string(),
        user,
        session,
        token,
        strategy: facts.strategy.map(|(_, strategy)| strategy),
        first_heard: time(first_heard),
        last_heard: time(last_heard),
        requests: facts.requests,
        rejected: facts.rejected,
        came_back: facts.came_back(),
        told: present.and_then(|(turn, part)| {
            let (at, label) = part.told?;
            Some(Told { time: time(at), method: name(label), strategy: turn.to })
        }),
        adopted: present.and_then(|(_, part)| Some(time(part.used?.0))),
        queries: QueryCounts {
            begun: facts.begun,
            completed: facts.completed,
            abandoned: facts.abandoned,
            open: Strategy::ALL.into_iter().map(|strategy| facts.open(strategy).max(0).unsigned_abs()).sum(),
        },
        errors: errors.filter(|(_, count)| *count > 0).collect(),
        verdict: verdicts.first().and_then(|judged| judged.verdict),
        reason: verdicts.first().map(|judged| judged.reason.clone()),
        verdicts,
    })
}
