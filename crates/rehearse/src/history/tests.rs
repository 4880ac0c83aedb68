//! Histories that keep each promise, and histories that break it.

use Strategy::{Blue, Green};
use protocol::CallKind;
use switch::PhaseName;

use super::*;
use crate::timeline::{Kind, Seen, Transition};

/// Seconds, in microseconds.
const S: u64 = 1_000_000;

/// A call of client 0, answered after a millisecond.
fn call(method: &'static str, kind: CallKind, query: Option<u32>, strategy: Strategy, sent: u64) -> Call {
    let strategy = Some(strategy);
    let (outcome, answered) = (Outcome::Answered, sent + 1_000);
    Call { client: 0, query, method, kind, strategy, sent, answered, outcome, notice: None }
}

fn log_in(strategy: Strategy, sent: u64) -> Call {
    call("authenticate", CallKind::LogIn, None, strategy, sent)
}

fn begin(query: u32, strategy: Strategy, sent: u64) -> Call {
    call("prepareStatement", CallKind::Begin, Some(query), strategy, sent)
}

fn fetch(query: u32, strategy: Strategy, sent: u64) -> Call {
    call("getNextResultBatch", CallKind::Continue, Some(query), strategy, sent)
}

fn clear(query: u32, strategy: Strategy, sent: u64) -> Call {
    call("clearOrCancelQuery", CallKind::End, Some(query), strategy, sent)
}

fn neutral(strategy: Strategy, sent: u64) -> Call {
    call("getSchemaNames", CallKind::Neutral, None, strategy, sent)
}

impl Call {
    fn refused(self) -> Self {
        Self { outcome: Outcome::Refused, ..self }
    }

    fn announcing(self, notice: Strategy) -> Self {
        Self { notice: Some(notice), ..self }
    }

    fn failed(self, code: i32, is_broken: bool) -> Self {
        Self { outcome: Outcome::Failed { code, message: "".into(), is_broken }, ..self }
    }
}

/// Blue is active; green is announced at 10 s and active at 12 s; blue is drained at 20 s.
fn switch() -> Timeline {
    let transition = |at, epoch, kind| Transition { at: at * S, epoch, kind, from: None, to: None };
    let announced = Transition { from: Some(Blue), to: Some(Green), ..transition(10, 1, Kind::Announced) };
    let cut_over = Transition { from: Some(Blue), to: Some(Green), ..transition(12, 2, Kind::CutOver) };
    let seen = Seen { at: 0, stage: PhaseName::Stable, active: Blue, epoch: 0, ends_by: None };
    Timeline {
        left: Vec::new(),
        seen: vec![seen],
        transitions: vec![announced, cut_over, transition(20, 3, Kind::Drained)],
        is_strict: false,
        slack: 10_000,
        lag: 0,
        until: 100 * S,
    }
}

/// A client that follows the switch: one query before it, one across it, one after it.
fn follows() -> Vec<Call> {
    vec![
        log_in(Blue, S),
        begin(0, Blue, 2 * S),
        fetch(0, Blue, 3 * S),
        clear(0, Blue, 4 * S),
        begin(1, Blue, 9 * S),
        fetch(1, Blue, 11 * S).announcing(Green),
        neutral(Blue, 13 * S).announcing(Green),
        fetch(1, Blue, 14 * S).announcing(Green),
        clear(1, Blue, 15 * S).announcing(Green),
        log_in(Green, 16 * S),
        begin(2, Green, 17 * S),
        fetch(2, Green, 21 * S),
        clear(2, Green, 22 * S),
        clear(1, Blue, 23 * S),
    ]
}

/// The promises that are broken.
fn broken(calls: &[Call], timeline: Option<&Timeline>) -> Vec<Promise> {
    let verdicts = check(calls, timeline);
    for verdict in &verdicts {
        assert_eq!(verdict.broken as usize, verdict.breaches.len(), "each breach is told in words");
    }
    verdicts.into_iter().filter(|verdict| verdict.broken > 0).map(|verdict| verdict.promise).collect()
}

fn with(calls: &[Call]) -> Vec<Call> {
    follows().into_iter().chain(calls.iter().cloned()).collect()
}

#[test]
fn a_switch_that_is_followed_breaks_nothing() {
    assert_eq!(broken(&follows(), Some(&switch())), []);
    assert_eq!(broken(&follows(), None), []);
    let cases: Vec<u64> = check(&follows(), Some(&switch())).iter().map(|verdict| verdict.cases).collect();
    assert!(cases[..4].iter().all(|cases| *cases > 0), "{cases:?}");
}

#[test]
fn allowed_refusals_break_nothing() {
    for refused in
        [begin(9, Blue, 13 * S), begin(9, Blue, 30 * S), log_in(Blue, 30 * S), neutral(Green, 5 * S)]
    {
        assert_eq!(broken(&with(&[refused.refused()]), Some(&switch())), []);
    }
}

