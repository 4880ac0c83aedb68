//! Every command against a running teal: its output and exit code.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    path::Path,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{Connector, Place, Running, Server, command, python, teal};

const SOON: Duration = Duration::from_secs(60);

/// A server without automatic switches.
fn still() -> Server {
    teal().admin().switch_every("0").with("--announce-timeout", "0").with("--drain-timeout", "0").run()
}

/// Starts a long-running command.
fn start(server: &Server, args: &[&str]) -> Running {
    command().args(args).to(&server.admin()).start()
}

fn state(server: &Server) -> Value {
    serde_json::from_str(&server.operate(&["status", "--json"]).done()).expect("the state is JSON")
}

#[test]
fn an_operator_goes_through_a_switch_and_back() {
    let server = still();
    let told = server.operate(&["status"]).done();
    assert!(told.contains("phase      STABLE for ") && told.contains("active     blue\n"), "{told}");
    for (args, done, phase) in [
        (&["switch"][..], "green is announced; blue stays active until the cutover\n", "ANNOUNCED"),
        (&["cutover"], "green is active; blue is being drained\n", "DRAINING"),
        (&["rollback"], "blue is announced; green stays active until the cutover\n", "ANNOUNCED"),
        (&["abort"], "the announcement of blue is withdrawn; green stays active\n", "DRAINING"),
    ] {
        assert_eq!(server.operate(args).done(), done);
        assert_eq!(state(&server)["phase"], phase);
        assert!(server.operate(&["status"]).done().contains(phase));
    }
    for words in ["Strategy change pending: blue -> green", "Strategy switched from blue to green"] {
        assert_eq!(server.wait_for(words, 1, SOON).len(), 1);
    }
}

#[test]
fn refusals_name_the_phase_and_exit_1() {
    let server = still();
    for (args, why) in [
        (&["cutover"][..], "cannot cut over in phase STABLE: expected ANNOUNCED"),
        (&["abort"], "cannot abort in phase STABLE: expected ANNOUNCED"),
        (&["rollback"], "cannot roll back in phase STABLE: expected DRAINING"),
        (&["switch", "blue"], "cannot switch to blue in phase STABLE: it is active already"),
        (&["switch", "Blue", "--wait"], "cannot switch to blue in phase STABLE: it is active already"),
        (&["timer", "pause"], "cannot pause the timer in phase STABLE: there is none (--switch-every is 0)"),
    ] {
        let said = server.operate(args).ended(1);
        assert_eq!((said.out.as_str(), said.err), ("", format!("teal: {why}\n")), "{args:?}");
    }
    server.operate(&["switch", "green"]).done();
    // Repeating the command does not start a second switch.
    let said = server.operate(&["switch", "green"]).ended(1);
    assert_eq!(said.err, "teal: cannot announce in phase ANNOUNCED: expected STABLE\n");
    let said = server.operate(&["switch", "--json"]).ended(1);
    let refusal: Value = serde_json::from_str(&said.out).expect("the refusal is JSON");
    assert_eq!(
        (&refusal["error"]["code"], &refusal["error"]["phase"]),
        (&"unfit".into(), &"ANNOUNCED".into())
    );
    assert_eq!(state(&server)["epoch"], 1);
}

#[test]
fn json_is_what_the_api_answers() {
    let server = still();
    let answer: Value = serde_json::from_str(&server.operate(&["switch", "--json"]).done()).expect("JSON");
    assert_eq!((&answer["event"], &answer["state"]["pending"]), (&1.into(), &"green".into()));
    let queries: Value = serde_json::from_str(&server.operate(&["queries", "--json"]).done()).expect("JSON");
    assert_eq!(queries, serde_json::json!({"queries": [], "total": 0}));
}

#[test]
fn nobody_there_ends_with_2() {
    let nobody = Place::new();
    let address = nobody.address;
    let commands = [
        &["status"][..],
        &["status", "--watch"],
        &["switch"],
        &["switch", "--wait"],
        &["cutover"],
        &["abort"],
        &["rollback"],
        &["timer", "pause"],
        &["queries"],
        &["clients"],
        &["cluster", "status"],
        &["fault", "add", "--hang"],
        &["fault", "list"],
        &["fault", "remove", "f1"],
        &["fault", "clear"],
        &["token", "revoke", "--all"],
    ];
    for args in commands {
        let said = command().args(args).to(&address).run().ended(2);
        let start = format!("teal: no teal answers at {address} (");
        assert!(said.err.starts_with(&start) && said.err.lines().count() == 1, "{args:?}: {}", said.err);
    }
}

/// Something that answers every connection with these bytes.
fn impostor(answer: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            _ = stream.read(&mut [0; 4096]);
            _ = stream.write_all(answer);
        }
    });
    address
}

