//! Fault rules of a running teal: the commands that add and remove them, their effects, and their reports.

use std::{
    thread,
    time::{Duration, Instant},
};

use prost::Message;
use protocol::pb;
use proxy::fault::rule::KEYS;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{Server, call, command, send, teal};

const SOON: Duration = Duration::from_secs(60);

/// A server without automatic switches.
fn still() -> Server {
    teal().admin().switch_every("0").run()
}

fn add(server: &Server, args: &[&str]) -> String {
    server.operate(&[&["fault", "add"], args].concat()).done()
}

fn list(server: &Server) -> Vec<Value> {
    let list: Value =
        serde_json::from_str(&server.operate(&["fault", "list", "--json"]).done()).expect("JSON");
    list["faults"].as_array().expect("a list").clone()
}

/// Makes a call with a token; returns the result, and the rules that changed it.
fn ask(server: &Server, method: &str) -> (Result<(), Status>, String) {
    let metadata = [("authorization", "Bearer someone")];
    let answered = call(server.address, method, &metadata, Vec::new(), SOON);
    let metadata = match &answered {
        Ok(answer) => answer.metadata(),
        Err(status) => status.metadata(),
    };
    let faults = metadata.get_all("teal-fault").iter().filter_map(|id| id.to_str().ok());
    let faults = faults.collect::<Vec<_>>().join(" ");
    (answered.map(|_| ()), faults)
}

#[test]
fn rules_are_added_listed_and_removed_live() {
    let server = still();
    assert_eq!(server.operate(&["fault", "list"]).done(), "no faults\n");
    let added = add(
        &server,
        &["--match", "method=getNextResultBatch,strategy=green", "--delay", "200ms±50ms", "--first", "3"],
    );
    let rule = "method=getNextResultBatch,strategy=green,first=3,delay=200ms±50ms";
    assert_eq!(added, format!("fault f1 is added: {rule}\n"));
    let added = add(&server, &["--match", "id=no,method=getSchemaNames,access-denied"]);
    assert_eq!(added, "fault no is added: id=no,method=getSchemaNames,access-denied\n");
    let (answered, faults) = ask(&server, "getSchemaNames");
    let status = answered.expect_err("it is denied");
    assert_eq!((status.code(), status.message(), faults.as_str()), (Code::Internal, "Access denied", "no"));
    assert_eq!(ask(&server, "getAddCatalogsResponse").1, "", "another method");
    assert_eq!(
        server.operate(&["fault", "list"]).done(),
        format!(
            "FAULT  FROM      MATCHES  HITS  RULE\n\
             f1     operator  0        0     {rule}\n\
             no     operator  1        1     id=no,method=getSchemaNames,access-denied\n"
        )
    );
    let expected = json!({"id": "f1", "rule": rule, "source": "operator", "matches": 0, "hits": 0});
    assert_eq!(list(&server)[0], expected);

    assert_eq!(server.operate(&["fault", "remove", "no"]).done(), "fault no is removed\n");
    let (answered, faults) = ask(&server, "getSchemaNames");
    assert_eq!((answered.is_ok(), faults.as_str()), (true, ""));
    let said = server.operate(&["fault", "remove", "no"]).ended(1);
    assert_eq!(said.err, "teal: there is no fault 'no'\n");
    assert_eq!(server.operate(&["fault", "clear"]).done(), "faults removed: 1\n");
    assert_eq!(server.operate(&["fault", "clear", "--json"]).done(), "{\"removed\":0}\n");
    assert_eq!(list(&server), Vec::<Value>::new());
}

#[test]
fn rules_are_equal_by_flag_setting_or_command() {
    let rules =
        ["method=clear,delay=1s,at=answer", "sql=\"a{1,2}, b\",status=UNAVAILABLE,message=\"try, again\""];
    let set = teal().admin().env("TEAL_FAULT", &rules.join("\n")).run();
    let given = teal().admin().with("--fault", rules[0]).with("--fault", rules[1]).run();
    let told = still();
    add(&told, &["--match", "method=clear", "--delay", "1s", "--at", "answer"]);
    add(&told, &["--match", "sql=\"a{1,2}, b\"", "--status", "UNAVAILABLE", "--message", "try, again"]);
    let texts = |server| list(server).iter().map(|fault| fault["rule"].clone()).collect::<Vec<_>>();
    let expected = texts(&given);
    assert_eq!(expected.len(), 2);
    assert_eq!((&texts(&set), &texts(&told)), (&expected, &expected));
}