#[test]
fn refusing_a_query_breaks_the_first_promise() {
    for call in [fetch(1, Blue, 14 * S), fetch(0, Blue, 3 * S + 2_000), clear(1, Blue, 14 * S)] {
        assert_eq!(broken(&with(&[call.clone().refused()]), Some(&switch())), [Promise::NothingLost]);
        assert_eq!(broken(&with(&[call.refused()]), None), [Promise::NothingLost]);
    }
}

#[test]
fn neutral_refusals_in_drain_break_first_promise() {
    assert_eq!(broken(&with(&[neutral(Blue, 13 * S).refused()]), Some(&switch())), [Promise::NothingLost]);
}

#[test]
fn queries_given_up_by_drains_may_fail() {
    let mut timeline = switch();
    timeline.transitions[2].kind = Kind::DrainTimedOut;
    let calls = [begin(5, Blue, 8 * S), fetch(5, Blue, 25 * S).refused()];
    assert_eq!(broken(&calls, Some(&timeline)), []);
    assert_eq!(broken(&calls, Some(&switch())), [Promise::NothingLost]);
    timeline.is_strict = true;
    assert!(
        !broken(&[begin(5, Blue, 8 * S), fetch(5, Blue, 13 * S).refused()], Some(&timeline))
            .contains(&Promise::NothingLost)
    );
}

#[test]
fn ended_queries_may_be_refused() {
    let mut calls = follows();
    calls.push(fetch(1, Blue, 25 * S).refused());
    assert_eq!(broken(&calls, Some(&switch())), []);
    // Its end may have arrived, although there was no response.
    let lost = clear(6, Blue, 9 * S).failed(14, true);
    let calls = [begin(6, Blue, 8 * S), lost, fetch(6, Blue, 25 * S).refused()];
    assert_eq!(broken(&calls, Some(&switch())), []);
}

#[test]
fn queries_of_unknown_end_follow_header_or_owner() {
    let mut strict = Timeline { is_strict: true, ..switch() };
    strict.transitions.pop();
    let begun = begin(5, Blue, 8 * S);
    let later = fetch(5, Green, 13 * S).refused();
    let [known, lost] = [clear(5, Blue, 9 * S), clear(5, Blue, 9 * S).failed(14, true)];
    assert_eq!(broken(&[begun.clone(), lost, later.clone()], Some(&strict)), []);
    assert_eq!(broken(&[begun, known, later], Some(&strict)), [Promise::InOrder]);
}

#[test]
fn queries_ended_at_once_stay_ended() {
    let first = Call { answered: 14 * S, ..clear(3, Blue, 14 * S) };
    let again = clear(3, Blue, 14 * S);
    let calls = with(&[begin(3, Green, 11 * S), first.clone(), again.clone().announcing(Green)]);
    assert_eq!(broken(&calls, Some(&switch())), []);
    let mut strict = Timeline { is_strict: true, ..switch() };
    strict.transitions.pop();
    let calls = [begin(3, Green, 11 * S), first, again.refused()];
    assert_eq!(broken(&calls, Some(&strict)), []);
}

#[test]
fn announced_and_refused_breaks_the_second_promise() {
    let refused = [log_in(Green, 11 * S + 5_000).refused(), begin(9, Green, 13 * S).refused()];
    for refused in refused {
        assert_eq!(broken(&with(std::slice::from_ref(&refused)), Some(&switch())), [Promise::AcceptedFirst]);
        assert_eq!(broken(&with(&[refused]), None), [Promise::AcceptedFirst]);
    }
    let refused = log_in(Blue, 5 * S).refused();
    assert_eq!(broken(&with(&[refused]), Some(&switch())), [Promise::AcceptedFirst]);
}

#[test]
fn earlier_announced_strategies_may_be_refused() {
    // No notice had arrived when the rejected call was sent, but one was on its way.
    let heard = neutral(Green, 10 * S).announcing(Blue);
    let telling = Call { answered: 20 * S + 3_000, ..clear(3, Blue, 20 * S - 2_000).announcing(Green) };
    let refused = begin(9, Blue, 20 * S).refused();
    assert_eq!(broken(&[heard.clone(), refused.clone(), telling.clone()], None), []);
    // A response that arrived last may have been sent first.
    let long = Call { sent: 19 * S, answered: 20 * S - 1, ..heard.clone() };
    let short = neutral(Blue, 20 * S - 2_000).announcing(Green);
    assert_eq!(broken(&[heard.clone(), short, long, refused.clone()], None), []);
    // The other strategy's notice belongs to a call that was sent too late, or answered too early.
    let later = Call { sent: 21 * S, answered: 22 * S, ..telling.clone() };
    let earlier = Call { sent: 8 * S, answered: 9 * S, ..telling };
    assert_eq!(broken(&[earlier, heard, refused, later], None), [Promise::AcceptedFirst]);
}

#[test]
fn announcing_nothing_pending_breaks_the_second_promise() {
    for told in [neutral(Blue, 5 * S).announcing(Green), fetch(2, Green, 21 * S + 5_000).announcing(Blue)] {
        assert!(broken(&with(&[told]), Some(&switch())).contains(&Promise::AcceptedFirst));
    }
}

