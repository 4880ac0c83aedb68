use std::time::Duration;

use Strategy::{Blue, Green};

use super::*;

const AT: Duration = Duration::from_secs(1);

fn visit(arrived: Instant, kind: CallKind, strategy: Option<Strategy>, announcement: u64) -> CallRecord {
    let heading = Notice { strategy: Green, announcement };
    CallRecord { arrived, label: 3, kind, strategy, heading }
}

fn end(stats: &mut ClientStats, visit: &CallRecord, outcome: Outcome, effect: Effect) {
    let status = if outcome == Outcome::Ok { Status::OK } else { Status::UNKNOWN };
    stats.end(visit, outcome, status, effect, visit.arrived);
}

#[test]
fn queries_are_counted_by_their_beginning_and_end() {
    let (mut stats, start) = (ClientStats::default(), Instant::now());
    let begin = visit(start, CallKind::Begin, Some(Blue), 0);
    let finish = visit(start, CallKind::End, Some(Blue), 0);
    end(&mut stats, &begin, Outcome::Ok, Effect::Begun);
    end(&mut stats, &begin, Outcome::Ok, Effect::Begun);
    end(&mut stats, &begin, Outcome::Error, Effect::Nothing);
    end(&mut stats, &finish, Outcome::Ok, Effect::Ended);
    end(&mut stats, &finish, Outcome::Ok, Effect::Nothing);
    assert_eq!((stats.begun, stats.completed, stats.open(Blue), stats.open(Green)), (2, 1, 1, 0));
    assert_eq!((stats.requests, stats.errors[Status::UNKNOWN.index()]), (5, 1));
    stats.close(Blue);
    stats.abandon(1, 1);
    assert_eq!((stats.abandoned, stats.open(Blue), stats.in_window(1).abandoned), (1, 0, 1));
}

#[test]
fn the_new_strategy_is_used_by_free_calls() {
    let start = Instant::now();
    for (role, strategy, is_use) in [
        (CallKind::LogIn, Green, true),
        (CallKind::Begin, Green, true),
        (CallKind::Neutral, Green, true),
        (CallKind::Begin, Blue, false),
        // A rollback announces the strategy that queries still belong to; continuing them is no adoption.
        (CallKind::Continue, Green, false),
        (CallKind::End, Green, false),
    ] {
        let mut stats = ClientStats::default();
        end(&mut stats, &visit(start + AT, role, Some(strategy), 1), Outcome::Ok, Effect::Nothing);
        assert_eq!(stats.in_window(1).used.is_some(), is_use, "{role:?} {strategy}");
        assert_eq!(stats.in_window(1).heard, Some(start + AT));
    }
}

#[test]
fn a_456_to_a_login_loses_no_work() {
    let (mut stats, start) = (ClientStats::default(), Instant::now());
    end(&mut stats, &visit(start, CallKind::LogIn, None, 1), Outcome::Rejected, Effect::Nothing);
    assert_eq!((stats.in_window(1).rejected, stats.in_window(1).refused_work), (1, 0));
    end(&mut stats, &visit(start + AT, CallKind::Begin, None, 1), Outcome::Rejected, Effect::Nothing);
    let switch = stats.in_window(1);
    assert_eq!((switch.rejected, switch.refused_work, switch.last_refused), (2, 1, Some((start + AT, 3))));
    assert!(!switch.came_back());
    let back = visit(start + AT * 2, CallKind::LogIn, Some(Green), 1);
    end(&mut stats, &back, Outcome::Ok, Effect::Nothing);
    assert!(stats.in_window(1).came_back());
    assert!(stats.errors.iter().all(|errors| *errors == 0), "a 456 is no error of the engine");
}

