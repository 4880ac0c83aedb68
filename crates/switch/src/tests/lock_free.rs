//! What is read without a lock, under every interleaving that the memory model allows.

mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

// Compiled once more, with loom's atomics.
#[allow(clippy::duplicate_mod)]
#[path = "../target_strategy.rs"]
mod target_strategy;

#[allow(clippy::duplicate_mod)]
#[path = "../in_flight.rs"]
mod in_flight;

#[allow(clippy::duplicate_mod)]
#[path = "../closed.rs"]
mod closed;

use closed::Closed;
use loom::{
    sync::{Arc, Mutex},
    thread,
};
use protocol::Strategy::{Blue, Green};
use target_strategy::TargetStrategy;

use in_flight::InFlight;

/// Promise 2: whoever is told of green finds green let in, for the phase is written before the heading.
#[test]
fn accepting_comes_before_announcing() {
    loom::model(|| {
        let shared = Arc::new((Mutex::new("STABLE"), TargetStrategy::new(Blue, 0)));
        let announcing = thread::spawn({
            let shared = shared.clone();
            move || {
                let mut phase = shared.0.lock().unwrap();
                *phase = "ANNOUNCED";
                shared.1.set(Green, 1, false);
            }
        });
        if shared.1.get().0 == Green {
            assert_eq!(*shared.0.lock().unwrap(), "ANNOUNCED");
        }
        announcing.join().unwrap();
    });
}

#[test]
fn strategy_and_announcement_are_read_as_one() {
    loom::model(|| {
        let heading = Arc::new(TargetStrategy::new(Blue, 0));
        let turning = thread::spawn({
            let heading = heading.clone();
            move || {
                heading.set(Green, 1, false);
                heading.set(Blue, 2, false);
            }
        });
        assert!([(Blue, 0), (Green, 1), (Blue, 2)].contains(&heading.get()));
        turning.join().unwrap();
        assert_eq!((heading.get(), heading.told()), ((Blue, 2), Some((Blue, 2))));
        heading.set(Green, 3, true);
        assert_eq!((heading.get(), heading.told()), ((Green, 3), None));
    });
}

/// Promise 4: a request that passes by the lock is counted by the change before which it came, or is
/// not let in by what that change has shut.
#[test]
fn a_change_counts_who_passed_before_it() {
    loom::model(|| {
        let in_flight = Arc::new(InFlight::default());
        in_flight.open(true);
        let arriving = thread::spawn({
            let in_flight = in_flight.clone();
            move || in_flight.enter()
        });
        let counted = in_flight.shut();
        assert_eq!(counted == 1, arriving.join().unwrap());
    });
}

/// One thread's request comes and goes while another's change finds out that nothing is in progress:
/// it was all before the change, or has to ask.
#[test]
fn nobody_passes_what_is_shut() {
    loom::model(|| {
        let in_flight = Arc::new(InFlight::default());
        in_flight.open(true);
        let passing = thread::spawn({
            let in_flight = in_flight.clone();
            move || (in_flight.enter(), in_flight.leave())
        });
        let mut counted = in_flight.shut();
        in_flight.open(false);
        counted += in_flight.shut();
        match passing.join().unwrap() {
            // It left through what is open still, or by the lock.
            (true, has_left) => assert_eq!(counted, i64::from(!has_left)),
            (false, true) => assert_eq!(counted, -1),
            (false, false) => assert_eq!(counted, 0),
        }
    });
}

/// A request without a header is of the strategy that is active as it is counted, with two turnstiles
/// or with one.
#[test]
fn calls_without_strategy_count_as_active() {
    loom::model(|| {
        let in_flight = Arc::new([InFlight::default(), InFlight::default()]);
        in_flight[0].open(true);
        let arriving = thread::spawn({
            let in_flight = in_flight.clone();
            move || in_flight.iter().position(InFlight::enter_active)
        });
        let before = in_flight.each_ref().map(InFlight::shut);
        // ANNOUNCED serves both; the other one is active by then, as after a cutover and a rollback.
        in_flight[0].open(false);
        in_flight[1].open(true);
        let entered = arriving.join().unwrap();
        let after = in_flight.each_ref().map(InFlight::shut);
        match entered {
            Some(0) => assert_eq!((before, after), ([1, 0], [0, 0])),
            Some(_) => assert_eq!((before, after), ([0, 0], [0, 1])),
            None => assert_eq!((before, after), ([0, 0], [0, 0])),
        }
    });
}

/// A query is let in only by a change that comes before the one that closes it, and that change counts its request. As
/// `Switch::pass_query` does it.
#[test]
fn nobody_passes_about_closed_queries() {
    loom::model(|| {
        let shared = Arc::new((InFlight::default(), Closed::default()));
        shared.0.open(true);
        let arriving = thread::spawn({
            let shared = shared.clone();
            move || {
                let (in_flight, closed) = &*shared;
                !closed.contains(Blue, 1) && in_flight.enter() && !closed.contains(Blue, 1)
            }
        });
        let counted = shared.0.shut();
        shared.1.set([2, 0]);
        shared.0.open(true);
        assert!(!arriving.join().unwrap() || counted == 1);
    });
}
