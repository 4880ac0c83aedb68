//! Assembles the messages of a watch's stream into whole revisions.

use super::{Changes, Event};
use crate::{MAX_EVENTS, pb, pb::WatchResponse, pb::event::EventType};

/// How far a watch has come, over all its streams.
pub(super) struct Inbox {
    /// The first revision that was not handed on.
    next: i64,
    /// Events of a revision of which more is to come.
    held: Vec<pb::Event>,
}

/// The effect of a message.
#[derive(Debug)]
pub(super) enum News {
    None,
    Changes(Changes),
    /// The revision that was asked for is gone; the oldest that is left.
    Compacted {
        asked: i64,
        revision: i64,
    },
    /// The member ends the watch for another reason.
    Canceled(String),
    /// A revision has more events than are collected.
    TooMany {
        revision: i64,
    },
}

impl Inbox {
    pub(super) fn new(next: i64) -> Self {
        Self { next, held: Vec::new() }
    }

    /// Where the next stream begins.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// The stream is lost: the next one begins with a whole revision.
    pub(super) fn interrupted(&mut self) {
        self.held = Vec::new();
    }

    /// Takes an answer for the watch of this id.
    pub(super) fn take(&mut self, answer: WatchResponse, id: i64) -> News {
        if answer.compact_revision > 0 {
            return News::Compacted { asked: self.next, revision: answer.compact_revision };
        }
        if answer.canceled {
            return News::Canceled(answer.cancel_reason);
        }
        if answer.events.is_empty() {
            // Sent in turn with the events, it says that none is missing. An answer to a request for progress, which has
            // no id, says nothing of the kind: before 3.4.25 and 3.5.8 it overtakes events.
            let is_progress = !answer.created && answer.watch_id == id && self.held.is_empty();
            if let Some(header) = answer.header.filter(|_| is_progress) {
                self.next = self.next.max(header.revision + 1);
            }
            return News::None;
        }
        self.held.extend(answer.events.into_iter().filter(|event| revision(event) >= self.next));
        let Some(last) = self.held.last().map(revision) else { return News::None };
        // More of the last revision may come with the next fragment.
        let whole = match answer.fragment {
            true => self.held.partition_point(|event| revision(event) < last),
            false => self.held.len(),
        };
        if self.held.len() - whole > MAX_EVENTS {
            return News::TooMany { revision: last };
        }
        let events: Vec<Event> = self.held.drain(..whole).map(Event::from).collect();
        let Some(revision) = events.last().map(Event::revision) else { return News::None };
        self.next = revision + 1;
        News::Changes(Changes { revision, events })
    }
}

fn revision(event: &pb::Event) -> i64 {
    event.kv.as_ref().map_or(0, |entry| entry.mod_revision)
}

impl Event {
    /// The revision in which it happened.
    pub fn revision(&self) -> i64 {
        match self {
            Self::Put(entry) => entry.modified,
            Self::Deleted { revision, .. } => *revision,
        }
    }
}

impl From<pb::Event> for Event {
    fn from(event: pb::Event) -> Self {
        let is_delete = event.r#type() == EventType::Delete;
        let entry = event.kv.unwrap_or_default();
        match is_delete {
            true => Self::Deleted { key: entry.key, revision: entry.mod_revision },
            false => Self::Put(entry.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, News};
    use crate::{
        MAX_EVENTS,
        pb::{Event, KeyValue, ResponseHeader, WatchResponse},
    };

    fn events(revisions: &[i64], fragment: bool) -> WatchResponse {
        let event = |revision: &i64| {
            let kv = Some(KeyValue { mod_revision: *revision, ..KeyValue::default() });
            Event { kv, ..Event::default() }
        };
        WatchResponse { events: revisions.iter().map(event).collect(), fragment, ..WatchResponse::default() }
    }

    /// The revision handed on, and how many events.
    fn taken(inbox: &mut Inbox, answer: WatchResponse) -> (i64, usize) {
        match inbox.take(answer, 0) {
            News::Changes(changes) => (changes.revision, changes.events.len()),
            News::None => (0, 0),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fragment_waits_for_the_rest_of_a_revision() {
        let mut inbox = Inbox::new(5);
        assert_eq!(taken(&mut inbox, events(&[5, 6, 6], true)), (5, 1));
        assert_eq!(taken(&mut inbox, events(&[6], true)), (0, 0));
        assert_eq!(inbox.next(), 6);
        assert_eq!(taken(&mut inbox, events(&[6, 7], false)), (7, 5));
        assert_eq!(inbox.next(), 8);
    }

    #[test]
    fn broken_fragment_comes_again_whole() {
        let mut inbox = Inbox::new(5);
        assert_eq!(taken(&mut inbox, events(&[5, 5], true)), (0, 0));
        inbox.interrupted();
        assert_eq!(inbox.next(), 5);
        assert_eq!(taken(&mut inbox, events(&[5, 5, 5], false)), (5, 3));
    }

    #[test]
    fn what_was_seen_is_not_handed_on_again() {
        let mut inbox = Inbox::new(7);
        assert_eq!(taken(&mut inbox, events(&[5, 6], false)), (0, 0));
        assert_eq!(taken(&mut inbox, events(&[6, 7], false)), (7, 1));
    }

    #[test]
    fn progress_counts_only_in_turn_with_events() {
        let progress = |watch_id| WatchResponse {
            header: Some(ResponseHeader { revision: 40, ..ResponseHeader::default() }),
            watch_id,
            ..WatchResponse::default()
        };
        let mut inbox = Inbox::new(5);
        assert!(matches!(inbox.take(progress(-1), 0), News::None));
        assert_eq!(inbox.next(), 5);
        assert!(matches!(inbox.take(WatchResponse { created: true, ..progress(0) }, 0), News::None));
        assert_eq!(inbox.next(), 5);
        assert!(matches!(inbox.take(progress(0), 0), News::None));
        assert_eq!(inbox.next(), 41);
    }

    #[test]
    fn revision_of_too_many_events_is_refused() {
        let mut inbox = Inbox::new(5);
        assert_eq!(taken(&mut inbox, events(&[5; MAX_EVENTS], true)), (0, 0));
        assert!(matches!(inbox.take(events(&[5], true), 0), News::TooMany { revision: 5 }));
    }
}
