use std::time::Duration;

use Strategy::{Blue, Green};
use protocol::CallKind;
use switch::PhaseName;
use tonic::transport::Endpoint;

use super::{
    super::{
        behaviour::Behaviour,
        plan::{Login, Pace},
        query::Queries,
        record::Adopted,
        timeline::{Kind, Seen, Transition},
    },
    *,
};

const S: u64 = 1_000_000;

fn run(client: u32, begun: u64, ended: u64, strategy: Strategy) -> Run {
    let strategy = Some(strategy);
    Run { client, strategy, due: begun, begun, ended, retries: 0, rows: 1, end: Ending::Completed }
}

fn records() -> Records {
    let adoptions = [(0, 2_200_000), (1, 2_600_000)].map(|(process, at)| Adopted {
        process,
        from: Some(Blue),
        to: Green,
        told: 2_100_000,
        at,
    });
    let runs = vec![
        run(0, 0, S, Blue),
        run(1, 0, 2_500_000, Blue),
        run(0, 2_300_000, 3 * S, Green),
        run(1, 3 * S, 9 * S, Green),
    ];
    Records { runs, adoptions: adoptions.to_vec(), ..Records::default() }
}

fn timeline() -> Timeline {
    let transition = |at, epoch, kind| Transition { at, epoch, kind, from: Some(Blue), to: Some(Green) };
    Timeline {
        seen: vec![Seen { at: 0, stage: PhaseName::Stable, active: Blue, epoch: 0, ends_by: None }],
        transitions: vec![
            transition(2 * S, 1, Kind::Announced),
            transition(2_400_000, 2, Kind::CutOver),
            transition(8 * S, 3, Kind::Drained),
        ],
        ..Timeline::default()
    }
}

fn report(records: Records, timeline: Option<Timeline>) -> Report {
    let plan = Plan {
        server: Endpoint::from_static("http://127.0.0.1:50051"),
        to: "http://a<b>:1".to_owned(),
        clients: 8,
        threads: 1,
        behaviours: vec![Behaviour::Follow],
        duration: Duration::from_secs(60),
        queries: Queries::MadeUp,
        pace: Pace::Think(Duration::ZERO),
        hold: None,
        login: Login::Token("token".to_owned()),
        catalog: None,
        schema: String::new(),
        admin: None,
        admin_token: None,
        switch_every: None,
        chaos: false,
        seed: 1,
        json: None,
        html: None,
        has_bar: false,
    };
    let clients = (0..4)
        .map(|client| ClientInfo { client, process: client / 2, behaviour: Behaviour::Follow })
        .collect();
    let times = Times { started: std::time::UNIX_EPOCH, took: 10 * S, unfinished: 0 };
    Report::new(&plan, clients, records, timeline, times)
}

#[test]
fn a_switch_is_reported_from_announcement_to_adoption() {
    let report = report(records(), Some(timeline()));
    let [switch] = &report.switches[..] else { panic!("one switch: {:?}", report.switches) };
    assert_eq!((switch.to, switch.announced, switch.cut_over), (Green, 2 * S, Some(2_400_000)));
    assert_eq!(switch.over, Some((8 * S, "drained")));
    let after: Vec<u64> = switch.adoptions.iter().map(|adoption| adoption.adopted_after).collect();
    assert_eq!((after, switch.adoptions[0].told_after), (vec![200_000, 600_000], 100_000));
    assert_eq!(switch.longest_gap, 6 * S, "from the query at 3 s to the one at 9 s");
    let phases: Vec<_> = report.latency.iter().map(|(phase, spread)| (*phase, spread.count)).collect();
    assert_eq!(phases, [("ANNOUNCED", 1), ("DRAINING", 1), ("STABLE", 2)]);
    assert!(report.is_well);
    let text = report.to_string();
    assert!(text.contains("2 clients of 2 threads each (2 follow)") && text.contains("2 of 2"), "{text}");
}

#[test]
fn a_strict_switch_is_over_at_its_cutover() {
    let mut strict = Timeline { is_strict: true, ..timeline() };
    strict.transitions.pop();
    assert_eq!(report(records(), Some(strict)).switches[0].over, Some((2_400_000, "strict")));
}

