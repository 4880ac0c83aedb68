use admin::Seen;
use proxy::telemetry::history::Call;
use serde_json::json;

use super::*;

fn a_state(changes: Value) -> State {
    let mut state = json!({
        "phase": "STABLE", "active": "blue", "pending": null, "old": null, "epoch": 7,
        "since": "2026-01-15T10:00:00.000Z", "phase_seconds": 62.4,
        "deadlines": {"announcement_seconds": 33.2, "cutover_seconds": null, "drain_seconds": null},
        "queries": {"blue": 3, "green": 0}, "requests": {"blue": 1, "green": 0}, "abandoned": 0,
        "timer": {"every_seconds": 120.0, "paused": false, "left_seconds": 33.2},
        "engines": [], "last_refusal": null, "cutover": "drain",
        "started": "2026-01-15T09:00:00.000Z", "version": "0.1.0",
    });
    for (name, value) in changes.as_object().unwrap() {
        state[name] = value.clone();
    }
    serde_json::from_value(state).unwrap()
}

fn a_call(changes: Value) -> Call {
    let mut call = json!({
        "id": 7, "time": "2026-01-15T10:00:00.123Z", "method": "clear", "client": "0f", "user": "ann", "user_agent": "a",
        "peer": "::1", "session": "#01234567", "asked": "blue", "strategy": "blue", "verdict": "let_in", "phase": "STABLE",
        "epoch": 0, "query": "q-1", "engine": "built-in", "outcome": "ok", "status": "OK", "message": null,
        "request_bytes": 12, "response_bytes": 345, "first_byte_seconds": 0.001, "seconds": 0.0123, "notice": null,
        "fault": null,
    });
    for (name, value) in changes.as_object().unwrap() {
        call[name] = value.clone();
    }
    serde_json::from_value(call).unwrap()
}

#[test]
fn calls_are_shown_as_rows() {
    let rejected =
        json!({"user": null, "strategy": null, "outcome": "rejected", "status": "UNKNOWN", "query": null});
    let failed = json!({"outcome": "error", "status": "INTERNAL", "message": "no\u{7}!", "notice": "green", "fault": "f1"});
    let listed = [a_call(json!({})), a_call(rejected), a_call(failed)];
    let told = calls(&listed, true, Paint::off());
    let rows: Vec<Vec<&str>> = told.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows[0],
        ["TIME", "CALL", "CLIENT", "METHOD", "STRATEGY", "STATUS", "MS", "BYTES", "QUERY", "NOTES"]
    );
    assert_eq!(rows[1], ["10:00:00.123", "7", "ann", "clear", "blue", "OK", "12.3", "12/345", "q-1"]);
    assert_eq!(rows[2], ["10:00:00.123", "7", "#01234567", "clear", "-", "456", "12.3", "12/345", "-"]);
    let notes = ["INTERNAL", "12.3", "12/345", "q-1", "told", "green,", "fault", "f1,", "no?!"];
    assert_eq!(rows[3][5..], notes);
    let more = calls(&listed[..1], false, Paint::off());
    assert_eq!(
        more.find("clear"),
        told.lines().nth(1).unwrap().find("clear"),
        "rows that follow have no head"
    );
    assert_eq!(
        (calls(&[], true, Paint::off()), calls(&[], false, Paint::off())),
        ("no calls\n".to_owned(), String::new())
    );
}

#[test]
fn what_was_seen_instead_is_shown() {
    let told = seen(
        &Seen {
            matched: 1,
            calls: 3,
            by_method: [("clear".to_owned(), [("OK".to_owned(), 2), ("INTERNAL".to_owned(), 1)].into())]
                .into(),
            nearest: vec![a_call(json!({}))],
        },
        Paint::off(),
    );
    let start = "1 of 3 calls match\n\nSeen:\nMETHOD  STATUS    CALLS\nclear   INTERNAL  1\nclear   OK        2\n\nNearest:\nTIME ";
    assert!(told.starts_with(start), "{told}");
}

