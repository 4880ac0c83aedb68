//! A board that reads and a watch renew in turn.

use bytes::Bytes;
use proptest::prelude::{ProptestConfig, any, prop, proptest};
use teal_etcd::{Event, KeyValue};

use super::{status, truth};
use crate::etcd::{Board, Difference, MAX_VALUE, Prefix};

fn prefix() -> Prefix {
    Prefix::new("teal/").expect("it is good")
}

fn put(key: Bytes, value: String, revision: i64) -> Event {
    let (created, modified) = (revision, revision);
    Event::Put(KeyValue { key, value: value.into(), created, modified, version: 1, lease: 0 })
}

fn instance(lease: i64, epoch: u64, revision: i64) -> Event {
    let text = serde_json::to_string(&status(epoch)).expect("it is plain");
    put(prefix().instance(lease), text, revision)
}

fn gone(lease: i64, revision: i64) -> Event {
    Event::Deleted { key: prefix().instance(lease), revision }
}

fn take(board: &mut Board, event: Event) -> Difference {
    let revision = event.revision();
    board.take(&prefix(), &[event], revision).expect("it is good")
}

#[test]
fn instance_that_came_and_went_is_told() {
    let mut board = Board::empty(0);
    board.renew(Board::empty(9));
    assert_eq!(take(&mut board, instance(1, 1, 5)), Difference::default());
    let difference = take(&mut board, gone(1, 6));
    assert_eq!(difference, Difference { has_changed: false, has_vanished: true });
    assert_eq!(board, Board::empty(9));
}

#[test]
fn instance_missing_in_a_later_read_has_vanished() {
    let mut board = Board::empty(0);
    take(&mut board, instance(1, 1, 5));
    let difference = board.renew(Board::empty(7));
    assert_eq!(difference, Difference { has_changed: true, has_vanished: true });
    assert_eq!(board.renew(Board::empty(7)), Difference::default());
}

#[test]
fn bad_values_are_named_in_one_line() {
    let mut board = Board::empty(0);
    let long = format!("{:width$}", "{}", width = MAX_VALUE + 1);
    for (event, said) in [
        (put(prefix().state(), "{}".to_owned(), 5), "teal/state: expected the state of a switch"),
        (
            put(prefix().instance(1), "x\n".to_owned(), 5),
            "teal/instances/0000000000000001: expected the status",
        ),
        (put(prefix().state(), long, 5), "teal/state: expected at most 16384 bytes, found 16385"),
        (put(Bytes::from("teal/x"), String::new(), 5), "teal/x: expected the keys of one switch alone"),
    ] {
        let error = board.take(&prefix(), &[event], 5).expect_err(said).to_string();
        assert!(error.starts_with(said) && !error.contains('\n'), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Reads that come at any time between the events, of any revision: in the end the board is the same.
    #[test]
    fn reads_and_watch_agree(
        history in prop::collection::vec((0..4i64, any::<bool>()), 1..40),
        reads in prop::collection::vec((0..40usize, 0..40usize), 0..6),
    ) {
        let events: Vec<_> = (1..).zip(&history).map(|(revision, (lease, is_put))| match (lease, is_put) {
            (0, _) => put(prefix().state(), truth(1).text(), revision),
            (lease, true) => instance(*lease, revision.cast_unsigned(), revision),
            (lease, false) => gone(*lease, revision),
        }).collect();
        let mut boards = vec![Board::empty(0)];
        for event in &events {
            let mut board = boards[boards.len() - 1].clone();
            take(&mut board, event.clone());
            boards.push(board);
        }
        let mut board = Board::empty(0);
        for (at, event) in events.iter().enumerate() {
            for (_, of) in reads.iter().filter(|(when, _)| *when == at) {
                board.renew(boards[(at + of).min(events.len())].clone());
            }
            take(&mut board, event.clone());
            assert_eq!(&board, &boards[usize::try_from(board.revision).expect("it is small")]);
        }
        assert_eq!(&board, &boards[events.len()]);
    }
}