#[test]
fn clients_come_back_under_the_expected_strategy() {
    let start = Instant::now();
    let mut stats = ClientStats::default();
    let let_in = |stats: &mut ClientStats, second: u32, role, strategy| {
        end(stats, &visit(start + AT * second, role, Some(strategy), 1), Outcome::Ok, Effect::Nothing);
    };
    let_in(&mut stats, 1, CallKind::Neutral, Green);
    assert_eq!(stats.came_back(), None);
    // The target is green.
    end(&mut stats, &visit(start + AT * 2, CallKind::Begin, None, 1), Outcome::Rejected, Effect::Nothing);
    assert_eq!(stats.came_back(), Some(false));
    // Continuing an earlier query is no choice.
    let_in(&mut stats, 3, CallKind::Continue, Green);
    // Once blue is active again, a client that never left it is admitted as before.
    let_in(&mut stats, 4, CallKind::Begin, Blue);
    assert_eq!(stats.came_back(), Some(false));
    let mut other = ClientStats::default();
    let_in(&mut other, 5, CallKind::LogIn, Green);
    let_in(&mut stats, 6, CallKind::LogIn, Blue);
    for (mut sum, more) in [(stats.clone(), other.clone()), (other, stats)] {
        sum.merge(more);
        assert_eq!((sum.came_back(), sum.strategy), (Some(true), Some((start + AT * 6, Blue))));
    }
}

#[test]
fn statistics_of_threads_add_up_in_any_order() {
    let start = Instant::now();
    let (mut one, mut other) = (ClientStats::default(), ClientStats::default());
    let blue = visit(start, CallKind::Begin, Some(Blue), 0);
    end(&mut one, &blue, Outcome::Ok, Effect::Begun);
    let told = visit(start + AT, CallKind::Continue, Some(Blue), 1);
    one.tell(&told, told.heading, start + AT * 3);
    end(&mut one, &told, Outcome::Ok, Effect::Nothing);
    other.tell(&told, told.heading, start + AT * 2);
    end(&mut other, &visit(start + AT * 4, CallKind::End, Some(Blue), 1), Outcome::Ok, Effect::Ended);
    end(&mut other, &visit(start + AT * 5, CallKind::LogIn, Some(Green), 1), Outcome::Ok, Effect::Nothing);
    for (mut sum, more) in [(one.clone(), other.clone()), (other, one)] {
        sum.merge(more);
        assert_eq!(sum.heard, Some((start, start + AT * 5)));
        assert_eq!((sum.begun, sum.completed, sum.open(Blue)), (1, 1, 0));
        assert_eq!(sum.strategy, Some((start + AT * 5, Green)));
        let switch = sum.in_window(1);
        assert_eq!(switch.told, Some((start + AT * 2, 3)));
        assert_eq!(switch.used, Some((start + AT * 5, start + AT * 5)));
    }
}

#[test]
fn the_last_switches_are_remembered() {
    let (mut stats, start) = (ClientStats::default(), Instant::now());
    for turn in 1..=SWITCHES as u64 + 5 {
        end(&mut stats, &visit(start, CallKind::LogIn, Some(Green), turn), Outcome::Ok, Effect::Nothing);
    }
    let late = visit(start, CallKind::LogIn, Some(Green), 2);
    end(&mut stats, &late, Outcome::Ok, Effect::Nothing);
    assert_eq!(stats.switches.len(), SWITCHES);
    assert_eq!((stats.in_window(5).used, stats.in_window(6).used), (None, Some((start, start))));
    // A late window, if not too late, replaces an older one.
    let mut gap = ClientStats::default();
    for turn in (2..=SWITCHES as u64 * 2).step_by(2) {
        end(&mut gap, &visit(start, CallKind::LogIn, Some(Green), turn), Outcome::Ok, Effect::Nothing);
    }
    end(&mut gap, &visit(start, CallKind::LogIn, Some(Green), 7), Outcome::Ok, Effect::Nothing);
    let turns: Vec<u64> = gap.switches.iter().map(|switch| switch.turn).collect();
    assert_eq!((turns.len(), &turns[..4]), (SWITCHES, &[4, 6, 7, 8][..]));
}