#[test]
fn a_state_is_shown_in_aligned_lines() {
    let told = state(&a_state(json!({})), Paint::off());
    assert_eq!(
        told,
        "phase      STABLE for 1m 3s (epoch 7)\n\
         active     blue\n\
         queries    blue 3, green 0\n\
         requests   blue 1, green 0\n\
         cutover    drain\n\
         timer      every 2m, 34s left\n\
         teal       0.1.0, since 2026-01-15T09:00:00.000Z\n"
    );
}

#[test]
fn states_are_shown_beside_their_strategy() {
    let told = state(
        &a_state(json!({
            "phase": "DRAINING", "active": "green", "old": "blue", "abandoned": 2,
            "deadlines": {"announcement_seconds": null, "cutover_seconds": null, "drain_seconds": 4.2},
            "timer": {"every_seconds": 120.0, "paused": true, "left_seconds": 90.0},
            "engines": [{"strategies": ["blue"], "url": "http://b", "healthy": false, "problem": "gone\u{7}", "connections": 0}],
            "last_refusal": {"time": "2026-01-15T10:00:00.000Z", "reason": "the engine is ill"},
        })),
        Paint::off(),
    );
    for line in [
        "old        blue, drained within 5s\n",
        "abandoned  2 queries, by drains that timed out\n",
        "timer      every 2m, paused with 1m 30s left\n",
        "engine     http://b of blue, unhealthy: gone?, 0 connections\n",
        "refused    2026-01-15T10:00:00.000Z the engine is ill\n",
    ] {
        assert!(told.contains(line), "{line:?} is not in\n{told}");
    }
    let announced = json!({
        "phase": "ANNOUNCED", "pending": "green", "timer": {"every_seconds": null, "paused": false, "left_seconds": null},
        "deadlines": {"announcement_seconds": null, "cutover_seconds": null, "drain_seconds": null},
    });
    let told = state(&a_state(announced.clone()), Paint::off());
    assert!(told.contains("pending    green, cutover on command\n"), "{told}");
    assert!(told.contains("timer      off\n"), "{told}");
    assert_eq!(
        progress(&a_state(announced)),
        "ANNOUNCED blue -> green, 3 queries on blue, cutover on command"
    );
}

#[test]
fn columns_are_as_wide_as_their_cells() {
    let answer = json!({
        "queries": [
            {"id": "a-long-id", "strategy": "blue", "age_seconds": 3.0, "idle_seconds": 0.2, "requests": 1},
            {"id": "\u{1b}[2J", "strategy": "green", "age_seconds": 4000.0, "idle_seconds": 0.0, "requests": 0},
        ],
        "total": 5,
    });
    assert_eq!(
        queries(&serde_json::from_value(answer).unwrap(), Paint::off()),
        "QUERY      STRATEGY  AGE        IDLE  REQUESTS\n\
         a-long-id  blue      3s         1s    1\n\
         ?[2J       green     1h 6m 40s  0s    0\n\
         2 of 5 queries\n"
    );
}

#[test]
fn clients_are_listed_by_known_facts() {
    let answer = json!({"clients": [
        {"user_agent": "grpc-python", "verdict": "followed", "reason": null, "others": 1},
        {"user_agent": "grpc-java", "verdict": null, "reason": null},
    ], "total": 2});
    assert_eq!(
        clients(&answer, Paint::off()),
        "USER AGENT   VERDICT\ngrpc-python  followed\ngrpc-java    -\n"
    );
    assert_eq!(clients(&json!({"clients": [], "total": 0}), Paint::off()), "no clients\n");
}

#[test]
fn colour_is_for_terminals() {
    let on = Paint { is_on: true };
    assert_eq!(on.strategy(Strategy::Green), "\x1b[32mgreen\x1b[0m");
    assert_eq!(Paint::off().strategy(Strategy::Green), "green");
}

