//! Promise 6: what judging and switching cost does not grow with the queries on record. It is measured in a program of
//! its own, so that nothing else runs meanwhile. Times are compared with each other, each the shortest of many, so that
//! a slow machine changes nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use protocol::{CallKind, Strategy};
use teal_switch::{Actor, Arrival, Command, Header, Order, Phase, RequestGuard, Rules, Switch};

const FEW: usize = 64;
const MANY: usize = 50_000;
const TIMES: u32 = 40;

const BLUE: Header = Header::Names(Strategy::Blue);

/// The shortest of the times that this took.
fn shortest(mut act: impl FnMut()) -> Duration {
    let each = (0..TIMES).map(|_| {
        let start = Instant::now();
        act();
        start.elapsed()
    });
    each.min().unwrap()
}

fn call(switch: &Switch, kind: CallKind, query: Option<&str>, header: Header) -> RequestGuard {
    switch.arrive(Arrival { kind, query, header }).unwrap()
}

fn operate(switch: &Switch, command: Command) {
    // A command that does not fit the phase changes nothing.
    _ = switch.command(command, Order::by(Actor::Operator));
}

async fn pass(time: Duration) {
    tokio::task::yield_now().await;
    tokio::time::advance(time).await;
}

/// What it costs to judge each kind of request, to turn, and to end a drain, with so many on record.
async fn costs(queries: usize) -> [Duration; 5] {
    // Nobody runs the timer: what is taken off the record is dropped at the end.
    let (switch, _timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    let fill = || {
        for number in 0..queries {
            let mut begin = call(&switch, CallKind::Begin, None, Header::Absent);
            begin.begun(&format!("query-{number}"));
            begin.answered(true);
        }
    };
    fill();
    let neutral = shortest(|| drop(black_box(call(&switch, CallKind::Neutral, None, BLUE))));
    let continues = shortest(|| drop(black_box(call(&switch, CallKind::Continue, Some("query-17"), BLUE))));
    let begin = shortest(|| drop(black_box(call(&switch, CallKind::Begin, None, BLUE))));
    operate(&switch, Command::Announce { to: None });
    operate(&switch, Command::Abort);
    let turns = shortest(|| {
        operate(&switch, Command::Rollback);
        operate(&switch, Command::Abort);
    });
    let mut gives_up = Duration::MAX;
    for _ in 0..3 {
        // What blue had is given up, and green is the next to be drained.
        operate(&switch, Command::Rollback);
        operate(&switch, Command::Announce { to: None });
        operate(&switch, Command::Cutover { force: false });
        pass(Duration::from_secs(299)).await;
        assert!(!matches!(switch.snapshot().phase, Phase::Stable { .. }));
        pass(Duration::from_secs(1)).await;
        let start = Instant::now();
        switch.snapshot();
        gives_up = gives_up.min(start.elapsed());
        assert!(matches!(switch.snapshot().phase, Phase::Stable { .. }));
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