#[test]
fn every_key_has_a_flag() {
    let help = command().args(&["fault", "add", "--help"]).run().done();
    for key in KEYS {
        assert!(help.contains(&format!("--{} ", key.name)), "--{} is not in\n{help}", key.name);
    }
}

#[test]
fn bad_rules_are_refused_with_the_reason() {
    let server = still();
    let delay = "expected a duration such as 200ms or 2s";
    for (args, why) in [
        (&["--delay", "soon"][..], format!("delay: 'soon': {delay}")),
        (&["--match", "method=clear"], "rule: 'method=clear': expected an effect".to_owned()),
        (&["--match", "method=clare", "--hang"], "method: 'clare': never matches".to_owned()),
        (
            &["--match", "colour=blue", "--hang"],
            "colour: 'blue': expected one of the keys id, method".to_owned(),
        ),
        (&["--match", "method=\"clear", "--hang"], "method: '\"clear': expected a closing quote".to_owned()),
        (&["--match", "first=1", "--first", "2", "--hang"], "first: '2': expected this key once".to_owned()),
        (&["--nth", "5", "--first", "3", "--hang"], "nth: '5': never matches".to_owned()),
        (&["--hang", "--disconnect"], "hang: '': contradicts another effect".to_owned()),
        (&["--hang", "--delay", "1s"], "hang: '': contradicts delay".to_owned()),
        (&["--sql", "(", "--hang"], "sql: '(': expected a regular expression".to_owned()),
        (&["--method", "clear", "--empty-batch"], "empty-batch: '': never matches".to_owned()),
    ] {
        let said = server.operate(&[&["fault", "add"], args].concat()).ended(64);
        assert!(said.err.starts_with(&format!("teal: {why}")), "{args:?}: {}", said.err);
        assert_eq!((said.err.lines().count(), said.out.as_str()), (1, ""), "{said:?}");
    }
    assert_eq!(list(&server), Vec::<Value>::new());
    add(&server, &["--id", "x", "--hang"]);
    let said = server.operate(&["fault", "add", "--id", "x", "--hang"]).ended(1);
    assert_eq!(said.err, "teal: id: 'x': expected a name that no other rule has\n");
    let said = server.operate(&["fault", "add", "--id", "x", "--hang", "--json"]).ended(1);
    let answer: Value = serde_json::from_str(&said.out).expect("the refusal is JSON");
    assert_eq!(answer["error"]["code"], "taken");
}

#[test]
fn unfit_rules_are_refused_at_any_time() {
    let strict = || teal().admin().cutover("strict");
    let ungated = || teal().admin().with("--gate", "off");
    for (build, rule, why) in [
        (&ungated as &dyn Fn() -> _, "mismatch", "mismatch: 'mismatch': never matches: there is no gate"),
        (&ungated, "strategy=blue,hang", "strategy: 'strategy=blue,hang': never matches: there is no gate"),
        (
            &strict,
            "phase=DRAINING,hang",
            "phase: 'DRAINING': never matches: with --cutover strict there is no draining",
        ),
    ] {
        let (status, said) = build().with("--fault", rule).refused();
        assert_eq!(status.code(), Some(64), "{said}");
        assert!(said.starts_with("teal: --fault (or TEAL_FAULT): '") && said.contains(why), "{said}");
        let said = build().run().operate(&["fault", "add", "--match", rule]).ended(1);
        assert_eq!(said.err, format!("teal: {why}\n"));
    }
    let (status, said) = teal().with("--fault", "id=x,hang").with("--fault", "id=x,suspended").refused();
    assert_eq!(status.code(), Some(64), "{said}");
    assert!(said.contains("expected an id that no other rule has"), "{said}");
}

