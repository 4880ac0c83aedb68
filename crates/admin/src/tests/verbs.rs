//! Commands: their effects, their responses, and that each runs once.

use std::thread;

use switch::{Actor, Cutover, Order};

use super::*;

#[tokio::test]
async fn a_switch_goes_there_and_back() {
    let bench = Bench::new(still());
    let at = |answer: &Value| {
        let state = &answer["state"];
        [&state["phase"], &state["active"], &state["pending"], &state["old"]].map(Value::clone)
    };
    for (verb, body, done, state) in [
        (
            "switch",
            json!({"to": "green", "epoch": 0}),
            "green is announced; blue stays active until the cutover",
            [json!("ANNOUNCED"), json!("blue"), json!("green"), json!(null)],
        ),
        (
            "cutover",
            json!({}),
            "green is active; blue is being drained",
            [json!("DRAINING"), json!("green"), json!(null), json!("blue")],
        ),
        (
            "rollback",
            json!({"epoch": 2}),
            "blue is announced; green stays active until the cutover",
            [json!("ANNOUNCED"), json!("green"), json!("blue"), json!(null)],
        ),
        (
            "abort",
            json!({"epoch": null}),
            "the announcement of blue is withdrawn; green stays active",
            [json!("DRAINING"), json!("green"), json!(null), json!("blue")],
        ),
    ] {
        let before = bench.epoch();
        let (status, answer) = bench.post(&format!("/api/v1/{verb}"), body).await;
        assert_eq!((status, &answer["done"]), (StatusCode::OK, &json!(done)), "{answer}");
        assert_eq!(at(&answer), state);
        assert_eq!(answer["state"]["epoch"], json!(before + 1));
        assert_eq!(answer["event"], json!(before + 1));
        assert_eq!(bench.get("/api/v1/state").await.1["phase"], answer["state"]["phase"]);
    }
}

#[tokio::test]
async fn refusals_of_commands_name_the_phase() {
    let bench = Bench::new(still());
    let steps = [None, Some(Command::Announce { to: None }), Some(Command::Cutover { force: false })];
    for (step, phase, fitting) in [
        (steps[0], "STABLE", &["switch"][..]),
        (steps[1], "ANNOUNCED", &["cutover", "abort"]),
        (steps[2], "DRAINING", &["rollback"]),
    ] {
        if let Some(step) = step {
            bench.switch.command(step, Order::by(Actor::Operator)).unwrap();
        }
        let (epoch, told) = (bench.epoch(), bench.switch.event_log().next());
        let unfit = ["switch", "cutover", "abort", "rollback"].iter().filter(|verb| !fitting.contains(verb));
        for (number, verb) in unfit.enumerate() {
            let (status, answer) = bench.post(&format!("/api/v1/{verb}"), "{}").await;
            assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "unfit"), "{verb} in {phase}");
            assert!(message(&answer).contains(phase), "{answer}");
            assert_eq!(
                (&answer["error"]["phase"], &answer["error"]["epoch"]),
                (&json!(phase), &json!(epoch))
            );
            let noted = bench.switch.event_log().after(told - 1 + number as u64, 1);
            assert_eq!((noted[0].note.kind, &noted[0].note.details["command"]), ("refused", &json!(verb)));
        }
        assert_eq!(bench.epoch(), epoch);
    }
}

#[tokio::test]
async fn the_active_strategy_is_not_announced() {
    let bench = Bench::new(still());
    let (status, answer) = bench.post("/api/v1/switch", json!({"to": "blue"})).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "unfit"));
    assert_eq!(message(&answer), "cannot switch to blue in phase STABLE: it is active already");
}

#[tokio::test]
async fn commands_for_outdated_states_are_refused() {
    let bench = Bench::new(still());
    bench.post("/api/v1/switch", json!({"epoch": 0})).await;
    for (verb, epoch) in [("cutover", 0), ("abort", 2), ("switch", 0), ("rollback", u64::MAX)] {
        let (status, answer) = bench.post(&format!("/api/v1/{verb}"), json!({"epoch": epoch})).await;
        assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "stale"), "{verb} {epoch}");
        assert_eq!((&answer["error"]["phase"], &answer["error"]["epoch"]), (&json!("ANNOUNCED"), &json!(1)));
    }
    assert_eq!(bench.epoch(), 1);
}

#[test]
fn one_of_many_simultaneous_operators_switches() {
    // Without drains, each cutover leads straight to STABLE.
    let bench = Bench::new(Rules { cutover: Cutover::Strict, ..still() });
    for round in 0..20 {
        let epoch = bench.epoch();
        let post = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(bench.post("/api/v1/switch", json!({"epoch": epoch})))
        };
        let answers = thread::scope(|scope| {
            let posts: Vec<_> = (0..8).map(|_| scope.spawn(post)).collect();
            posts.into_iter().map(|post| post.join().unwrap()).collect::<Vec<_>>()
        });
        let (done, refused): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|(status, _)| *status == StatusCode::OK);
        assert_eq!(done.len(), 1, "round {round}");
        assert!(refused.iter().all(|(_, answer)| code(answer) == "stale"), "{refused:?}");
        assert_eq!(bench.epoch(), epoch + 1);
        bench.switch.command(Command::Cutover { force: false }, Order::by(Actor::Operator)).unwrap();
    }
}

