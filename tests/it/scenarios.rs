//! What the published connectors make of each built-in scenario, written down in `tests/expected`.

use std::{fs, path::Path, time::Duration};

use teal::fault::scenario::BUILT_IN;

use crate::support::{Connector, python, teal};

const CONNECTORS: [(&str, Connector, &str); 4] = [
    ("2.2.6", Connector::V2_2_6, "password"),
    ("2.3.15", Connector::V2_3_15, "password"),
    ("3.0.2", Connector::V3_0_2, "password"),
    ("3.0.2 with a token", Connector::V3_0_2, "token"),
];

/// What each connector's application sees of a scenario, a line each.
fn plays(scenario: &str) {
    let mut told = String::new();
    for (name, connector, login) in CONNECTORS {
        let server = teal().with("--scenario", scenario).with("--batch-rows", "5000").run();
        let said = python(connector).run(&server, "scenario.py", &[login]);
        let story = said.lines().find_map(|line| line.strip_prefix("story: "));
        told += &format!("{name}: {}\n", story.unwrap_or_else(|| panic!("no story in {said}")));
        assert!(
            !server.lines_with(&format!("Scenario {scenario}, step 1 of")).is_empty(),
            "{}",
            server.output()
        );
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/expected/{scenario}.txt"));
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(told, expected, "{}", file.display());
}

macro_rules! scenarios {
    ($($test:ident: $name:literal;)*) => {
        $(#[test]
        fn $test() {
            plays($name);
        })*

        #[test]
        fn every_built_in_scenario_is_played() {
            let played = [$($name),*];
            for (name, _) in BUILT_IN {
                assert!(played.contains(&name), "{name} is not");
            }
        }
    };
}

scenarios! {
    graceful_is_told: "graceful";
    stale_client_is_told: "stale-client";
    both_refuse_is_told: "both-refuse";
    announce_but_refuse_is_told: "announce-but-refuse";
    flip_flop_is_told: "flip-flop";
    switch_mid_fetch_is_told: "switch-mid-fetch";
    suspended_cluster_is_told: "suspended-cluster";
    session_lost_is_told: "session-lost";
    slow_engine_is_told: "slow-engine";
    flaky_network_is_told: "flaky-network";
    late_green_is_told: "late-green";
    token_expired_is_told: "token-expired";
}

#[test]
fn a_run_tells_step_by_step_what_it_did() {
    let server = teal().with("--scenario", "graceful").run();
    python(Connector::V3_0_2).run(&server, "scenario.py", &["password"]);
    server.wait_for("Scenario graceful: done", 1, Duration::from_secs(30));
    let steps = [
        "graceful, step 1 of 3 (queries=2): announce",
        "step 2 of 3 (phase=DRAINING): note",
        "step 3 of 3 (phase=STABLE): note",
    ];
    let places =
        steps.map(|step| server.output().find(step).unwrap_or_else(|| panic!("{step}: {}", server.output())));
    assert!(places.is_sorted(), "{}", server.output());
}

#[test]
fn a_bad_scenario_is_refused_with_its_place() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples/scenarios/bad-fault.toml");
    let (status, said) = teal().with("--scenario", &file.to_string_lossy()).refused();
    assert_eq!(status.code(), Some(64), "{said}");
    assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    assert!(
        said.contains("--scenario (or TEAL_SCENARIO)") && said.contains("line 8, column 3: delay: 'soon'"),
        "{said}"
    );
}
