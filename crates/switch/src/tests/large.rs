//! Promise 6: what judging and switching cost does not grow with the queries on record. Times are
//! compared with each other, each the shortest of many, so that a slow machine changes nothing.

use std::{hint::black_box, time::Instant as Clock};

use super::*;

const FEW: usize = 64;
const MANY: usize = 50_000;
const TIMES: u32 = 40;

/// The shortest of the times that this took.
fn shortest(mut act: impl FnMut()) -> Duration {
    let each = (0..TIMES).map(|_| {
        let start = Clock::now();
        act();
        start.elapsed()
    });
    each.min().unwrap()
}

/// What it costs to judge each kind of request, to turn, and to end a drain, with so many on record.
async fn costs(queries: usize) -> [Duration; 5] {
    // Nobody runs the timer: what is taken off the record is dropped at the end.
    let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    let fill = || (0..queries).for_each(|number| switch.begin(&format!("query-{number}"), Header::Absent));
    fill();
    let neutral = shortest(|| drop(black_box(switch.call(Action::Neutral, BLUE))));
    let continues = shortest(|| drop(black_box(switch.call(Action::Continue("query-17"), BLUE))));
    let begin = shortest(|| drop(black_box(switch.call(Action::Begin, BLUE))));
    switch.operate(Command::Announce { to: None }).unwrap();
    switch.operate(Command::Abort).unwrap();
    let turns = shortest(|| {
        switch.operate(Command::Rollback).unwrap();
        switch.operate(Command::Abort).unwrap();
    });
    let mut gives_up = Duration::MAX;
    for _ in 0..3 {
        // What blue had is given up, and green is the next to be drained.
        let _ = switch.operate(Command::Rollback);
        let _ = switch.operate(Command::Announce { to: None });
        switch.operate(Command::Cutover { force: false }).unwrap();
        pass(secs(299)).await;
        switch.snapshot();
        pass(secs(1)).await;
        let start = Clock::now();
        switch.snapshot();
        gives_up = gives_up.min(start.elapsed());
        assert_eq!(switch.phase().0, "STABLE");
        fill();
    }
    [neutral, continues, begin, turns, gives_up]
}

#[tokio::test(start_paused = true)]
async fn costs_do_not_grow_with_the_record() {
    let (few, many) = (costs(FEW).await, costs(MANY).await);
    for (what, (few, many)) in
        ["a neutral call", "a call about a query", "a begin", "two transitions", "a drain given up"]
            .into_iter()
            .zip(few.into_iter().zip(many))
    {
        let most = 10 * few + Duration::from_micros(50);
        assert!(many < most, "{what}: {few:?} with {FEW} queries on record, {many:?} with {MANY}");
    }
}
