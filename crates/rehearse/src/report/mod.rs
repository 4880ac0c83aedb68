//! The report of a rehearsal.

mod chart;
mod latency;
mod page;
mod switches;
mod text;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use protocol::{CallKind, Strategy};
use serde::Serialize;

pub use self::{
    latency::LatencySummary,
    switches::{Adoption, SwitchReport},
};
use super::{
    history::{Promise, Verdict, check, spans::Spans},
    plan::Plan,
    record::{Call, ClientInfo, Ending, Failure, Outcome, Records, Run},
    timeline::Timeline,
};

/// The report. Times are microseconds since the start.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The server.
    pub to: String,
    /// The start, in RFC 3339.
    pub started: String,
    /// How long it took.
    pub took: u64,
    /// The clients.
    pub clients: Vec<ClientInfo>,
    /// Counts of queries by their end.
    pub queries: Counts,
    /// The latency of queries, from when they were due, by the phase in which they began.
    pub latency: BTreeMap<&'static str, LatencySummary>,
    /// The longest time without a completed query.
    pub longest_gap: u64,
    /// The longest query.
    pub longest_query: u64,
    /// A report on each switch.
    pub switches: Vec<SwitchReport>,
    /// The verdicts on the promises.
    pub promises: Vec<Verdict>,
    /// All failures that an application would have seen.
    pub failures: Vec<Failed>,
    /// Whether nothing was lost and no promise was broken.
    pub is_well: bool,
    /// The server's timeline, if it was observed.
    #[serde(rename = "story")]
    pub timeline: Option<Timeline>,
    /// Each query, for the web page and the JSON.
    pub runs: Vec<Run>,
    /// All 456s.
    pub refusals: Vec<Refusal>,
}

/// Counts of queries by their end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// All queries.
    pub run: u64,
    /// Completed with all rows.
    pub completed: u64,
    /// Lost queries, and failed calls outside of queries.
    pub lost: u64,
    /// Ended by the loss of a connection or an engine, including calls outside of queries.
    pub broken: u64,
    /// Restarted after a 456.
    pub retried: u64,
    /// Rejected although the client had got the notice of the active strategy before it called.
    pub refused_though_told: u64,
    /// Rejected, because the client does not follow.
    pub turned_away: u64,
    /// Abandoned by clients on purpose.
    pub vanished: u64,
    /// Still running when the rehearsal gave up waiting.
    pub unfinished: u64,
    /// Correct rows.
    pub rows: u64,
    /// Calls of all kinds.
    pub calls: u64,
    /// Calls that were not checked, because there were too many.
    pub unchecked: u64,
}

/// A failure and its client.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// The client, if it was in a query.
    pub client: Option<u32>,
    /// There was no response, which is not the switch's fault.
    pub is_broken: bool,
    /// The failure.
    #[serde(flatten)]
    pub failure: Failure,
}

/// A 456.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Refusal {
    /// The client.
    pub client: u32,
    /// When it arrived.
    pub time: u64,
    /// The method.
    pub call: &'static str,
    /// The strategy that the call named.
    pub strategy: Option<Strategy>,
}

impl Report {
    pub(super) fn new(
        plan: &Plan,
        clients: Vec<ClientInfo>,
        records: Records,
        timeline: Option<Timeline>,
        times: Times,
    ) -> Self {
        let Times { started, took, unfinished } = times;
        let promises = check(&records.calls, timeline.as_ref());
        let switches = switches::reports(&records, timeline.as_ref(), took);
        let phase = Phases::new(timeline.as_ref(), &switches);
        let mut latency: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
        for run in records.runs.iter().filter(|run| run.end == Ending::Completed) {
            latency.entry(phase.at(run.begun)).or_default().push(run.ended - run.due.min(run.ended));
        }
        let queries = counts(&records, unfinished);
        let failures = failures(&records);
        let is_well = queries.completed > 0
            && queries.lost + queries.broken + queries.unfinished == 0
            && promises.iter().all(|verdict| verdict.broken == 0);
        let completed = |run: &&Run| run.end == Ending::Completed;
        Self {
            to: plan.to.clone(),
            started: DateTime::<Utc>::from(started).to_rfc3339_opts(SecondsFormat::Millis, true),
            took,
            clients,
            queries,
            latency: latency.into_iter().map(|(phase, times)| (phase, LatencySummary::of(times))).collect(),
            longest_gap: switches::longest_gap(&records.runs, 0, took),
            longest_query: records
                .runs
                .iter()
                .filter(completed)
                .map(|run| run.ended - run.begun)
                .max()
                .unwrap_or(0),
            switches,
            promises,
            failures,
            is_well,
            timeline,
            refusals: records.calls.iter().filter_map(refusal).collect(),
            runs: records.runs,
        }
    }

