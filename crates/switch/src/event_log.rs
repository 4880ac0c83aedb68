//! The event log for operators: the latest transitions, commands and refusals, in order.

use std::{collections::VecDeque, sync::Arc};

use chrono::{DateTime, Utc};
use parking_lot::{Mutex, MutexGuard};
use protocol::Strategy;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    phase::{Actor, Transition},
    rules::Cutover,
};

/// The number of events kept.
pub const KEPT: usize = 10_000;

/// All kinds of events.
pub const KINDS: [&str; 25] = [
    "announced",
    "cut_over",
    "aborted",
    "drained",
    "drain_timed_out",
    "refused",
    "engine_left",
    "timer_paused",
    "timer_resumed",
    "reloaded",
    "reload_refused",
    "fault",
    "instance_joined",
    "instance_gone",
    "agreed",
    "waiting",
    "etcd_silent",
    "etcd_answers",
    "etcd_full",
    "etcd_has_room",
    "settings_differ",
    "same_name",
    "cut_off",
    "back",
    "restored",
];

/// A new event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewEvent {
    /// One of [`KINDS`], for machines, such as `cut_over`.
    pub kind: &'static str,
    /// The epoch of the switch, after a transition.
    pub epoch: u64,
    /// The strategy before it, if any.
    pub from: Option<Strategy>,
    /// The strategy after it, if any.
    pub to: Option<Strategy>,
    /// The event in one sentence.
    pub message: String,
    /// For a transition that several instances share: when one of them proposed it, in milliseconds since 1970. All of
    /// them have the same.
    pub proposed_at: Option<u64>,
    /// More fields, depending on the kind.
    pub details: Map<String, Value>,
}

/// An event with its id and time.
#[derive(Clone, Debug)]
pub struct Event {
    /// 1 and up, without gaps.
    pub id: u64,
    /// The time of the event.
    pub time: DateTime<Utc>,
    /// The event.
    pub note: NewEvent,
}

/// The last [`KEPT`] events. Clones share them.
#[derive(Clone, Debug)]
pub struct EventLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<VecDeque<Arc<Event>>>,
    next: watch::Sender<u64>,
    started: DateTime<Utc>,
}

impl Default for EventLog {
    fn default() -> Self {
        let (next, _) = watch::channel(1);
        Self { shared: Arc::new(Shared { kept: Mutex::default(), next, started: Utc::now() }) }
    }
}

impl EventLog {
    /// Adds an event, and returns its id.
    pub fn note(&self, note: NewEvent) -> u64 {
        #[cfg(test)]
        assert!(KINDS.contains(&note.kind), "{} is not among the kinds", note.kind);
        let mut kept = self.kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let id = *self.shared.next.borrow();
        kept.push_back(Arc::new(Event { id, time: Utc::now(), note }));
        self.shared.next.send_replace(id + 1);
        id
    }

    /// Returns the events after the one of that id, oldest first, at most `limit`.
    pub fn after(&self, id: u64, limit: usize) -> Vec<Arc<Event>> {
        let kept = self.kept();
        let first = kept.front().map_or(0, |record| record.id);
        let passed = usize::try_from((id.saturating_add(1)).saturating_sub(first)).unwrap_or(usize::MAX);
        kept.iter().skip(passed).take(limit).cloned().collect()
    }

    /// The id of the next event.
    pub fn next(&self) -> u64 {
        *self.shared.next.borrow()
    }

    /// Watches for events: the value is the id of the next one.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.next.subscribe()
    }

    /// When the log was begun. No two runs of a server have the same value.
    pub fn started(&self) -> DateTime<Utc> {
        self.shared.started
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Event>>> {
        self.shared.kept.lock()
    }
}

impl NewEvent {
    /// Creates the event of a transition into `epoch`, with the number of queries that it abandoned.
    pub(super) fn transition(
        transition: Transition,
        epoch: u64,
        left: usize,
        cutover: Cutover,
        by: Actor,
    ) -> Self {
        let phase = transition.phase(cutover);
        let mut details = Map::from_iter([
            ("by".to_owned(), by.as_str().into()),
            ("phase".to_owned(), phase.as_str().into()),
        ]);
        let (kind, from, to) = match transition {
            Transition::Announced { from, to } => ("announced", Some(from), Some(to)),
            Transition::CutOver { from, to } => ("cut_over", Some(from), Some(to)),
            Transition::Aborted { withdrawn } => ("aborted", Some(withdrawn), Some(withdrawn.other())),
            Transition::Drained { old } => ("drained", Some(old), Some(old.other())),
            Transition::DrainTimedOut { old } => {
                details.insert("abandoned".to_owned(), left.into());
                ("drain_timed_out", Some(old), Some(old.other()))
            }
        };
        Self { kind, epoch, from, to, message: transition.message(left), details, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(message: impl ToString) -> NewEvent {
        NewEvent { kind: "fault", message: message.to_string(), ..NewEvent::default() }
    }

    fn ids(records: &[Arc<Event>]) -> Vec<u64> {
        records.iter().map(|record| record.id).collect()
    }

    #[test]
    fn events_are_read_from_where_one_left_off() {
        let event_log = EventLog::default();
        assert_eq!((event_log.next(), event_log.after(0, KEPT).len()), (1, 0));
        for number in 1..=3 {
            assert_eq!(event_log.note(note(number)), number);
        }
        assert_eq!(ids(&event_log.after(0, KEPT)), [1, 2, 3]);
        assert_eq!(ids(&event_log.after(1, 1)), [2]);
        assert_eq!(ids(&event_log.after(3, KEPT)), Vec::<u64>::new());
        assert_eq!(ids(&event_log.after(u64::MAX, KEPT)), Vec::<u64>::new());
    }

    #[test]
    fn the_oldest_events_leave_and_ids_go_on() {
        let event_log = EventLog::default();
        for number in 0..KEPT + 5 {
            event_log.note(note(number));
        }
        let kept = event_log.after(0, usize::MAX);
        assert_eq!((kept.len(), kept[0].id, kept[0].note.message.as_str()), (KEPT, 6, "5"));
        assert_eq!(ids(&event_log.after(7, 2)), [8, 9]);
        assert_eq!(event_log.next(), KEPT as u64 + 6);
    }

    #[tokio::test]
    async fn a_change_is_told() {
        let event_log = EventLog::default();
        let mut changed = event_log.changed();
        event_log.note(note("one"));
        changed.changed().await.unwrap();
        assert_eq!(*changed.borrow_and_update(), 2);
    }
}
