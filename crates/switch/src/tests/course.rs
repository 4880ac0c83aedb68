//! The course: its transitions, its table of who is let in, and its JSON.

use proptest::{
    prelude::{ProptestConfig, any, prop, proptest},
    sample::select,
};
use protocol::Strategy::{Blue, Green};

use super::*;
use crate::Cutover::{Drain, Strict};

const START: Course =
    Course { epoch: 4, phase: Stable, active: Blue, heading: 3, withheld: 0, closed: [2, 4], cutover: Drain };
const SHARED: Proposer = Proposer { cutover: Drain, is_alone: false };
const KINDS: [CallKind; 5] =
    [CallKind::LogIn, CallKind::Begin, CallKind::Continue, CallKind::End, CallKind::Neutral];
const STAGES: [Stage; 3] = [Stage::Open, Stage::Telling, Stage::Closing];

fn after(kinds: &[TransitionKind]) -> Course {
    kinds.iter().fold(START, |course, kind| course.next(*kind, SHARED).unwrap())
}

#[test]
fn each_transition_leads_where_the_table_says() {
    use TransitionKind::{Abort, Announce, CutOver, Drain, RollBack, TimeOutDrain};
    let announced = Course { epoch: 5, phase: Announced, heading: 5, ..START };
    let draining = Course { epoch: 6, phase: Draining, active: Green, ..announced };
    let rolled_back = Course { epoch: 7, phase: Announced, heading: 7, withheld: 7, ..draining };
    let table: [(&[_], _); 8] = [
        (&[Announce], announced),
        (&[Announce, CutOver], draining),
        (&[Announce, CutOver, Drain], Course { epoch: 7, phase: Stable, closed: [7, 4], ..draining }),
        (&[Announce, CutOver, TimeOutDrain], Course { epoch: 7, phase: Stable, closed: [7, 4], ..draining }),
        (&[Announce, Abort], Course { epoch: 6, phase: Draining, heading: 6, withheld: 6, ..announced }),
        (&[Announce, CutOver, RollBack], rolled_back),
        (
            &[Announce, CutOver, RollBack, CutOver],
            Course { epoch: 8, phase: Draining, active: Blue, withheld: 8, ..rolled_back },
        ),
        (
            &[Announce, CutOver, RollBack, Abort, Drain],
            Course { epoch: 9, phase: Stable, heading: 8, withheld: 0, closed: [9, 4], ..rolled_back },
        ),
    ];
    for (kinds, expected) in table {
        assert_eq!(after(kinds), expected, "{kinds:?}");
    }
}

#[test]
fn transitions_that_miss_the_phase_are_refused() {
    for phase in PhaseName::ALL {
        for kind in TransitionKind::ALL {
            let course = Course { phase, ..START };
            assert_eq!(course.next(kind, SHARED).is_ok(), kind.starts_in() == phase, "{kind:?} in {phase}");
        }
    }
    let why = START.next(TransitionKind::TimeOutDrain, SHARED).unwrap_err().to_string();
    assert_eq!(why, "cannot give up the drain in phase STABLE: expected DRAINING");
}

#[test]
fn each_stage_lets_in_what_the_table_says() {
    let let_in = |course: &Course, stage, strategy| {
        KINDS.into_iter().filter(|kind| course.lets_in(stage, *kind, strategy)).collect::<Vec<_>>()
    };
    let all_but_begin = [CallKind::LogIn, CallKind::Continue, CallKind::End, CallKind::Neutral];
    for stage in STAGES {
        for phase in PhaseName::ALL {
            let course = Course { phase, ..START };
            assert_eq!(let_in(&course, stage, Blue), KINDS, "{phase} {stage:?}");
            let expected: &[_] = match (phase, stage) {
                (Stable, _) => &[CallKind::End],
                (Draining, Stage::Closing) => &all_but_begin,
                (Announced | Draining, _) => &KINDS,
            };
            assert_eq!(let_in(&course, stage, Green), expected, "{phase} {stage:?}");
        }
        assert_eq!(let_in(&Course { cutover: Strict, ..START }, stage, Green), []);
    }
    let known: Vec<_> = KINDS.into_iter().filter(|kind| lets_in_cut_off(*kind, true)).collect();
    assert_eq!(known, [CallKind::Continue, CallKind::End]);
    assert!(!KINDS.into_iter().any(|kind| lets_in_cut_off(kind, false)));
}