#[test]
fn what_is_no_teal_ends_with_2() {
    for answer in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}",
    ] {
        let said = command().args(&["status"]).to(&impostor(answer)).run();
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.starts_with("teal: ") && said.err.lines().count() == 1, "{said:?}");
    }
}

#[test]
fn the_environment_says_where_teal_is() {
    let server = still();
    let said = command().args(&["status"]).env("TEAL_ADMIN", &server.admin().to_string()).run();
    assert!(said.done().contains("STABLE"));
}

/// A server whose switches end by themselves, and soon.
fn swift() -> Server {
    let server = teal().admin().switch_every("0").notice("0s").with("--announce-timeout", "200ms");
    server.grace("200ms").run()
}

#[test]
fn a_switch_is_waited_for() {
    let server = swift();
    let mut waiting = start(&server, &["switch", "--wait"]);
    assert_eq!(waiting.wait(SOON).code(), Some(0));
    waiting.drained();
    let said = waiting.output();
    assert!(said.contains("ANNOUNCED blue -> green, 0 queries on blue, cutover within "), "{said}");
    assert!(said.contains("green is active, and the switch is complete"), "{said}");
    assert_eq!(state(&server)["phase"], "STABLE");
    let state: Value = {
        let mut waiting = start(&server, &["switch", "blue", "--wait", "--json"]);
        assert_eq!(waiting.wait(SOON).code(), Some(0));
        waiting.drained();
        let line = waiting.lines_with("{").pop().expect("a line of JSON");
        serde_json::from_str(&line).expect("the state is JSON")
    };
    assert_eq!(
        (&state["phase"], &state["active"], &state["epoch"]),
        (&"STABLE".into(), &"blue".into(), &6.into())
    );
}

#[test]
fn a_strict_switch_is_complete_at_its_cutover() {
    let server = teal().admin().switch_every("0").cutover("strict").with("--announce-timeout", "0").run();
    let mut waiting = start(&server, &["switch", "--wait"]);
    waiting.wait_for("ANNOUNCED", 1, SOON);
    server.operate(&["cutover"]).done();
    assert_eq!(waiting.wait(SOON).code(), Some(0), "{}", waiting.output());
}

#[test]
fn waits_for_withdrawn_switches_exit_1() {
    let server = still();
    let mut waiting = start(&server, &["switch", "--wait"]);
    waiting.wait_for("ANNOUNCED", 1, SOON);
    server.operate(&["abort"]).done();
    ends_with(&mut waiting, 1, "teal: the switch was aborted");

    let server = teal().admin().switch_every("0").with("--announce-timeout", "0").grace("1h").run();
    let mut waiting = start(&server, &["switch", "--wait"]);
    waiting.wait_for("ANNOUNCED", 1, SOON);
    server.operate(&["cutover"]).done();
    waiting.wait_for("DRAINING", 1, SOON);
    server.operate(&["rollback"]).done();
    ends_with(&mut waiting, 1, "teal: the switch is being rolled back");
}

#[test]
fn waits_for_timed_out_drains_exit_1() {
    let server = teal().admin().switch_every("0").notice("0s").grace("1h").with("--drain-timeout", "300ms");
    let server = server.with("--announce-timeout", "100ms").run();
    ends_with(&mut start(&server, &["switch", "--wait"]), 1, "teal: Drain timed out: 0 queries left on blue");
}

#[test]
fn waits_for_ending_servers_exit_2() {
    let mut server = still();
    let mut waiting = start(&server, &["switch", "--wait"]);
    let mut watching = start(&server, &["status", "--watch"]);
    waiting.wait_for("ANNOUNCED", 1, SOON);
    watching.wait_for("phase", 1, SOON);
    assert_eq!(server.end("TERM", SOON).code(), Some(0));
    ends_with(&mut waiting, 2, "teal: no");
    ends_with(&mut watching, 2, "teal: no");
}

fn ends_with(waiting: &mut Running, code: i32, words: &str) {
    let status = waiting.wait(SOON);
    waiting.drained();
    assert_eq!(status.code(), Some(code), "{}", waiting.output());
    assert!(!waiting.lines_with(words).is_empty(), "{}", waiting.output());
}

#[test]
fn the_state_is_watched() {
    let server = still();
    let watching = start(&server, &["status", "--watch"]);
    let lines = start(&server, &["status", "--watch", "--json"]);
    watching.wait_for("STABLE", 1, SOON);
    lines.wait_for("\"STABLE\"", 2, SOON);
    server.operate(&["switch"]).done();
    watching.wait_for("ANNOUNCED", 1, SOON);
    lines.wait_for("\"ANNOUNCED\"", 1, SOON);
}

