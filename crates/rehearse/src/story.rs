//! What the server tells of its switch while a rehearsal runs, on the clock of the rehearsal.

use std::{sync::Mutex, time::Duration};

use admin::{
    Event, Events, State,
    client::{Client, ClientError},
    paths,
};
use chrono::{DateTime, Utc};
use protocol::Strategy;
use serde::Serialize;
use switch::PhaseName;
use tokio::time::{Instant, sleep};
use tracing::debug;

use super::record::{Recorder, micros};

const LOOK: Duration = Duration::from_millis(250);
/// A thread of a busy machine may wait so long, in microseconds, between doing something and saying when.
const LATE: u64 = 200_000;
/// The event of an engine that is left for its health.
pub(crate) const ENGINE_LEFT: &str = "engine_left";

/// What the server says it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A strategy was announced.
    Announced,
    /// It is active.
    CutOver,
    /// It was taken back.
    Aborted,
    /// Nothing is left of the old one.
    Drained,
    /// Something is, and was given up.
    DrainTimedOut,
}

impl Kind {
    /// By its name among the server's events, if it is a transition.
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
pub struct Happened {
    /// Microseconds since the start.
    pub at: u64,
    /// The epoch that it began.
    pub epoch: u64,
    /// What it was.
    pub kind: Kind,
    /// The strategy that was active.
    pub from: Option<Strategy>,
    /// The strategy that it is about.
    pub to: Option<Strategy>,
}

/// What was seen of the server at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// Microseconds since the start.
    pub at: u64,
    /// The phase.
    pub stage: PhaseName,
    /// The active strategy.
    pub active: Strategy,
    /// How many transitions there had been.
    pub epoch: u64,
    /// When the phase has to be over.
    pub ends_by: Option<u64>,
}

/// The server's side of a rehearsal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Story {
    /// States, in order. The first is from before the first query.
    pub seen: Vec<Seen>,
    /// Transitions, in order.
    pub happened: Vec<Happened>,
    /// The epochs in which the engine that is not active was left for its health: its logins were refused.
    pub left: Vec<u64>,
    /// Queries of the old strategy are refused at a cutover.
    pub is_strict: bool,
    /// How far the clocks can be apart, in microseconds.
    pub slack: u64,
    /// Up to when it is known.
    pub until: u64,
}

/// Watches a server.
#[derive(Debug)]
pub(crate) struct Watch {
    admin: Client,
    story: Mutex<Story>,
    clock: Mutex<Clock>,
}

impl Watch {
    pub(crate) fn new(admin: Client) -> Self {
        Self { admin, story: Mutex::default(), clock: Mutex::default() }
    }

    /// The last state seen.
    pub(crate) fn last(&self) -> Option<Seen> {
        self.story.lock().ok()?.seen.last().copied()
    }

    pub(crate) fn story(&self) -> Story {
        self.story.lock().map(|story| story.clone()).unwrap_or_default()
    }

    /// Looks once, so that there is a first state. What happened before doesn't matter.
    pub(crate) async fn begin(&self, recorder: &Recorder) -> Result<(), ClientError> {
        let next = self.events(0).await?.next;
        if let Ok(mut clock) = self.clock.lock() {
            *clock = Clock { next, ahead: 0, round_trip: u64::MAX };
        }
        self.look(recorder).await
    }

    /// Looks until it is dropped.
    pub(crate) async fn run(&self, recorder: &Recorder) {
        loop {
            sleep(LOOK).await;
            if let Err(error) = self.look(recorder).await {
                debug!("The admin API can't be read: {error}");
            }
        }
    }

    /// Events from that one on.
    async fn events(&self, from: u64) -> Result<Events, ClientError> {
        let path = match from.checked_sub(1) {
            Some(after) => format!("{}?after={after}", paths::EVENTS),
            None => paths::EVENTS.to_owned(),
        };
        self.admin.get(&path).await?.read()
    }

    /// Reads the state, and what has happened since the last look.
    pub(crate) async fn look(&self, recorder: &Recorder) -> Result<(), ClientError> {
        let (before, until) = (Instant::now(), recorder.now());
        let state: State = self.admin.get(paths::STATE).await?.read()?;
        let round_trip = micros(before.elapsed());
        let next = self.clock.lock().map_or(0, |clock| clock.next);
        let events = self.events(next).await?;
        let (Ok(mut story), Ok(mut clock)) = (self.story.lock(), self.clock.lock()) else { return Ok(()) };
        clock.set(&state, recorder, round_trip);
        story.until = until;
        story.is_strict = state.cutover == "strict";
        story.slack = clock.round_trip / 2 + LATE;
        story.seen.push(seen(&state, recorder.now()));
        story.happened.extend(events.events.iter().filter_map(|event| clock.happened(event, recorder)));
        let left = events.events.iter().filter(|event| event.kind == ENGINE_LEFT);
        story.left.extend(left.map(|event| event.epoch));
        clock.next = events.next;
        Ok(())
    }
}

/// The server's clock, and how far its events are read.
#[derive(Clone, Copy, Debug, Default)]
struct Clock {
    next: u64,
    /// Microseconds by which the server's clock is ahead of ours.
    ahead: i64,
    round_trip: u64,
}

impl Clock {
    /// The state says what time it is there; the quickest answer says it best.
    fn set(&mut self, state: &State, recorder: &Recorder, round_trip: u64) {
        if round_trip >= self.round_trip {
            return;
        }
        let Some(since) = time(&state.since) else { return };
        self.round_trip = round_trip;
        #[allow(clippy::cast_possible_truncation)] // Of 292 000 years.
        let there = since.timestamp_micros() + (state.phase_seconds * 1e6) as i64;
        let here = DateTime::<Utc>::from(recorder.started()).timestamp_micros()
            + i64::try_from(recorder.now().saturating_sub(round_trip / 2)).unwrap_or(i64::MAX);
        self.ahead = there - here;
    }

    fn happened(&self, event: &Event, recorder: &Recorder) -> Option<Happened> {
        let kind = Kind::named(&event.kind)?;
        let start = DateTime::<Utc>::from(recorder.started()).timestamp_micros();
        let at = u64::try_from(time(&event.time)?.timestamp_micros() - self.ahead - start).unwrap_or(0);
        Some(Happened { at, epoch: event.epoch, kind, from: event.from, to: event.to })
    }
}

/// A time of the server, which it writes as RFC 3339.
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