    /// The number of breaches of a promise.
    pub fn broken(&self, promise: Promise) -> u64 {
        self.promises.iter().filter(|verdict| verdict.promise == promise).map(|verdict| verdict.broken).sum()
    }
}

/// The times of the rehearsal, and what was still running at its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) started: std::time::SystemTime,
    pub(super) took: u64,
    pub(super) unfinished: u64,
}

fn counts(records: &Records, unfinished: u64) -> Counts {
    let ended = |is: fn(&Ending) -> bool| records.runs.iter().filter(|run| is(&run.end)).count() as u64;
    let failed = |broken: bool| records.failures.iter().filter(|(_, is)| *is == broken).count() as u64;
    Counts {
        run: records.runs.len() as u64 + unfinished,
        completed: ended(|end| *end == Ending::Completed),
        lost: ended(|end| matches!(end, Ending::Lost(_))) + failed(false),
        broken: ended(|end| matches!(end, Ending::Broken(_))) + failed(true),
        retried: records.runs.iter().map(|run| u64::from(run.retries)).sum(),
        refused_though_told: refused_though_told(&records.calls),
        turned_away: ended(|end| *end == Ending::TurnedAway),
        vanished: ended(|end| *end == Ending::Vanished),
        unfinished,
        rows: records.runs.iter().map(|run| run.rows).sum(),
        calls: records.calls.len() as u64 + records.unkept,
        unchecked: records.unkept,
    }
}

/// Counts 456s of clients that had got the notice before the call.
fn refused_though_told(calls: &[Call]) -> u64 {
    // The last notice of each client since its login.
    let mut told: BTreeMap<u32, (u64, Strategy)> = BTreeMap::new();
    let mut count = 0;
    for call in calls {
        let knew = told.get(&call.client).filter(|(at, _)| *at <= call.sent);
        if call.outcome == Outcome::Refused
            && knew.is_some_and(|(_, told)| call.strategy == Some(told.other()))
        {
            count += 1;
        }
        match (call.notice, call.kind) {
            (Some(notice), _) => _ = told.insert(call.client, (call.answered, notice)),
            (None, CallKind::LogIn) => _ = told.remove(&call.client),
            (None, _) => {}
        }
    }
    count
}

fn failures(records: &Records) -> Vec<Failed> {
    let of_runs = records.runs.iter().filter_map(|run| {
        let (failure, is_broken) = match &run.end {
            Ending::Broken(failure) => (failure, true),
            Ending::Lost(failure) => (failure, false),
            _ => return None,
        };
        Some(Failed { client: Some(run.client), is_broken, failure: failure.clone() })
    });
    let others = records.failures.iter().map(|(failure, is_broken)| Failed {
        client: None,
        is_broken: *is_broken,
        failure: failure.clone(),
    });
    let mut failures: Vec<Failed> = of_runs.chain(others).collect();
    failures.sort_by_key(|failed| failed.failure.time);
    failures
}

fn refusal(call: &Call) -> Option<Refusal> {
    let Call { client, answered: time, method, strategy, .. } = *call;
    (call.outcome == Outcome::Refused).then_some(Refusal { client, time, call: method, strategy })
}

/// The phase at each time: from the server's timeline, or as far as clients can see.
struct Phases<'a> {
    spans: Option<Spans>,
    switches: &'a [SwitchReport],
}

impl<'a> Phases<'a> {
    fn new(timeline: Option<&Timeline>, switches: &'a [SwitchReport]) -> Self {
        Self { spans: timeline.map(Spans::of), switches }
    }

    fn at(&self, time: u64) -> &'static str {
        match self.spans.as_ref().and_then(|spans| spans.at(time)) {
            Some(span) => span.stage.as_str(),
            None if self.switches.iter().any(|switch| switch.lasts(time)) => "switching",
            None => "between switches",
        }
    }
}