fn shared(changes: &Value) -> State {
    let instance = |name: &str, changes: &Value| {
        let mut instance = json!({
            "name": name, "id": "00000000000000a1", "version": "0.1.0", "admin": null, "live": true, "epoch": 7,
            "stage": "closing", "quiet": false, "requests": 3, "here": false, "waited_for": false, "differs": [],
        });
        for (name, value) in changes.as_object().unwrap() {
            instance[name] = value.clone();
        }
        instance
    };
    let mut state = json!({
        "agreed": {"open": 2, "telling": 1, "of": 2},
        "etcd": {"state": "live", "lag_seconds": 0.0, "lease_seconds": 8.2},
        "instances": [
            instance("web-1", &json!({"here": true, "admin": "10.0.0.1:50061"})),
            instance("web-2\u{7}", &json!({"epoch": 6, "waited_for": true, "requests": 1, "differs": ["grace", "notice"]})),
            instance("web-3", &json!({"live": false})),
        ],
    });
    for (name, value) in changes.as_object().unwrap() {
        state[name] = value.clone();
    }
    a_state(state)
}

#[test]
fn each_instance_has_a_line() {
    let told = state(&shared(&json!({"phase": "ANNOUNCED", "pending": "green"})), Paint::off());
    let lines = "agreed     2 of 2 instances accept green, 1 tell\n\
                 instance   web-1, this one, epoch 7, closing, 3 requests\n\
                 instance   web-2?, epoch 6, closing, 1 request, waited for, settings differ: grace, notice\n\
                 instance   web-3, gone\n\
                 etcd       live, lease ends in 9s\n";
    assert!(told.contains(lines), "{told}");
    let lost = json!({"etcd": {"state": "cut_off", "lag_seconds": 0.0, "lease_seconds": 0.0}});
    let told = state(&shared(&lost), Paint::off());
    assert!(told.contains("etcd       lost: only calls about queries on record are let in\n"), "{told}");
    assert!(!told.contains("agreed"), "{told}");
}

#[test]
fn instances_are_listed_in_columns() {
    assert_eq!(
        instances(&shared(&json!({})), Paint::off()),
        "INSTANCE  STATE       EPOCH  STAGE    QUIET  REQUESTS  VERSION  ADMIN           ID                DIFFERS\n\
         web-1 *   live        7      closing  no     3         0.1.0    10.0.0.1:50061  00000000000000a1  -\n\
         web-2?    waited for  6      closing  no     1         0.1.0    -               00000000000000a1  grace, notice\n\
         web-3     gone        7      closing  no     3         0.1.0    -               00000000000000a1  -\n\
         * answers this\n"
    );
}

#[test]
fn messages_are_shown_as_json_and_tables() {
    let mut one = serde_json::to_value(a_call(json!({}))).unwrap();
    one["messages"] = json!({
        "request": [{"type": "ClearRequest", "bytes": 12, "cut": false, "content": {"queryId": "q\u{1b}[2J"}}],
        "request_left_out": 2,
        "response": [{"type": "GetNextResultBatchResponse", "bytes": 99, "cut": true, "problem": "why", "hex": "0a",
            "content": {"resultBatch": {"columns": ["id", "name"], "row_count": 7, "rows": [["1", "ann"], ["2"]]}}}],
        "response_left_out": 0,
    });
    let told = one_call(&serde_json::from_value(one).unwrap(), Paint::off());
    let (_, told) = told.split_once("\n\n").unwrap();
    let expected = "Request: ClearRequest, 12 bytes\n{\n  \"queryId\": \"q\\u001b[2J\"\n}\n\nRequest: 2 more\n\n\
        Response: GetNextResultBatchResponse, 99 bytes, cut\nwhy\nid  name\n1   ann\n2\n5 more rows\nhex: 0a\n";
    assert_eq!(told, expected);
}