#[test]
fn an_abort_withholds_what_begins_before_it_refuses() {
    let course = after(&[TransitionKind::Announce, TransitionKind::Abort]);
    for strategy in Strategy::ALL {
        for stage in STAGES {
            let is_held = strategy == Green || stage != Stage::Closing;
            assert_eq!(course.holds_drain(strategy, course.birth(stage)), is_held, "{strategy} {stage:?}");
        }
        assert!(course.holds_drain(strategy, START.epoch), "begun before the announcement");
    }
    let stable = course.next(TransitionKind::Drain, SHARED).unwrap();
    assert!(!stable.holds_drain(Green, 0), "there is no drain");
}

#[test]
fn only_a_rollback_withholds_at_its_cutover() {
    use TransitionKind::{Announce, CutOver, Drain, RollBack};
    let first = after(&[Announce, CutOver]);
    assert!(!first.holds_drain(Green, first.epoch - 1));
    assert!(first.holds_drain(Blue, first.epoch - 1));
    let back = after(&[Announce, CutOver, RollBack, CutOver]);
    assert!(back.holds_drain(Blue, back.epoch - 1));
    assert!(!back.holds_drain(Blue, back.epoch));
    let next = after(&[Announce, CutOver, RollBack, CutOver, Drain, Announce, CutOver]);
    assert_eq!(next.withheld, 0, "a rollback is over with its drain");
}

#[test]
fn drained_strategies_forget_what_was_born_before() {
    use TransitionKind::{Announce, CutOver, TimeOutDrain};
    let course = after(&[Announce, CutOver, TimeOutDrain]);
    assert_eq!([course.epoch - 1, course.epoch].map(|birth| course.remembers(Blue, birth)), [false, true]);
    assert!(course.remembers(Green, START.epoch));
}

#[test]
fn strict_instances_alone_skip_the_drain() {
    let strict = Proposer { cutover: Strict, ..SHARED };
    let announced = START.next(TransitionKind::Announce, strict).unwrap();
    for kind in [TransitionKind::CutOver, TransitionKind::Abort] {
        let alone = announced.next(kind, Proposer { is_alone: true, ..strict }).unwrap();
        assert_eq!((alone.phase, alone.epoch, alone.withheld), (Stable, 6, 0));
        let shared = announced.next(kind, SHARED).unwrap();
        assert_eq!((shared.phase, shared.cutover), (Draining, Strict), "the announcer's setting holds");
        let over = shared.next(TransitionKind::TimeOutDrain, SHARED).unwrap();
        assert_eq!((over.phase, over.closed), (Stable, START.closed), "a query keeps its strategy");
    }
}

