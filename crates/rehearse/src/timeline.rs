//! The server's switch during a rehearsal, on the clock of the rehearsal.

use std::time::Duration;

use admin::{
    Event, Events, State,
    client::{Client, ClientError},
    paths,
};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use protocol::Strategy;
use serde::Serialize;
use switch::PhaseName;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::record::{Recorder, micros};

const LOOK: Duration = Duration::from_millis(250);
/// How long a thread of a busy machine may take between an action and its timestamp, in microseconds.
const LATE: u64 = 200_000;
/// The kind of the event for a failover away from an unhealthy engine.
pub(crate) const ENGINE_LEFT: &str = "engine_left";

/// The kind of a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A strategy was announced.
    Announced,
    /// The announced strategy became active.
    CutOver,
    /// The announcement was withdrawn.
    Aborted,
    /// No query of the old strategy is left.
    Drained,
    /// The drain timed out; remaining queries were abandoned.
    DrainTimedOut,
}

impl Kind {
    /// The kind of a server event, if it is a transition.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "announced" => Self::Announced,
            "cut_over" => Self::CutOver,
            "aborted" => Self::Aborted,
            "drained" => Self::Drained,
            "drain_timed_out" => Self::DrainTimedOut,
            _ => return None,
        })
    }
}

/// One transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Transition {
    /// Microseconds since the start.
    pub at: u64,
    /// The epoch it began.
    pub epoch: u64,
    /// The kind of transition.
    pub kind: Kind,
    /// The strategy that was active.
    pub from: Option<Strategy>,
    /// The strategy that it announces or activates.
    pub to: Option<Strategy>,
}

/// An observed state of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Microseconds since the start.
    pub at: u64,
    /// The phase.
    pub stage: PhaseName,
    /// The active strategy.
    pub active: Strategy,
    /// The number of transitions so far.
    pub epoch: u64,
    /// When the phase must end at the latest.
    pub ends_by: Option<u64>,
}

/// The server's side of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timeline {
    /// Observed states, in order. The first precedes the first query.
    pub seen: Vec<Seen>,
    /// Transitions, in order.
    #[serde(rename = "happened")]
    pub transitions: Vec<Transition>,
    /// The epochs in which the inactive engine was unhealthy, and its logins were rejected.
    pub left: Vec<u64>,
    /// Whether a cutover rejects queries of the old strategy.
    pub is_strict: bool,
    /// The largest difference between the clocks, in microseconds.
    pub slack: u64,
    /// How much later than another instance one may follow, in microseconds: this is the story of one alone. It is part of
    /// the slack; 0 where there are no others.
    pub lag: u64,
    /// The end of the observation.
    pub until: u64,
}

/// Observes a server.
#[derive(Debug)]
pub(crate) struct TimelineWatcher {
    admin: Client,
    timeline: Mutex<Timeline>,
    clock: Mutex<Clock>,
}

impl TimelineWatcher {
    pub(crate) fn new(admin: Client) -> Self {
        Self { admin, timeline: Mutex::default(), clock: Mutex::default() }
    }

    /// The last observed state.
    pub(crate) fn last(&self) -> Option<Seen> {
        self.timeline.lock().seen.last().copied()
    }

    pub(crate) fn timeline(&self) -> Timeline {
        self.timeline.lock().clone()
    }

    /// Observes the first state. Earlier events are ignored.
    pub(crate) async fn begin(&self, recorder: &Recorder) -> Result<(), ClientError> {
        let next = self.events(0).await?.next;
        *self.clock.lock() = Clock { next, ahead: 0, round_trip: u64::MAX };
        self.look(recorder).await
    }

    /// Observes until it is dropped.
    pub(crate) async fn run(&self, recorder: &Recorder) {
        loop {
            sleep(LOOK).await;
            if let Err(error) = self.look(recorder).await {
                debug!("The admin API can't be read: {error}");
            }
        }
    }

    /// The events from this id on.
    async fn events(&self, from: u64) -> Result<Events, ClientError> {
        let path = match from.checked_sub(1) {
            Some(after) => format!("{}?after={after}", paths::EVENTS),
            None => paths::EVENTS.to_owned(),
        };
        self.admin.get(&path).await?.read()
    }

    /// Reads the state, and the events since the last look.
    pub(crate) async fn look(&self, recorder: &Recorder) -> Result<(), ClientError> {
        let (before, until) = (Instant::now(), recorder.now());
        let state: State = self.admin.get(paths::STATE).await?.read()?;
        let round_trip = micros(before.elapsed());
        let next = self.clock.lock().next;
        let events = self.events(next).await?;
        let (mut timeline, mut clock) = (self.timeline.lock(), self.clock.lock());
        clock.set(&state, recorder, round_trip);
        timeline.until = until;
        timeline.is_strict = state.cutover == "strict";
        timeline.lag = timeline.lag.max(lag(&state));
        timeline.slack = clock.round_trip / 2 + LATE + timeline.lag;
        timeline.seen.push(seen(&state, recorder.now()));
        timeline
            .transitions
            .extend(events.events.iter().filter_map(|event| clock.transition(event, recorder)));
        let left = events.events.iter().filter(|event| event.kind == ENGINE_LEFT);
        timeline.left.extend(left.map(|event| event.epoch));
        clock.next = events.next;
        Ok(())
    }
}

/// The server's clock, and the position in its events.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    next: u64,
    /// Microseconds by which the server's clock is ahead of ours.
    ahead: i64,
    round_trip: u64,
}

impl Clock {
    /// Estimates the offset from the time in a state; the response with the shortest round trip counts.
    fn set(&mut self, state: &State, recorder: &Recorder, round_trip: u64) {
        if round_trip >= self.round_trip {
            return;
        }
        let Some(since) = time(&state.since) else { return };
        self.round_trip = round_trip;
        #[allow(clippy::cast_possible_truncation)] // Holds 292 000 years.
        let there = since.timestamp_micros() + (state.phase_seconds * 1e6) as i64;
        let here = DateTime::<Utc>::from(recorder.started()).timestamp_micros()
            + i64::try_from(recorder.now().saturating_sub(round_trip / 2)).unwrap_or(i64::MAX);
        self.ahead = there - here;
    }

    fn transition(&self, event: &Event, recorder: &Recorder) -> Option<Transition> {
        let kind = Kind::named(&event.kind)?;
        let start = DateTime::<Utc>::from(recorder.started()).timestamp_micros();
        let at = u64::try_from(time(&event.time)?.timestamp_micros() - self.ahead - start).unwrap_or(0);
        Some(Transition { at, epoch: event.epoch, kind, from: event.from, to: event.to })
    }
}

/// An instance that does not follow is cut off at the end of its lease.
fn lag(state: &State) -> u64 {
    let has_others = state.instances.as_ref().is_some_and(|instances| instances.len() > 1);
    let lease = state.etcd.as_ref().filter(|_| has_others).map(|etcd| etcd.lease_seconds);
    lease.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).map_or(0, micros)
}

/// Parses a time of the server, in RFC 3339.
fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(DateTime::into)
}

fn seen(state: &State, now: u64) -> Seen {
    let deadline = match state.phase {
        PhaseName::Stable => None,
        PhaseName::Announced => state.deadlines.cutover_seconds,
        PhaseName::Draining => state.deadlines.drain_seconds,
    };
    let ends_by = deadline.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    let ends_by = ends_by.map(|deadline| now + micros(deadline));
    Seen { at: now, stage: state.phase, active: state.active, epoch: state.epoch, ends_by }
}