#[test]
fn without_an_admin_switches_are_clients_observations() {
    let report = report(records(), None);
    let [switch] = &report.switches[..] else { panic!("one switch: {:?}", report.switches) };
    assert_eq!((switch.announced, switch.adoptions.len(), switch.over), (2_100_000, 2, None));
    let phases: Vec<_> = report.latency.iter().map(|(phase, spread)| (*phase, spread.count)).collect();
    assert_eq!(phases, [("between switches", 2), ("switching", 2)]);
}

#[test]
fn lost_queries_decide_the_verdict() {
    let failure = Failure {
        call: "getNextResultBatch",
        strategy: Some(Blue),
        time: 5 * S,
        code: Some(2),
        message: "status: 456".to_owned(),
    };
    let mut lost = records();
    lost.runs[0].end = Ending::Lost(failure.clone());
    let lost = report(lost, None);
    assert!(!lost.is_well);
    let text = lost.to_string();
    assert!(text.contains("5.000 s client 0 getNextResultBatch under blue: Unknown: status: 456"), "{text}");
    assert!(text.ends_with("Verdict: 1 LOST; no promise of the switch is seen broken.\n"), "{text}");

    let mut broken = records();
    broken.runs[0].end = Ending::Broken(failure.clone());
    let broken = report(broken, None);
    assert!(!broken.is_well && broken.verdict().contains("cut off"), "{}", broken.verdict());

    let mut turned_away = records();
    turned_away.runs[0].end = Ending::TurnedAway;
    assert!(report(turned_away, None).is_well);

    let mut other = records();
    other.failures.push((failure.clone(), false));
    assert!(!report(other, None).is_well);
    let none = report(Records::default(), None);
    assert!(!none.is_well && none.verdict().contains("nothing was tried"), "{}", none.verdict());

    let mut all = records();
    all.runs.truncate(1);
    all.runs[0].end = Ending::Lost(failure);
    let all = report(all, None);
    assert!(all.verdict().starts_with("Verdict: 1 LOST"), "{}", all.verdict());
}

#[test]
fn a_456_to_informed_clients_is_counted() {
    let call = |sent, kind, strategy, outcome, notice| Call {
        client: 0,
        query: None,
        method: "prepareStatement",
        kind,
        strategy: Some(strategy),
        sent,
        answered: sent + 10,
        outcome,
        notice,
    };
    let refused = |sent| call(sent, CallKind::Begin, Blue, Outcome::Refused, None);
    let mut calls = vec![
        refused(0),
        call(5, CallKind::Neutral, Blue, Outcome::Answered, Some(Green)),
        refused(10),
        call(30, CallKind::LogIn, Green, Outcome::Answered, None),
        refused(50),
    ];
    assert_eq!(refused_though_told(&calls), 0);
    calls.insert(3, refused(20));
    assert_eq!(refused_though_told(&calls), 1);
}

#[test]
fn times_are_spread_by_rank() {
    let spread = LatencySummary::of((1..=200).rev().collect());
    assert_eq!(spread, LatencySummary { count: 200, p50: 100, p90: 180, p99: 198, max: 200 });
    assert_eq!(LatencySummary::of(vec![7]), LatencySummary { count: 1, p50: 7, p90: 7, p99: 7, max: 7 });
    assert_eq!(LatencySummary::of(Vec::new()), LatencySummary::default());
}

#[test]
fn the_page_is_self_contained() {
    let page = report(records(), Some(timeline())).page();
    assert!(page.contains("http://a&lt;b&gt;:1") && !page.contains("a<b>"), "escaped");
    for outside in ["<script", "<link", "src=", "url(", "@import"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("<th>0</th><td>200.0 ms</td>"), "when each client adopted each switch: {page}");
    for (mark, times) in [("class=\"lane\"", 4), ("<line class=\"cutover\"", 2), ("class=\"green\" x=", 2)] {
        assert_eq!(page.matches(mark).count(), times, "{mark}");
    }
}
