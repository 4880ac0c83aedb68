//! `GET /api/v1/events`, and the same events as server-sent events.

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Json, extract,
    http::{HeaderMap, StatusCode},
    response::sse::{self, KeepAlive, Sse},
};
use futures::{Stream, stream};
use protocol::Strategy;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switch::{Event as LoggedEvent, KEPT};
use tokio::{
    sync::watch,
    time::{Instant, Interval, MissedTickBehavior, interval_at},
};
use utoipa::{IntoParams, ToSchema};

use super::{Params, Problem, Shared, paths, state::rfc3339};

/// The longest time between two `state` messages.
const BEAT: Duration = Duration::from_secs(1);
/// The keep-alive interval if there is no switch, and so no state.
const QUIET: Duration = Duration::from_secs(10);
/// The number of events that are prepared at once for one reader.
const BATCH: usize = 256;

/// The most recent events, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Events {
    /// At most 10 000 are kept.
    pub events: Vec<Event>,
    /// The id that the next event will have.
    pub next: u64,
}

/// An event. Some kinds have fields of their own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Counts from 1, without gaps.
    pub id: u64,
    /// When it happened.
    #[schema(format = DateTime)]
    pub time: String,
    /// The epoch of the switch, after a transition.
    pub epoch: u64,
    /// `announced`, `cut_over`, `aborted`, `drained` and `drain_timed_out` are transitions: they also have the actor,
    /// `by`, and the `phase` that they led to. Other kinds are `refused`, `engine_left`, `timer_paused`,
    /// `timer_resumed`, `reloaded`, `reload_refused`, `fault` and more. With `--etcd` there are also `instance_joined`,
    /// `instance_gone`, `agreed`, `waiting`, `cut_off`, `back` and `restored`: of this instance, or seen by it.
    #[schema(example = "cut_over")]
    pub kind: String,
    /// The strategy that the transition leaves.
    #[schema(required)]
    pub from: Option<Strategy>,
    /// The strategy that the transition leads to.
    #[schema(required)]
    pub to: Option<Strategy>,
    /// A sentence for people.
    pub message: String,
    /// Further fields of this kind of event.
    #[serde(flatten)]
    #[schema(value_type = std::collections::HashMap<String, Value>)]
    pub details: Map<String, Value>,
}

/// Which events to return.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Return events after this id.
    #[param(minimum = 0)]
    after: Option<i64>,
}

impl Which {
    fn after(&self) -> Result<Option<u64>, Problem> {
        self.after.map(u64::try_from).transpose().map_err(|_| {
            let expected = "after: expected a whole number of 0 or more";
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_parameter", expected)
        })
    }
}

/// Return the most recent events: transitions, commands, refusals.
#[utoipa::path(get, path = paths::EVENTS, tag = "events", params(Which), responses((status = 200, body = Events)))]
pub(super) async fn events(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
) -> Result<Json<Events>, Problem> {
    let event_log = &shared.admin.event_log;
    let events = event_log.after(which.after()?.unwrap_or(0), KEPT);
    let next = events.last().map_or_else(|| event_log.next(), |last| last.id + 1);
    Ok(Json(Events { events: events.iter().map(|record| Event::from(&**record)).collect(), next }))
}

/// Stream events as they happen, as server-sent events. The state follows each event, and comes once a second. The
/// stream resumes after `Last-Event-ID` or `after`, and otherwise starts now.
#[utoipa::path(get, path = paths::EVENT_STREAM, tag = "events",
    params(Which, ("last-event-id" = Option<String>, Header, description = "The id of the last event that was received")),
    responses((status = 200, description = "`event: KIND`, `id: RUN-ID`, `data: the event`; `event: state`, `data: the state`",
        content_type = "text/event-stream", body = String)))]
pub(super) async fn stream(
    extract::State(shared): extract::State<Arc<Shared>>,
    Params(which): Params<Which>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Problem> {
    let last = headers.get("last-event-id").map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
    let reader = Reader::new(shared, last, which.after()?);
    let events = stream::unfold(reader, |mut reader| async {
        let event = reader.next().await?;
        Some((Ok(event), reader))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(QUIET)))
}

/// The position of one reader of the stream.
struct Reader {
    shared: Arc<Shared>,
    /// The id of the last event it received.
    after: u64,
    ready: VecDeque<sse::Event>,
    changed: watch::Receiver<u64>,
    beat: Interval,
}

impl Reader {
    fn new(shared: Arc<Shared>, last: Option<String>, after: Option<u64>) -> Self {
        let next = shared.admin.event_log.next();
        let after = match last {
            Some(last) => shared.position(&last),
            None => after.unwrap_or(next - 1),
        };
        let mut changed = shared.admin.event_log.changed();
        changed.mark_changed();
        let mut beat = interval_at(Instant::now() + BEAT, BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // An id from the future belongs to an earlier run of the server.
        let after = if after < next { after } else { 0 };
        Self { shared, after, ready: VecDeque::new(), changed, beat }
    }

    /// Waits for the next event; `None` when the server shuts down.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let end = self.shared.end.clone();
            tokio::select! {
                biased;
                () = end.cancelled() => return None,
                _ = self.changed.changed() => {}
                _ = self.beat.tick(), if self.shared.admin.switch.is_some() => {}
            }
            self.fill();
        }
    }

    fn fill(&mut self) {
        let run = self.shared.run();
        let records = self.shared.admin.event_log.after(self.after, BATCH);
        if records.len() == BATCH {
            self.changed.mark_changed();
        }
        for record in records {
            self.after = record.id;
            let event = sse::Event::default().event(record.note.kind).id(format!("{run}-{}", record.id));
            self.ready.extend(event.json_data(Event::from(&*record)));
        }
        if let Some(switch) = &self.shared.admin.switch {
            let state = self.shared.state(switch.view());
            self.ready.extend(sse::Event::default().event("state").json_data(state));
        }
    }
}

impl Shared {
    /// An id of this run of the server.
    pub(super) fn run(&self) -> String {
        format!("{:x}", self.admin.event_log.started().timestamp_micros())
    }

    /// Where a reader of a stream left off in this run of the server, by the id that it has seen last.
    pub(super) fn position(&self, last: &str) -> u64 {
        match last.rsplit_once('-') {
            Some((run, id)) if run == self.run() => id.parse().unwrap_or(0),
            Some(_) => 0,
            None => last.parse().unwrap_or(0),
        }
    }
}

impl From<&LoggedEvent> for Event {
    fn from(record: &LoggedEvent) -> Self {
        let note = record.note.clone();
        Self {
            id: record.id,
            time: rfc3339(record.time),
            epoch: note.epoch,
            kind: note.kind.to_owned(),
            from: note.from,
            to: note.to,
            message: note.message,
            details: note.details,
        }
    }
}
