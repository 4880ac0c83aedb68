//! Parsing and playing scenarios, and a folder of invalid ones.

use std::{fs, path::Path, sync::Arc, time::Duration};

use protocol::Strategy;
use proxy::fault::{CallObserver as _, FaultContext, Faults, rule::Setting};
use switch::{
    Phase,
    PhaseName::{Announced, Draining, Stable},
    Rules, Switch,
};
use tokio::time::sleep;

use super::*;

const SETTING: Setting = Setting { has_gate: true, has_drain: true };

#[test]
fn every_bad_example_is_refused_with_its_position() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples/scenarios");
    let mut found = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let (path, _) = (entry.unwrap().path(), found += 1);
        let text = fs::read_to_string(&path).unwrap();
        let (expected, text) = text.split_once('\n').unwrap();
        let expected = expected.strip_prefix("# expect: ").unwrap();
        let read = Scenario::read("bad", text).and_then(|scenario| scenario.fits(SETTING, true));
        let bad = read.expect_err(&path.display().to_string()).to_string();
        assert!(bad.starts_with(expected), "{}:\n{bad}\n{expected}", path.display());
    }
    assert!(found > 15, "{found} examples");
}

#[test]
fn every_built_in_scenario_fits_its_own_settings() {
    for (name, _) in BUILT_IN {
        let scenario = Scenario::open(name).unwrap_or_else(|bad| panic!("{name}: {bad}"));
        let has_drain = !scenario.settings.contains(&("cutover", "strict".to_owned()));
        scenario
            .fits(Setting { has_gate: true, has_drain }, true)
            .unwrap_or_else(|bad| panic!("{name}: {bad}"));
        assert!(scenario.teaches.ends_with('.'), "{name} teaches a sentence");
    }
}

#[test]
fn unavailable_parts_are_refused() {
    let no_gate = Setting { has_gate: false, has_drain: false };
    let bad = Scenario::open("graceful").unwrap().fits(no_gate, true).unwrap_err().to_string();
    assert!(bad.starts_with("line 9, column 7: announce: there is no gate"), "{bad}");
    let bad = Scenario::open("suspended-cluster").unwrap().fits(SETTING, false).unwrap_err().to_string();
    assert!(bad.contains("suspend: expected the built-in engine"), "{bad}");
    let bad = Scenario::open("no-such-thing").unwrap_err().to_string();
    assert!(bad.contains("expected a readable file") && bad.contains("graceful"), "{bad}");
}

/// A switch, faults, and a script over both.
fn play(steps: &str) -> (Switch, Faults, std::sync::Arc<Script>) {
    let rules = Rules { switch_every: None, ..Rules::default() };
    let (switch, _timer) = Switch::new(rules);
    let faults = Faults::new(false, FaultContext { switch: Some(switch.clone()), ..FaultContext::default() });
    let scenario = Scenario::read("test", &format!("teaches = \"it.\"\n{steps}")).unwrap();
    let context = ScenarioContext { switch: Some(switch.clone()), ..ScenarioContext::default() };
    let script = Script::start(scenario, &faults, context);
    (switch, faults, script)
}

#[tokio::test(start_paused = true)]
async fn steps_wait_for_their_calls() {
    let (switch, faults, script) = play(
        "[[step]]\nwhen = \"method=status,calls=2\"\ndo = [\"announce\"]\n\
         [[step]]\nwhen = \"logins=1\"\ndo = [\"fault id=x,hang\"]\n\
         [[step]]\nwhen = \"queries=1\"\ndo = [\"remove x\", \"cutover\"]\n",
    );
    let phase = || switch.snapshot().phase.name();
    for (path, expected, rules) in [
        ("status", Stable, 0),
        ("clear", Stable, 0),
        ("status", Announced, 0),
        ("prepareStatement", Announced, 0),
        ("authenticate", Announced, 1),
        ("identifyPlanner", Announced, 1),
        ("prepareStatementV2", Draining, 0),
        ("prepareStatementV2", Draining, 0),
    ] {
        script.call_arrived(&format!("/QueryEngineService/{path}"));
        assert_eq!((phase(), faults.list().len()), (expected, rules), "after {path}");
    }
}