#[test]
fn the_timer_is_paused_and_resumed() {
    let server = teal().admin().switch_every("1h").run();
    assert!(server.operate(&["status"]).done().contains("timer      every 1h, "));
    let told = server.operate(&["timer", "pause"]).done();
    assert!(told.starts_with("the timer is paused with 3"), "{told}");
    assert_eq!(server.operate(&["timer", "PAUSE"]).done(), "the timer was paused already\n");
    assert!(server.operate(&["status"]).done().contains("every 1h, paused with "));
    assert_eq!(server.operate(&["timer", "resume"]).done(), "the timer goes on\n");
}

#[test]
fn queries_of_a_client_are_listed() {
    let server = teal().admin().switch_every("0").run();
    assert_eq!(server.operate(&["queries"]).done(), "no queries\n");
    let mut client = python(Connector::V3_0_2).start(&server, "open.py", &[]);
    let query = client.wait_for("query ", 1, SOON).remove(0).replace("query ", "");
    let listed = server.operate(&["queries"]).done();
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("QUERY  "), "{listed}");
    assert!(lines[1].starts_with(&format!("{query}  blue  ")), "{listed}");
    assert_eq!(state(&server)["queries"], serde_json::json!({"blue": 1, "green": 0}));
    client.close_stdin();
    client.succeed(SOON);
    assert_eq!(server.operate(&["queries"]).done(), "no queries\n");
}

#[test]
fn the_cluster_is_suspended_and_resumed() {
    let server = still();
    for (action, told) in [("status", "active"), ("suspend", "suspended"), ("resume", "resuming")] {
        assert_eq!(server.operate(&["cluster", action]).done(), format!("the cluster is {told}\n"));
    }
    server.wait_for("Cluster is suspended", 1, SOON);
    let before = teal().admin().with("--upstream", "http://127.0.0.1:1").run();
    let said = before.operate(&["cluster", "status"]).ended(1);
    assert!(said.err.starts_with("teal: there is no cluster here"), "{}", said.err);
}

#[test]
fn without_a_gate_there_is_nothing_to_switch() {
    let server = teal().admin().with("--gate", "off").run();
    for args in [&["status"][..], &["switch"], &["cutover"], &["queries"]] {
        let said = server.operate(args).ended(1);
        assert_eq!(said.err, "teal: there is no switch: --gate is off\n", "{args:?}");
    }
}

#[test]
fn shells_complete_every_command() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = command().args(&["completions", shell]).run().done();
        for word in ["switch", "rollback", "completions", "admin-token-file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

fn token(name: &str, text: &str) -> String {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("the target folder is writable");
    file.to_string_lossy().into_owned()
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    for address in ["0.0.0.0:0", "[::]:0"] {
        let (status, said) = teal().with("--admin", address).refused();
        assert_eq!(status.code(), Some(64), "{said}");
        assert!(said.contains("--admin (or TEAL_ADMIN)") && said.contains("--admin-token-file"), "{said}");
        assert!(!said.contains("Server started"), "{said}");
    }
    let (status, said) = teal().admin().with("--admin-token-file", &token("empty-token", "\n")).refused();
    assert_eq!(status.code(), Some(64), "{said}");
    let file = token("token", "correct-horse\n");
    let server = teal().with("--admin", "0.0.0.0:0").with("--admin-token-file", &file).run();
    let here = SocketAddr::from(([127, 0, 0, 1], server.admin().port()));
    let said = command().args(&["status"]).to(&here).run().ended(1);
    assert!(said.err.contains("expected authorization: Bearer"), "{}", said.err);
    let wrong = token("wrong-token", "battery-staple");
    command().args(&["status", "--admin-token-file", &wrong]).to(&here).run().ended(1);
    let told = command().args(&["status", "--admin-token-file", &file]).to(&here).run().done();
    assert!(told.contains("STABLE"), "{told}");
    assert!(!server.output().contains("correct-horse"));
}

#[test]
fn a_taken_address_matters_only_if_named() {
    // One of the two at least finds the default taken.
    let servers = [0, 1].map(|_| teal().without_env("TEAL_ADMIN").run());
    let warned = |server: &Server| server.lines_with("Going on without an admin API: --admin").len();
    assert!(servers.iter().map(warned).sum::<usize>() >= 1, "{}", servers[1].output());
    let other = still().admin();
    let other = TcpListener::bind(other).or_else(|_| TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let address = other.local_addr().expect("it is bound").to_string();
    let (status, said) = teal().with("--admin", &address).refused();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("--admin (or TEAL_ADMIN)") && said.contains(&address), "{said}");
}
