//! The outcome of each built-in scenario for the published connectors, compared with `tests/expected`.

use std::{fs, path::Path, time::Duration};

use teal::scenario::BUILT_IN;
use tempfile::TempDir;

use crate::support::{Connector, command, python, teal};

const CONNECTORS: [(&str, Connector, &str); 4] = [
    ("2.2.6", Connector::V2_2_6, "password"),
    ("2.3.15", Connector::V2_3_15, "password"),
    ("3.0.2", Connector::V3_0_2, "password"),
    ("3.0.2 with a token", Connector::V3_0_2, "token"),
];

const ENDS_WITHIN: Duration = Duration::from_secs(240);

/// The outcome of a scenario for each connector's application, one line each.
fn plays(scenario: &str) {
    let mut told = String::new();
    // They wait most of the time, so they play side by side, each before a server of its own.
    let playing = CONNECTORS.map(|(name, connector, login)| {
        let server = teal().with("--scenario", scenario).with("--batch-rows", "5000").run();
        let client = python(connector).start(&server, "scenario.py", &[login]);
        (name, server, client)
    });
    for (name, server, client) in playing {
        let said = client.succeed(ENDS_WITHIN);
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
fn docs_have_what_was_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = CONNECTORS.map(|(name, ..)| name).join(" | ");
    let mut table = format!("| scenario | {names} |\n| --- | --- | --- | --- | --- |\n");
    for (scenario, _) in BUILT_IN {
        let file = folder.join(format!("tests/expected/{scenario}.txt"));
        let told = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let cells = told.lines().filter_map(|line| line.split_once(": ")).map(|(_, story)| story);
        let cells: Vec<_> = cells.map(|story| story.replace("_InactiveRpcError ", "")).collect();
        table += &format!("| `{scenario}` | {} |\n", cells.join(" | "));
    }
    let page = fs::read_to_string(folder.join("docs/scenarios.md")).expect("there is a page");
    assert!(page.contains(&table), "docs/scenarios.md has another table than\n{table}");
}

#[test]
fn scenarios_are_listed_and_shown() {
    let listed = command().args(&["scenario", "list"]).run().done();
    assert_eq!(listed.lines().count(), BUILT_IN.len(), "{listed}");
    let folder = TempDir::new().expect("there is room for files");
    for ((name, text), line) in BUILT_IN.iter().zip(listed.lines()) {
        let (first, teaches) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert_eq!(first, *name);
        assert!(text.contains(&format!("teaches = \"{}\"", teaches.trim_start())), "{line}");
        let shown = command().args(&["scenario", "show", name]).run().done();
        assert_eq!(shown, *text);
        // The shown scenario can be played from a file.
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, shown).expect("files can be written");
        let file = file.to_string_lossy();
        command().args(&["check", "--scenario", &file]).run().done();
        assert_eq!(command().args(&["scenario", "show", &file]).run().done(), *text);
    }
}

#[test]
fn what_cannot_be_shown_is_refused() {
    let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/examples/scenarios/bad-fault.toml");
    let bad = bad.to_string_lossy();
    let names = BUILT_IN.map(|(name, _)| name).join(", ");
    let missing =
        format!("expected a readable file (No such file or directory (os error 2)), or one of {names}");
    for (name, why) in [("gracefull", missing.as_str()), (&bad, "line 8, column 3: delay: 'soon': expected")]
    {
        let said = command().args(&["scenario", "show", name]).run().ended(64);
        assert!(said.err.starts_with(&format!("teal: scenario '{name}': {why}")), "{}", said.err);
        assert_eq!((said.err.lines().count(), said.out.as_str()), (1, ""), "{said:?}");
    }
}

#[test]
fn a_run_tells_its_steps() {
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