#[tokio::test(start_paused = true)]
async fn steps_wait_for_time_and_phases() {
    let (switch, faults, script) = play(
        "repeat = true\n[[step]]\nwhen = \"time=2s\"\ndo = [\"announce\"]\n\
         [[step]]\nwhen = \"phase=ANNOUNCED\"\ndo = [\"abort\", \"fault id=x,hang\"]\n\
         [[step]]\nwhen = \"time=1s\"\ndo = [\"clear-faults\"]\n",
    );
    let running = tokio::spawn(async move { script.run().await });
    sleep(Duration::from_millis(1900)).await;
    assert!(matches!(switch.snapshot().phase, Phase::Stable { .. }));
    sleep(Duration::from_millis(200)).await;
    assert_eq!((switch.snapshot().phase.name(), faults.list().len()), (Draining, 1), "announced and aborted");
    sleep(Duration::from_millis(1000)).await;
    assert_eq!(faults.list().len(), 0);
    assert!(!running.is_finished(), "it begins again");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn a_scenario_that_is_done_costs_nothing() {
    let (_, faults, script) = play("[[step]]\nwhen = \"time=0s\"\ndo = [\"note now\"]\n");
    assert!(faults.is_armed());
    script.run().await;
    assert!(!faults.is_armed());
}

/// Two engines; green's is unhealthy, or slow to respond, as the test sets.
#[derive(Debug, Default)]
struct IllEngine(parking_lot::Mutex<Option<&'static str>>);

impl admin::Engines for IllEngine {
    fn status(&self) -> Vec<proxy::upstream::EngineStatus> {
        Vec::new()
    }

    fn check(&self, strategy: Strategy) -> futures::future::BoxFuture<'_, Result<(), String>> {
        assert_eq!(strategy, Strategy::Green);
        let ill = *self.0.lock();
        Box::pin(async move {
            sleep(Duration::from_secs(1)).await;
            ill.map_or(Ok(()), |ill| Err(ill.to_owned()))
        })
    }
}

#[tokio::test(start_paused = true)]
async fn switches_check_the_engine_without_holding_calls() {
    for (ill, phase) in [(Some("green is ill"), Stable), (None, Draining)] {
        let rules = Rules { switch_every: None, ..Rules::default() };
        let start = switch::Start { has_engines: true, ..Default::default() };
        let (switch, _timer) = Switch::start(rules, start).unwrap();
        let faults =
            Faults::new(false, FaultContext { switch: Some(switch.clone()), ..FaultContext::default() });
        let steps =
            "teaches = \"it.\"\n[[step]]\nwhen = \"calls=1\"\ndo = [\"switch\", \"fault id=x,hang\"]\n";
        let engines = Arc::new(IllEngine(parking_lot::Mutex::new(ill)));
        let context = ScenarioContext {
            switch: Some(switch.clone()),
            engines: Some(engines),
            ..ScenarioContext::default()
        };
        let script = Script::start(Scenario::read("test", steps).unwrap(), &faults, context);
        let running = tokio::spawn({
            let script = script.clone();
            async move { script.run().await }
        });
        tokio::task::yield_now().await;
        script.call_arrived("/QueryEngineService/status");
        assert_eq!(switch.snapshot().phase.name(), Stable);
        running.await.unwrap();
        assert_eq!(switch.snapshot().phase.name(), phase);
        let refused =
            switch.event_log().after(0, 9).iter().filter(|event| event.note.kind == "refused").count();
        assert_eq!(refused, usize::from(ill.is_some()));
    }
}

#[test]
fn settings_with_bad_values_are_placed() {
    let read = |setting: &str| {
        let text = format!(
            "teaches = \"x\"\n[settings]\n{setting}\n[[step]]\nwhen = \"time=1s\"\ndo = [\"switch\"]\n"
        );
        Scenario::read("own", &text).map(|scenario| scenario.settings).map_err(|bad| bad.to_string())
    };
    assert_eq!(read("notice = \"2s\""), Ok(vec![("notice", "2s".to_owned())]));
    let bad = read("grace = \"1s\"\nnotice = \"soon\"").unwrap_err();
    assert!(bad.starts_with("line 4, column 10: notice: 'soon': expected a duration"), "{bad}");
    let bad = read("notise = \"1s\"").unwrap_err();
    assert!(bad.starts_with("line 3, column 1: unknown field `notise`"), "{bad}");
}
