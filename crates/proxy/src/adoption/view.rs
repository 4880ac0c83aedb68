//! Clients as the admin API shows them.

use std::{collections::BTreeMap, time::Instant};

use protocol::Strategy;
use serde::Serialize;

use super::{
    client_stats::ClientStats,
    key::{ClientIdentity, Key, abbreviated},
    switch_windows::SwitchWindows,
    verdict::{Verdict, judge},
};
use crate::telemetry::Status;

/// A client: all calls with the same user agent, as the same user, from the same address.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Client {
    /// An id, stable while teal runs.
    pub id: String,
    /// The user agent.
    pub user_agent: String,
    /// The address that it calls from, without a port.
    pub peer: String,
    /// The user that it logged in as.
    pub user: Option<String>,
    /// If no login was seen: the beginning of a hash of its session.
    pub session: Option<String>,
    /// If it calls with a bearer token: the beginning of a hash of the token.
    pub token: Option<String>,
    /// The strategy that it used last.
    pub strategy: Option<Strategy>,
    /// The time of its first call, as in RFC 3339.
    pub first_heard: String,
    /// The time of its last call, as in RFC 3339.
    pub last_heard: String,
    /// The number of completed calls, including 456s.
    pub requests: u64,
    /// The number of 456s.
    pub rejected: u64,
    /// Whether it used the target strategy after its last 456; `null` without a 456.
    pub came_back: Option<bool>,
    /// The first notice of the last announcement that it got.
    pub told: Option<Told>,
    /// When it first used the strategy of the last announcement, as in RFC 3339.
    pub adopted: Option<String>,
    /// Its queries.
    pub queries: QueryCounts,
    /// Failed calls by gRPC status, without 456s.
    pub errors: BTreeMap<String, u64>,
    /// The verdict on the last switch that concerns it.
    pub verdict: Option<Verdict>,
    /// The reason for the verdict.
    pub reason: Option<String>,
    /// The verdicts on the last switches, newest first, at most 20.
    pub verdicts: Vec<Judged>,
}

/// A notice that a client got.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Told {
    /// When it got the notice, as in RFC 3339.
    pub time: String,
    /// The method whose response carried it.
    pub method: String,
    /// The announced strategy.
    pub strategy: Strategy,
}

/// The queries of a client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct QueryCounts {
    /// Queries it began.
    pub begun: u64,
    /// Queries it ended.
    pub completed: u64,
    /// Queries abandoned at a drain timeout.
    pub abandoned: u64,
    /// Queries on record.
    pub open: u64,
}

/// The verdict on a client for one switch.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Judged {
    /// The epoch of the announcement, or of the abort that withdrew it.
    pub switch: u64,
    /// The old strategy.
    pub from: Strategy,
    /// The target strategy.
    pub to: Strategy,
    /// Whether this is the way back after an abort.
    pub withdrawal: bool,
    /// When it was announced, as in RFC 3339.
    pub announced: String,
    /// The verdict; `null` while it is open.
    pub verdict: Option<Verdict>,
    /// The reason, in one sentence.
    pub reason: String,
    /// The number of 456s that the client got during the switch.
    pub rejected: u64,
}

/// Builds the view of a client. `name` maps a label to its method, `time` formats a time.
pub(crate) fn view(
    key: &Key,
    stats: &ClientStats,
    windows: &SwitchWindows,
    name: impl Fn(usize) -> String,
    time: impl Fn(Instant) -> String,
) -> Option<Client> {
    let (first_heard, last_heard) = stats.heard?;
    let verdicts: Vec<Judged> = windows
        .newest_first()
        .filter_map(|window| {
            let switch_stats = stats.in_window(window.number);
            let (verdict, reason) = judge(window, &switch_stats, first_heard, &name)?;
            Some(Judged {
                switch: window.number,
                from: window.from,
                to: window.to,
                withdrawal: window.is_withdrawal,
                announced: time(window.announced),
                verdict,
                reason,
                rejected: switch_stats.rejected,
            })
        })
        .collect();
    let present = windows.present().map(|window| (window, stats.in_window(window.number)));
    let (mut user, mut session, mut token) = (None, None, None);
    match key.who() {
        ClientIdentity::Nobody => {}
        ClientIdentity::User(name) => user = Some(name.to_string()),
        ClientIdentity::Session(hash) => session = Some(abbreviated(*hash)),
        ClientIdentity::Token(hash) => token = Some(abbreviated(*hash)),
    }
    let errors = Status::all().map(|status| (status.as_str().to_owned(), stats.errors[status.index()]));
    Some(Client {
        id: key.id(),
        user_agent: key.agent().to_owned(),
        peer: key.peer().to_string(),
        user,
        session,
        token,
        strategy: stats.strategy.map(|(_, strategy)| strategy),
        first_heard: time(first_heard),
        last_heard: time(last_heard),
        requests: stats.requests,
        rejected: stats.rejected,
        came_back: stats.came_back(),
        told: present.and_then(|(window, switch_stats)| {
            let (at, label) = switch_stats.told?;
            Some(Told { time: time(at), method: name(label), strategy: window.to })
        }),
        adopted: present.and_then(|(_, switch_stats)| Some(time(switch_stats.used?.0))),
        queries: QueryCounts {
            begun: stats.begun,
            completed: stats.completed,
            abandoned: stats.abandoned,
            open: Strategy::ALL.into_iter().map(|strategy| stats.open(strategy).max(0).unsigned_abs()).sum(),
        },
        errors: errors.filter(|(_, count)| *count > 0).collect(),
        verdict: verdicts.first().and_then(|judged| judged.verdict),
        reason: verdicts.first().map(|judged| judged.reason.clone()),
        verdicts,
    })
}
