//! The copy of the record, alone and while it keeps up with etcd.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::prelude::{ProptestConfig, any, prop, proptest};
use protocol::Strategy::{self, Blue, Green};

use crate::{
    Cutover, Query,
    course::Course,
    etcd::{Known, LEFT_FOR, MAX_LEFT, RecordChange, RecordCopy},
    phase_name::PhaseName,
};

const BLUE: Query = Query { strategy: Blue, birth: 3 };

fn put(id: &str, query: Query, revision: i64) -> RecordChange {
    RecordChange::Put { id: id.into(), query, revision }
}

fn deleted(id: &str, revision: i64) -> RecordChange {
    RecordChange::Deleted { id: id.into(), revision }
}

#[test]
fn copy_follows_puts_and_deletions() {
    let (mut copy, now) = (RecordCopy::default(), Instant::now());
    copy.take([put("a", BLUE, 2), put("b", BLUE, 3)], 3, now);
    assert_eq!((copy.get("a", now), copy.get("c", now)), (Known::OnRecord(BLUE), Known::Unknown));
    copy.take([deleted("a", 4)], 4, now);
    assert_eq!((copy.get("a", now), copy.len(), copy.keys(), copy.revision()), (Known::Left, 1, 1, 4));
}

#[test]
fn what_has_left_is_known_for_a_minute() {
    let (mut copy, now) = (RecordCopy::default(), Instant::now());
    copy.take([put("a", BLUE, 2), deleted("a", 3)], 3, now);
    assert_eq!(copy.get("a", now + LEFT_FOR - Duration::from_millis(1)), Known::Left);
    assert_eq!(copy.get("a", now + LEFT_FOR), Known::Unknown);
}

#[test]
fn what_has_left_is_known_of_so_many() {
    let (mut copy, now) = (RecordCopy::default(), Instant::now());
    let all = i64::try_from(MAX_LEFT).expect("it is small") + 1;
    copy.take((1..=all).map(|revision| deleted(&revision.to_string(), revision)), all, now);
    assert_eq!((copy.get("1", now), copy.get("2", now)), (Known::Unknown, Known::Left));
}

#[test]
fn own_put_counts_before_the_watch_shows_it() {
    let (mut copy, now) = (RecordCopy::default(), Instant::now());
    copy.put("a", BLUE, 5);
    assert_eq!((copy.get("a", now), copy.keys()), (Known::OnRecord(BLUE), 0));
    copy.take([put("a", BLUE, 5)], 5, now);
    assert_eq!((copy.len(), copy.keys()), (1, 1));
    copy.take([deleted("a", 6)], 6, now);
    copy.put("a", BLUE, 5);
    assert_eq!(copy.get("a", now), Known::Left, "the answer to the put came last");
}

#[test]
fn own_end_counts_before_the_watch_shows_it() {
    let (mut copy, now) = (RecordCopy::default(), Instant::now());
    copy.put("a", BLUE, 5);
    assert_eq!(copy.end("a", None, now), Some(BLUE));
    assert_eq!(copy.end("a", None, now), None, "a cursor clears twice");
    copy.take([put("a", BLUE, 5)], 5, now);
    assert_eq!((copy.get("a", now + LEFT_FOR), copy.len(), copy.keys()), (Known::Left, 0, 1));
    copy.deleted("a", 6);
    assert_eq!(copy.keys(), 1, "at the copy's revision the key is there");
    copy.take([deleted("a", 6)], 6, now);
    assert_eq!((copy.get("a", now + LEFT_FOR), copy.keys()), (Known::Unknown, 0));
}

#[test]
fn list_keeps_what_is_newer() {
    let (mut copy, now) = (RecordCopy::default(), Instant::now());
    copy.take([put("old", BLUE, 2), put("ended", BLUE, 3)], 3, now);
    copy.put("new", BLUE, 9);
    copy.end("ended", None, now);
    copy.replace([("ended".into(), BLUE, 3), ("listed".into(), BLUE, 6)], 7);
    let known = ["old", "ended", "new", "listed"].map(|id| copy.get(id, now));
    assert_eq!(known, [Known::Unknown, Known::Left, Known::OnRecord(BLUE), Known::OnRecord(BLUE)]);
    assert_eq!((copy.len(), copy.keys(), copy.revision()), (2, 2, 7));
}