#[test]
fn what_becomes_of_a_rule_is_an_event() {
    let server = still();
    add(&server, &["--match", "id=slow,method=getSchemaNames", "--delay", "1ms"]);
    for _ in 0..12 {
        assert_eq!(ask(&server, "getSchemaNames").1, "slow");
    }
    server.operate(&["fault", "remove", "slow"]).done();
    add(&server, &["--suspended"]);
    server.operate(&["fault", "clear"]).done();
    server.operate(&["fault", "clear"]).done();
    let rule = "id=slow,method=getSchemaNames,delay=1ms";
    let events: Value = serde_json::from_str(&server.get("/api/v1/events")).expect("JSON");
    let told: Vec<_> = events["events"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|event| {
            assert_eq!((&event["kind"], &event["epoch"]), (&json!("fault"), &json!(0)), "{event}");
            (
                event["action"].as_str().expect("it has one"),
                event["message"].as_str().expect("it has one"),
                event["hits"].as_u64(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("added", format!("Fault slow added: {rule}").as_str(), Some(0)),
            ("hit", &format!("Fault slow hit getSchemaNames: {rule}"), Some(1)),
            ("hit", &format!("Fault slow hit getSchemaNames, its hit number 10: {rule}"), Some(10)),
            ("removed", "Fault slow removed, after 12 hits", Some(12)),
            ("added", "Fault f1 added: suspended", Some(0)),
            ("cleared", "Faults cleared: 1", None),
        ]
    );
    let first = &events["events"][0];
    assert_eq!(
        (&first["fault"], &first["rule"], &first["source"]),
        (&json!("slow"), &json!(rule), &json!("operator"))
    );
    assert_eq!(
        server.lines_with(&format!("Fault slow hit getSchemaNames: {rule}")).len(),
        12,
        "each hit is logged"
    );
    // A line in a text would be another line of the log.
    let answer = crate::support::answer(send(
        server.admin(),
        "POST /api/v1/faults",
        r#"{"rule": "status=ABORTED,message=\"a\nb\""}"#,
    ));
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(server.wait_for("Fault f2 added: status=ABORTED,message=", 1, SOON).len(), 1);
    assert!(
        server.lines_with("b\"").iter().all(|line| line.contains("Fault f2 added")),
        "{}",
        server.output()
    );
}

#[test]
fn a_call_that_hangs_ends_with_its_client() {
    let server = still();
    add(&server, &["--method", "getSchemaNames", "--hang"]);
    let in_progress = || {
        let state: Value = serde_json::from_str(&server.get("/api/v1/state")).expect("JSON");
        state["requests"]["blue"].as_u64().expect("a number")
    };
    let address = server.address;
    let client = thread::spawn(move || {
        let metadata = [("authorization", "Bearer someone")];
        call(address, "getSchemaNames", &metadata, Vec::new(), Duration::from_secs(3))
    });
    server.wait_for("Fault f1 hit getSchemaNames: ", 1, SOON);
    assert_eq!(in_progress(), 1);
    let ended = client.join().expect("it ends").expect_err("nothing comes");
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    let begun = Instant::now();
    while in_progress() > 0 {
        assert!(begun.elapsed() < SOON, "it holds every drain from here on");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn rules_know_who_logged_in() {
    let login = |server: &Server, user: &str| {
        let (user, password) = (user.to_owned(), "secret".to_owned());
        let request = pb::AuthenticateRequest { user, password, ..Default::default() }.encode_to_vec();
        let answer = call(server.address, "authenticate", &[], request, SOON).expect("it is let in");
        pb::AuthenticateResponse::decode(answer.into_inner()).expect("it is one").session_id
    };
    let is_denied = |server: &Server, session: &str| {
        let request = pb::GetSchemaNamesRequest { session_id: session.to_owned() };
        let answered = call(server.address, "getSchemaNames", &[], request.encode_to_vec(), SOON);
        answered.is_err_and(|status| status.message() == "Access denied")
    };
    let rule = ["--match", "user=me@*,method=getSchemaNames", "--access-denied"];
    let server = still();
    let (mine, yours) = (login(&server, "me@example.com"), login(&server, "you@example.com"));
    assert!(!is_denied(&server, &mine), "there is no rule yet");
    add(&server, &rule);
    assert!(is_denied(&server, &mine) && !is_denied(&server, &yours));

    let server = teal().admin().with("--gate", "off").run();
    add(&server, &rule);
    let (mine, yours) = (login(&server, "me@example.com"), login(&server, "you@example.com"));
    assert!(is_denied(&server, &mine) && !is_denied(&server, &yours));
}
