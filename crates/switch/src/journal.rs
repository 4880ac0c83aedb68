//! What happened, for operators: transitions, commands and refusals, the last of them in order.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use protocol::Strategy;
use serde_json::{Map, Value};
use tokio::sync::watch;

use super::{
    phase::{Actor, Transition},
    rules::Cutover,
};

/// How many events are kept.
pub const KEPT: usize = 10_000;

/// What there is to say about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// A word for machines, such as `cut_over`.
    pub kind: &'static str,
    /// The epoch of the switch, after a transition.
    pub epoch: u64,
    /// The strategy that was left, where there is one.
    pub from: Option<Strategy>,
    /// The strategy that is turned to, where there is one.
    pub to: Option<Strategy>,
    /// One sentence for people.
    pub message: String,
    /// What else its kind has to tell.
    pub details: Map<String, Value>,
}

/// An event that is kept.
#[derive(Clone, Debug)]
pub struct Record {
    /// 1 and up, without gaps.
    pub id: u64,
    /// When it was noted.
    pub time: DateTime<Utc>,
    /// What happened.
    pub note: Note,
}

/// The last [`KEPT`] events. A clone is the same journal.
#[derive(Clone, Debug)]
pub struct Journal {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    kept: Mutex<VecDeque<Arc<Record>>>,
    next: watch::Sender<u64>,
    started: DateTime<Utc>,
}

impl Default for Journal {
    fn default() -> Self {
        let (next, _) = watch::channel(1);
        Self { shared: Arc::new(Shared { kept: Mutex::default(), next, started: Utc::now() }) }
    }
}

impl Journal {
    /// Keeps an event, and returns its id.
    pub fn note(&self, note: Note) -> u64 {
        let mut kept = self.kept();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        let id = *self.shared.next.borrow();
        kept.push_back(Arc::new(Record { id, time: Utc::now(), note }));
        self.shared.next.send_replace(id + 1);
        id
    }

    /// Events after the one of that id, oldest first, so many at most.
    pub fn after(&self, id: u64, limit: usize) -> Vec<Arc<Record>> {
        let kept = self.kept();
        let first = kept.front().map_or(0, |record| record.id);
        let passed = usize::try_from((id.saturating_add(1)).saturating_sub(first)).unwrap_or(usize::MAX);
        kept.iter().skip(passed).take(limit).cloned().collect()
    }

    /// The id of the next event.
    pub fn next(&self) -> u64 {
        *self.shared.next.borrow()
    }

    /// Tells of each event, by the id of the next one.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.shared.next.subscribe()
    }

    /// When the journal was begun: no two runs of a server have the same.
    pub fn started(&self) -> DateTime<Utc> {
        self.shared.started
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Arc<Record>>> {
        self.shared.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Note {
    /// A step of the switch into `epoch`, with the queries that were left behind at it.
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
        Self { kind, epoch, from, to, message: transition.told(left), details }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(message: impl ToString) -> Note {
        Note { kind: "test", message: message.to_string(), ..Note::default() }
    }

    fn ids(records: &[Arc<Record>]) -> Vec<u64> {
        records.iter().map(|record| record.id).collect()
    }

    #[test]
    fn events_are_read_from_where_one_left_off() {
        let journal = Journal::default();
        assert_eq!((journal.next(), journal.after(0, KEPT).len()), (1, 0));
        for number in 1..=3 {
            assert_eq!(journal.note(note(number)), number);
        }
        assert_eq!(ids(&journal.after(0, KEPT)), [1, 2, 3]);
        assert_eq!(ids(&journal.after(1, 1)), [2]);
        assert_eq!(ids(&journal.after(3, KEPT)), Vec::<u64>::new());
        assert_eq!(ids(&journal.after(u64::MAX, KEPT)), Vec::<u64>::new());
    }

    #[test]
    fn the_oldest_events_leave_and_ids_go_on() {
        let journal = Journal::default();
        for number in 0..KEPT + 5 {
            journal.note(note(number));
        }
        let kept = journal.after(0, usize::MAX);
        assert_eq!((kept.len(), kept[0].id, kept[0].note.message.as_str()), (KEPT, 6, "5"));
        assert_eq!(ids(&journal.after(7, 2)), [8, 9]);
        assert_eq!(journal.next(), KEPT as u64 + 6);
    }

    #[tokio::test]
    async fn a_change_is_told() {
        let journal = Journal::default();
        let mut changed = journal.changed();
        journal.note(note("one"));
        changed.changed().await.unwrap();
        assert_eq!(*changed.borrow_and_update(), 2);
    }
}