/// Counts as the paper of the rules defines them, query by query.
fn counted(queries: &BTreeMap<u8, Query>, holds: impl Fn(&Query) -> bool) -> u64 {
    queries.values().filter(|query| holds(query)).count() as u64
}

fn course(active: Strategy, withheld: u64, closed: [u64; 2]) -> Course {
    Course { phase: PhaseName::Draining, withheld, closed, ..Course::stable(active, Cutover::Drain, 9) }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever this instance puts and ends, and however late the watch and the answers are: in the end the copy is what
    /// etcd holds, and at every moment it knows how many keys etcd had at its revision.
    #[test]
    fn copy_is_only_late(
        steps in prop::collection::vec((0..6u8, 0..5u8, any::<bool>(), 0..4u64), 1..80),
        (withheld, closed) in (0..5u64, [0..4u64, 0..4u64]),
    ) {
        let (mut copy, now) = (RecordCopy::default(), Instant::now());
        // The store: each query that is there, what happened by revision, and how many keys there were then.
        let (mut there, mut log, mut counts) = (BTreeMap::new(), Vec::new(), vec![0]);
        // Own puts, and own deletions, whose answers are to come.
        let (mut puts, mut deletions) = (Vec::new(), Vec::new());
        let (mut shown, mut gone) = (0, Vec::new());
        for (what, id, is_late, birth) in steps {
            let name = id.to_string();
            let revision = i64::try_from(log.len()).expect("it is small") + 1;
            let query = Query { strategy: if id % 2 == 0 { Blue } else { Green }, birth };
            match what {
                // No id comes again.
                0 | 1 if !there.contains_key(&id) && !gone.contains(&id) => {
                    there.insert(id, query);
                    log.push(put(&name, query, revision));
                    counts.push(there.len());
                    if what == 0 {
                        puts.push((name, query, revision));
                    }
                }
                2 if there.remove(&id).is_some() => {
                    gone.push(id);
                    if copy.end(&name, None, now).is_some() {
                        deletions.push((name.clone(), revision));
                    }
                    log.push(deleted(&name, revision));
                    counts.push(there.len());
                }
                3 if !is_late => {
                    for (name, query, revision) in puts.drain(..) {
                        copy.put(&name, query, revision);
                    }
                }
                4 if !is_late => {
                    for (name, revision) in deletions.drain(..) {
                        copy.deleted(&name, revision);
                    }
                }
                5 if shown < log.len() => {
                    shown = if is_late { shown + 1 } else { log.len() };
                    let revision = i64::try_from(shown).expect("it is small");
                    let seen = usize::try_from(copy.revision()).expect("it is small");
                    copy.take(log[seen..shown].to_vec(), revision, now);
                }
                _ => {}
            }
            assert_eq!(copy.keys(), counts[usize::try_from(copy.revision()).expect("it is small")]);
        }
        for (name, query, revision) in puts {
            copy.put(&name, query, revision);
        }
        let seen = usize::try_from(copy.revision()).expect("it is small");
        copy.take(log[seen..].to_vec(), i64::try_from(log.len()).expect("it is small"), now);
        assert_eq!((copy.len(), copy.keys()), (there.len(), there.len()));
        for active in Strategy::ALL {
            let course = course(active, withheld, closed);
            let holds = |query: &Query| course.holds_drain(query.strategy, query.birth);
            assert_eq!(copy.holding(&course), counted(&there, holds));
            let of = Strategy::ALL.map(|strategy| {
                counted(&there, |query| query.strategy == strategy && course.remembers(strategy, query.birth))
            });
            assert_eq!(copy.queries(&course), of);
        }
    }
}
