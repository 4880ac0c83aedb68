//! Valid rules, and a folder of invalid ones.

use std::{fs, path::Path, time::Duration};

use rand::{SeedableRng, rngs::SmallRng};

use super::*;

#[test]
fn each_bad_example_has_its_own_error() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/examples/faults");
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let (path, _) = (entry.unwrap().path(), found += 1);
        let text = fs::read_to_string(&path).unwrap();
        let (rule, expected) = text.split_once('\n').unwrap();
        let bad = rule.parse::<Rule>().map(|rule| rule.to_string()).expect_err(&path.display().to_string());
        let (bad, expected) = (bad.to_string(), expected.trim_end());
        assert!(bad.starts_with(expected), "{}:\n{bad}\n{expected}", path.display());
    }
    assert!(found > 40, "{found} examples");
}

#[test]
fn every_key_has_a_rule_that_uses_it() {
    let rules = [
        "id=a.b-c_1,method=getNext*,strategy=Green,user=me@*,cluster-name=c?,user-agent=grpc-*,nth=4,every=2,first=8,delay=1s",
        "metadata.x-team=blue*,phase=draining,probability=0.5,seed=7,delay=100ms..300ms,at=answer",
        "sql=\"select .*, sleep\",status=UNAVAILABLE,message=\"try, again\",details=why,http-status=503",
        "method=/Other/*,http-status=502,delay=200ms±50ms",
        "reset=CANCEL",
        "reset=11",
        "goaway=NO_ERROR,delay=1s",
        "disconnect",
        "hang=on",
        "truncate=100B",
        "truncate=2batches",
        "throttle=10KiB/s,delay=5ms,at=message",
        "corrupt=3,seed=1",
        "access-denied",
        "suspended=true",
        "mismatch",
        "notice=green",
        "duplicate-notice",
        "empty-batch",
        "slow-batches=1s",
    ];
    for text in rules {
        let rule: Rule = text.parse().unwrap_or_else(|bad| panic!("{text}: {bad}"));
        assert_eq!(rule.to_string().parse::<Rule>().unwrap().to_string(), rule.to_string());
    }
    for key in KEYS {
        let is_key = |part: &str| part.split('=').next() == Some(key.name);
        assert!(rules.iter().any(|rule| rule.split(',').any(is_key)), "{} is in no rule", key.name);
    }
}

#[test]
fn matches_are_chosen_by_their_number() {
    let turns = |text: &str| -> Vec<u64> {
        let when = format!("{text},hang").parse::<Rule>().unwrap().when;
        (1..=10).filter(|number| when.is_turn(*number)).collect()
    };
    assert_eq!(turns("nth=3"), [3]);
    assert_eq!(turns("first=2"), [1, 2]);
    assert_eq!(turns("every=4"), [4, 8]);
    assert_eq!(turns("every=2,first=5"), [2, 4]);
}

#[test]
fn rules_that_need_gate_or_drain_are_refused() {
    let fits = |text: &str, has_gate, has_drain| {
        text.parse::<Rule>().unwrap().fits(Setting { has_gate, has_drain }).map_err(|bad| bad.to_string())
    };
    for text in ["mismatch", "notice=blue", "duplicate-notice", "phase=STABLE,hang", "strategy=blue,hang"] {
        assert_eq!(fits(text, true, true), Ok(()), "{text}");
        assert!(fits(text, false, false).unwrap_err().ends_with("never matches: there is no gate"), "{text}");
    }
    assert_eq!(fits("hang", false, false), Ok(()));
    assert!(fits("phase=DRAINING,hang", true, false).unwrap_err().contains("--cutover strict"));
}

#[test]
fn delays_match_their_distribution() {
    let picks = |text: &str| -> Vec<Duration> {
        let (_, delay) = text.parse::<Rule>().unwrap().effect.delay.unwrap();
        let mut random = SmallRng::seed_from_u64(1);
        (0..1000).map(|_| delay.pick(&mut random)).collect()
    };
    let millis = Duration::from_millis;
    assert!(picks("delay=200ms").iter().all(|delay| *delay == millis(200)));
    let range = picks("delay=100ms..300ms");
    assert!(range.iter().all(|delay| (millis(100)..=millis(300)).contains(delay)));
    assert!(range.iter().any(|delay| *delay < millis(150)) && range.iter().any(|delay| *delay > millis(250)));
    let normal = picks("delay=200ms±50ms");
    let mean = normal.iter().sum::<Duration>() / 1000;
    assert!((millis(190)..millis(210)).contains(&mean), "{mean:?}");
    let near = normal.iter().filter(|delay| (millis(150)..millis(250)).contains(*delay)).count();
    assert!((600..760).contains(&near), "{near} of 1000 within one deviation");
    assert!(picks("delay=1ms±50ms").iter().all(|delay| *delay < Duration::from_secs(1)), "none is negative");
}
