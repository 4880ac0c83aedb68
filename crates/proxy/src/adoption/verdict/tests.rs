use Verdict::{Followed, Late, LostWork, NotHeardFrom, Recovered};
use protocol::Strategy::{Blue, Green};

use super::*;

/// Times in tenths of a second: the client first calls at 0, green is announced at 100.
const ANNOUNCED: u64 = 100;
const CUT_OVER: u64 = 110;
const OVER: u64 = 160;

/// The calls of a client, in tenths of a second. Labels are 7.
#[derive(Clone, Copy, Debug, Default)]
struct Did {
    first: u64,
    told: Option<u64>,
    used: Option<(u64, u64)>,
    heard: Option<u64>,
    refused: Option<u64>,
    refused_login: Option<u64>,
    abandoned: u64,
}

const NOTHING: Did =
    Did { first: 0, told: None, used: None, heard: None, refused: None, refused_login: None, abandoned: 0 };

#[derive(Clone, Copy, Debug)]
enum When {
    Announced,
    Draining,
    Over(End),
}

fn verdict(when: When, did: Did) -> Option<(Option<Verdict>, String)> {
    let start = Instant::now();
    let at = |tenths: u64| start + Duration::from_millis(tenths * 100);
    let window = SwitchWindow {
        number: 1,
        is_withdrawal: false,
        from: Blue,
        to: Green,
        announced: at(ANNOUNCED),
        cut_over: match when {
            When::Announced | When::Over(End::Aborted) => None,
            _ => Some(at(CUT_OVER)),
        },
        over: match when {
            When::Over(end) => Some((at(OVER), end)),
            _ => None,
        },
        next: None,
    };
    let switch_stats = SwitchStats {
        turn: 1,
        told: did.told.map(|told| (at(told), 7)),
        used: did.used.map(|(first, last)| (at(first), at(last))),
        heard: did.heard.map(at),
        rejected: u64::from(did.refused.is_some()) + u64::from(did.refused_login.is_some()),
        refused_work: u64::from(did.refused.is_some()),
        last_refused: did.refused.map(|refused| (at(refused), 7)),
        abandoned: did.abandoned,
    };
    judge(&window, &switch_stats, at(did.first), |label| format!("method{label}"))
}

#[test]
fn verdicts() {
    let completed = When::Over(End::Completed);
    let timed_out = When::Over(End::TimedOut);
    let told_and_used = Did { told: Some(101), used: Some((105, 200)), heard: Some(200), ..NOTHING };
    let refused = Did { told: Some(101), heard: Some(170), refused: Some(170), ..NOTHING };
    let silent_blue = Did { told: Some(101), heard: Some(101), ..NOTHING };
    for (when, did, expected, why) in [
        (
            When::Announced,
            told_and_used,
            Some(Followed),
            "told by method7 0.1 s after the announcement, used green 0.4 s later",
        ),
        (
            completed,
            told_and_used,
            Some(Followed),
            "told by method7 0.1 s after the announcement, used green 0.4 s later",
        ),
        (
            When::Draining,
            Did { used: Some((112, 112)), heard: Some(112), ..NOTHING },
            Some(Followed),
            "used green 1.2 s after the announcement, without being told",
        ),
        (
            completed,
            Did { told: Some(106), ..told_and_used },
            Some(Followed),
            "told by method7 0.6 s after the announcement, used green before that",
        ),
        (
            // A login that learns the strategy from a 456 is no lost work.
            completed,
            Did { refused_login: Some(104), ..told_and_used },
            Some(Followed),
            "told by method7 0.1 s after the announcement, used green 0.4 s later",
        ),
        (
            When::Over(End::RolledBack),
            told_and_used,
            Some(Followed),
            "told by method7 0.1 s after the announcement, used green 0.4 s later",
        ),
        (
            completed,
            Did { used: Some((171, 180)), heard: Some(180), ..refused },
            Some(Recovered),
            "456 to method7 7.0 s after the announcement, used green after it",
        ),
        (
            completed,
            Did { used: Some((105, 180)), heard: Some(180), ..refused },
            Some(Recovered),
            "456 to method7 7.0 s after the announcement, used green after it",
        ),
        (
            completed,
            refused,
            Some(LostWork),
            "456 to method7 7.0 s after the announcement, has not used green after it",
        ),
        (
            completed,
            Did { used: Some((105, 150)), ..refused },
            Some(LostWork),
            "456 to method7 7.0 s after the announcement, has not used green after it",
        ),
        (
            timed_out,
            Did { abandoned: 1, ..NOTHING },
            Some(LostWork),
            "1 query was left when the drain of blue timed out",
        ),
        (
            timed_out,
            Did { abandoned: 2, used: Some((171, 180)), ..refused },
            Some(LostWork),
            "2 queries were left when the drain of blue timed out",
        ),
        (
            completed,
            Did { refused_login: Some(200), used: Some((201, 210)), heard: Some(210), ..NOTHING },
            Some(Late),
            "first used green 4.1 s after the switch was over",
        ),
        (
            completed,
            Did { heard: Some(150), ..silent_blue },
            Some(Late),
            "told by method7 0.1 s after the announcement, has not used green",
        ),
        (timed_out, Did { heard: Some(150), ..NOTHING }, Some(Late), "never told, has not used green"),
        (
            completed,
            silent_blue,
            Some(NotHeardFrom),
            "told by method7 0.1 s after the announcement, no call since the cutover",
        ),
        (completed, NOTHING, Some(NotHeardFrom), "no call since the announcement"),
        (When::Announced, NOTHING, Some(NotHeardFrom), "no call since the announcement"),
        (
            When::Announced,
            silent_blue,
            None,
            "told by method7 0.1 s after the announcement, has not used green yet",
        ),
        (
            When::Draining,
            Did { heard: Some(105), ..NOTHING },
            None,
            "not told so far, has not used green yet",
        ),
        (When::Over(End::Aborted), silent_blue, None, "the announcement was withdrawn before it used green"),
        (
            When::Over(End::RolledBack),
            Did { heard: Some(150), ..silent_blue },
            None,
            "the switch was rolled back before it used green",
        ),
    ] {
        assert_eq!(verdict(when, did), Some((expected, why.to_owned())), "{when:?} {did:?}");
    }
}

#[test]
fn late_clients_are_judged_if_notified_or_rejected() {
    let completed = When::Over(End::Completed);
    let new = Did { first: 105, used: Some((105, 300)), heard: Some(300), ..NOTHING };
    assert_eq!(verdict(completed, new), None);
    assert_eq!(verdict(completed, Did { used: None, ..new }), None);
    assert_eq!(verdict(completed, Did { first: 400, heard: None, used: None, ..new }), None);
    let told = verdict(completed, Did { told: Some(105), ..new });
    assert_eq!(told.and_then(|(verdict, _)| verdict), Some(Followed));
    let refused = verdict(completed, Did { refused: Some(301), ..new });
    assert_eq!(refused.and_then(|(verdict, _)| verdict), Some(LostWork));
}