#[test]
fn cutovers_and_aborts_restart_the_timer() {
    let mut course = START;
    for (kind, restarts) in [
        (TransitionKind::Announce, false),
        (TransitionKind::Abort, true),
        (TransitionKind::RollBack, false),
        (TransitionKind::CutOver, true),
        (TransitionKind::Drain, false),
    ] {
        let next = course.next(kind, SHARED).unwrap();
        assert_eq!(next.restarts_timer(&course), restarts, "{kind:?}");
        course = next;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn courses_keep_their_order_in_any_history(
        kinds in prop::collection::vec((select(&TransitionKind::ALL[..]), any::<bool>(), any::<bool>()), 1..80),
    ) {
        let mut course = Course::stable(Blue, Drain, 1);
        for (kind, is_strict, is_alone) in kinds {
            let proposer = Proposer { cutover: if is_strict { Strict } else { Drain }, is_alone };
            let Ok(next) = course.next(kind, proposer) else { continue };
            assert_eq!(next.epoch, course.epoch + 1, "promise 4");
            // A heading is new exactly where the work is headed elsewhere.
            assert_eq!(next.heading != course.heading, next.headed_for() != course.headed_for());
            assert!([next.heading, next.withheld, next.closed[0], next.closed[1]].iter().all(|at| *at <= next.epoch));
            assert!(next.closed.iter().zip(course.closed).all(|(next, before)| *next >= before));
            // Promise 2: what the heading names is let in, as far as an instance may be that tells it.
            for stage in STAGES {
                assert!(next.lets_in(stage, CallKind::Begin, next.headed_for()));
            }
            let truth = Truth { course: next, timer: TimerState::Left(7), stamp: stamp(3) };
            assert_eq!(Truth::read(truth.text().as_bytes()).unwrap(), truth);
            course = next;
        }
    }
}

fn stamp(at: u64) -> Stamp {
    Stamp { by: "web-1".to_owned(), why: Actor::Operator, at }
}

const TEXT: &str = r#"{"epoch":7,"phase":"ANNOUNCED","active":"blue","heading":7,"withheld":0,"closed":[5,3],"cutover":"drain","timer":{"since":1000},"by":"web-1","why":"operator","at":2000}"#;

#[test]
fn the_truth_is_one_json_object() {
    let truth = Truth::read(TEXT.as_bytes()).unwrap();
    assert_eq!(truth.text(), TEXT);
    let later = TEXT.replace("{\"", "{\"later\":[{}],\"");
    assert_eq!(Truth::read(later.as_bytes()).unwrap(), truth, "unknown fields are ignored");
}

#[test]
fn values_that_are_no_truth_are_refused() {
    for (text, expected) in [
        (String::new(), "(EOF"),
        ("[]".to_owned(), "expected the state of a switch"),
        (TEXT.replace("ANNOUNCED", "PREPARED"), "unknown variant `PREPARED`"),
        (TEXT.replace("\"heading\":7,", ""), "missing field `heading`"),
        (TEXT.replace("\"heading\":7", "\"heading\":8"), "above the present one, 7; found 8"),
        (TEXT.replace("[5,3]", "[5,9]"), "found 9"),
        (TEXT.replace("\"epoch\":7", "\"epoch\":18446744073709551615"), "found 18446744073709551615"),
        (TEXT.replace("\"since\":1000", "\"since\":1000,\"left\":1"), "either since or left"),
        (TEXT.replace("\"since\":1000", ""), "either since or left"),
    ] {
        let why = Truth::read(text.as_bytes()).unwrap_err().to_string();
        assert!(why.contains(expected) && !why.contains('\n'), "{text}: {why}");
    }
}

#[test]
fn the_truth_restarts_the_timer_with_the_course() {
    let start = Truth::read(TEXT.as_bytes()).unwrap();
    let next = |truth: &Truth, kind| truth.next(kind, SHARED, secs(120), stamp(9_000)).unwrap();
    let cut_over = next(&start, TransitionKind::CutOver);
    assert_eq!((cut_over.timer, cut_over.course.epoch), (TimerState::Since(9_000), 8));
    assert_eq!(next(&cut_over, TransitionKind::Drain).timer, cut_over.timer);
    let paused = start.with_timer(TimerState::Left(30_000), stamp(3_000));
    assert_eq!(paused.course, start.course, "a pause is no transition");
    assert_eq!(next(&paused, TransitionKind::Abort).timer, TimerState::Left(120_000));
}

#[test]
fn joiners_take_the_timer_within_its_bounds() {
    let left = |timer: TimerState, at| timer.joined(secs(120), at).left.unwrap();
    for (at, expected) in [(50_000, 120), (100_000, 120), (110_000, 110), (220_000, 0), (900_000, 0)] {
        assert_eq!(left(TimerState::Since(100_000), at), secs(expected), "{at}");
    }
    assert_eq!(left(TimerState::Left(30_000), 900_000), secs(30));
    assert_eq!(left(TimerState::Left(900_000), 0), secs(120), "a longer timer elsewhere");
    for timer in [TimerState::Since(100_000), TimerState::Left(30_000)] {
        assert_eq!(TimerState::of(timer.joined(secs(120), 110_000), secs(120), 110_000), timer);
    }
}