#[test]
fn judging_by_the_other_strategy_breaks_third_promise() {
    let told = fetch(1, Blue, 14 * S + 5_000).announcing(Blue);
    assert!(broken(&with(std::slice::from_ref(&told)), Some(&switch())).contains(&Promise::OneColour));
    assert_eq!(broken(&with(&[told]), None), [Promise::OneColour]);
}

#[test]
fn queries_unknown_to_engines_break_third_promise() {
    let unknown = fetch(1, Blue, 14 * S + 5_000).failed(NOT_FOUND, false);
    assert_eq!(broken(&with(std::slice::from_ref(&unknown)), Some(&switch())), [Promise::OneColour]);
    // Unless an engine was lost in the meantime.
    let gone = fetch(7, Blue, 14 * S).failed(14, true);
    assert_eq!(broken(&with(&[begin(7, Blue, 13 * S - 1_900_000), gone, unknown]), Some(&switch())), []);
}

#[test]
fn letting_in_any_call_breaks_fourth_promise() {
    for let_in in [neutral(Green, 5 * S), begin(9, Blue, 15 * S), neutral(Blue, 30 * S), log_in(Blue, 25 * S)]
    {
        assert_eq!(broken(&with(&[let_in]), Some(&switch())), [Promise::InOrder]);
    }
    let refused = neutral(Green, 25 * S).refused();
    assert_eq!(broken(&with(&[refused]), Some(&switch())), [Promise::InOrder]);
}

#[test]
fn calls_during_transitions_may_meet_either_state() {
    let long = |call: Call| Call { answered: call.sent + 2 * S, ..call };
    let calls = [long(begin(9, Blue, 11 * S)).refused(), long(begin(8, Blue, 11 * S))];
    assert_eq!(broken(&calls, Some(&switch())), []);
}

#[test]
fn unobserved_history_is_not_judged() {
    let calls =
        [begin(9, Blue, 15 * S), neutral(Blue, 15 * S).announcing(Blue), log_in(Green, 15 * S).refused()];
    assert_eq!(broken(&calls, Some(&Timeline { until: 15 * S, ..switch() })), []);
    assert_eq!(broken(&calls, Some(&switch())), [Promise::AcceptedFirst, Promise::InOrder]);
}

#[test]
fn transitions_out_of_order_break_the_fourth_promise() {
    let ways: [fn(&mut Timeline); 5] = [
        |timeline| timeline.transitions.swap(0, 1),
        |timeline| timeline.transitions[2].epoch = 5,
        |timeline| _ = timeline.transitions.remove(1),
        |timeline| timeline.transitions[1].to = Some(Blue),
        |timeline| timeline.seen.extend([5, 4].map(|epoch| Seen { epoch, ..timeline.seen[0] })),
    ];
    for way in ways {
        let mut timeline = switch();
        way(&mut timeline);
        assert!(broken(&[], Some(&timeline)).contains(&Promise::InOrder), "{timeline:?}");
    }
    let mut timeline = switch();
    timeline.transitions[1].at = 9 * S;
    assert!(broken(&[], Some(&timeline)).contains(&Promise::InOrder), "time goes back");
}

/// One of several instances, which has not seen that blue was drained before green was.
fn jump() -> Timeline {
    let mut timeline = switch();
    let next =
        |at, epoch, kind, from, to| Transition { at: at * S, epoch, kind, from: Some(from), to: Some(to) };
    timeline.transitions[2] = next(20, 4, Kind::Announced, Green, Blue);
    timeline.transitions.push(next(22, 5, Kind::CutOver, Green, Blue));
    timeline
}

#[test]
fn several_transitions_at_once_are_known_of_instances() {
    let instance = Timeline { lag: S, ..jump() };
    assert_eq!(broken(&follows(), Some(&instance)), []);
    // It may have been given up, by a transition that is not in the story.
    let calls = [begin(5, Blue, 8 * S), fetch(5, Blue, 19 * S + 999_000).refused()];
    assert_eq!(broken(&calls, Some(&instance)), []);
    let calls = [begin(5, Blue, 8 * S), fetch(5, Blue, 19 * S).refused()];
    assert_eq!(broken(&calls, Some(&instance)), [Promise::NothingLost]);
    assert_eq!(broken(&[], Some(&jump())), [Promise::InOrder]);
    let mut backwards = instance;
    backwards.transitions[3].epoch = 3;
    assert_eq!(broken(&[], Some(&backwards)), [Promise::InOrder]);
}

#[test]
fn several_instances_drain_strict_cutovers() {
    let strict = Timeline { is_strict: true, ..switch() };
    assert_eq!(broken(&[], Some(&strict)), []);
}

#[test]
fn phases_past_deadlines_break_the_fifth_promise() {
    let mut timeline = switch();
    let draining =
        Seen { at: 13 * S, stage: PhaseName::Draining, active: Green, epoch: 2, ends_by: Some(15 * S) };
    timeline.seen.extend([draining, Seen { at: 16 * S, ..draining }]);
    assert_eq!(broken(&[], Some(&timeline)), []);
    timeline.seen.push(Seen { at: 18 * S, ..draining });
    assert_eq!(broken(&[], Some(&timeline)), [Promise::NothingSticks]);
}