#[tokio::test]
async fn switches_to_unhealthy_engines_are_refused() {
    let patients = Arc::new(IllEngines::default());
    let engines: Arc<dyn Engines> = patients.clone();
    let bench = Bench::with(still(), |admin| admin.engines = Some(engines), None);
    patients.falls_ill(Strategy::Green);
    let (status, answer) = bench.post("/api/v1/switch", "{}").await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "engine"));
    assert_eq!(message(&answer), "cannot announce in phase STABLE: engine http://green is ill");
    let state = bench.get("/api/v1/state").await.1;
    assert_eq!((&state["phase"], &state["epoch"]), (&json!("STABLE"), &json!(0)));
    assert_eq!(state["last_refusal"]["reason"], answer["error"]["message"]);
    assert_eq!(state["engines"][1]["healthy"], json!(false));
    assert_eq!(bench.switch.event_log().after(0, 9)[0].note.kind, "refused");
}

#[tokio::test]
async fn rollbacks_check_and_unhealthy_cutovers_need_force() {
    let patients = Arc::new(IllEngines::default());
    let engines: Arc<dyn Engines> = patients.clone();
    let bench = Bench::with(still(), |admin| admin.engines = Some(engines), None);
    bench.post("/api/v1/switch", "{}").await;
    bench.post("/api/v1/cutover", "{}").await;
    patients.falls_ill(Strategy::Blue);
    let (status, answer) = bench.post("/api/v1/rollback", "{}").await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "engine"));
    assert_eq!(message(&answer), "cannot roll back in phase DRAINING: engine http://blue is ill");
    patients.recovers();
    assert_eq!(bench.post("/api/v1/rollback", "{}").await.0, StatusCode::OK);
    patients.falls_ill(Strategy::Blue);
    let (status, answer) = bench.post("/api/v1/cutover", json!({"force": false})).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "engine"));
    assert_eq!(message(&answer), "cannot cut over in phase ANNOUNCED: engine http://blue is ill");
    let (status, answer) = bench.post("/api/v1/cutover", json!({"force": true})).await;
    assert_eq!((status, &answer["done"]), (StatusCode::OK, &json!("blue is active; green is being drained")));
}

#[tokio::test]
async fn an_announcement_ends_the_refusal_before_it() {
    let patients = Arc::new(IllEngines::default());
    let engines: Arc<dyn Engines> = patients.clone();
    let bench = Bench::with(still(), |admin| admin.engines = Some(engines), None);
    patients.falls_ill(Strategy::Green);
    bench.post("/api/v1/switch", "{}").await;
    assert!(bench.get("/api/v1/state").await.1["last_refusal"].is_object());
    patients.recovers();
    bench.post("/api/v1/switch", "{}").await;
    assert!(bench.get("/api/v1/state").await.1["last_refusal"].is_null());
}

#[tokio::test(start_paused = true)]
async fn the_timer_is_paused_and_resumed() {
    let every = std::time::Duration::from_secs(120);
    let bench = Bench::new(Rules { switch_every: Some(every), ..still() });
    let state = bench.get("/api/v1/state").await.1;
    assert_eq!((&state["timer"]["every_seconds"], &state["timer"]["paused"]), (&json!(120.0), &json!(false)));
    assert_eq!(state["deadlines"]["announcement_seconds"], state["timer"]["left_seconds"]);
    for (action, done, is_paused, event) in [
        ("pause", "the timer is paused with 120 s left", true, json!(1)),
        ("pause", "the timer was paused already", true, json!(null)),
        ("resume", "the timer goes on", false, json!(2)),
        ("resume", "the timer was running already", false, json!(null)),
    ] {
        let (status, answer) = bench.post("/api/v1/timer", json!({"action": action, "epoch": 0})).await;
        assert_eq!((status, &answer["done"], &answer["event"]), (StatusCode::OK, &json!(done), &event));
        let state = &answer["state"];
        assert_eq!(state["timer"]["paused"], json!(is_paused));
        assert_eq!(state["deadlines"]["announcement_seconds"].is_null(), is_paused);
        assert!(state["timer"]["left_seconds"].as_f64().is_some_and(|left| left == 120.0));
    }
    let (status, answer) = Bench::new(still()).post("/api/v1/timer", json!({"action": "pause"})).await;
    assert_eq!((status, code(&answer)), (StatusCode::CONFLICT, "unfit"));
}

#[tokio::test(start_paused = true)]
async fn queries_are_listed_longest_idle_first() {
    use protocol::CallKind;
    use switch::{Arrival, Header};
    let bench = Bench::new(still());
    for id in ["a", "b", "c"] {
        let arrival = Arrival { kind: CallKind::Begin, query: None, header: Header::Names(Strategy::Blue) };
        let mut pass = bench.switch.arrive(arrival).unwrap();
        pass.begun(id);
        pass.answered(true);
        tokio::time::advance(std::time::Duration::from_secs(1)).await;
    }
    let arrival = Arrival { kind: CallKind::Continue, query: Some("a"), header: Header::Absent };
    let _asked_about = bench.switch.arrive(arrival).unwrap();
    let (_, answer) = bench.get("/api/v1/queries?limit=2").await;
    let ids = answer["queries"].as_array().unwrap().iter().map(|query| query["id"].clone());
    assert_eq!((Vec::from_iter(ids), &answer["total"]), (vec![json!("b"), json!("c")], &json!(3)));
    let (_, answer) = bench.get("/api/v1/queries").await;
    assert_eq!((&answer["queries"][2]["id"], &answer["queries"][2]["requests"]), (&json!("a"), &json!(1)));
    assert_eq!(bench.get("/api/v1/queries?strategy=green").await.1, json!({"queries": [], "total": 0}));
    let state = bench.get("/api/v1/state").await.1;
    assert_eq!((&state["queries"]["blue"], &state["requests"]["blue"]), (&json!(3), &json!(1)));
}
