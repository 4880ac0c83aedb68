//! Two engines, one teal, many clients: switches all the time, engines killed, connections cut.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::support::{Cutter, Place, Rehearsed, Server, alone, rehearse_at, teal};

const CLIENTS: &str = "64";
const BYTES_UNTIL_CUT: u64 = 4_000;
/// The status of a query that died with its engine.
const NOT_FOUND: u64 = 5;
const SWITCHED: &str = "Strategy switched from ";
const SOON: Duration = Duration::from_secs(60);
const CALMS_DOWN_WITHIN: Duration = Duration::from_secs(90);

fn engine(place: &Place) -> Server {
    teal().with("--gate", "off").with("--sessions", "any").listen(&place.text()).run()
}

/// Kills an engine, and starts another one in its place.
fn replace(engine: Server, place: &Place) -> Server {
    drop(engine);
    // Long enough for calls to fail.
    thread::sleep(Duration::from_millis(700));
    self::engine(place)
}

fn state(server: &Server) -> Value {
    let said = server.operate(&["status", "--json"]);
    serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {}", said.out))
}

/// Open files and resident bytes of a process.
fn usage(server: &Server) -> (usize, u64) {
    let process = format!("/proc/{}", server.id());
    let files = fs::read_dir(format!("{process}/fd")).map_or(0, Iterator::count);
    let status = fs::read_to_string(format!("{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    (files, line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() * 1024)
}

#[test]
fn nothing_that_is_promised_is_lost_in_chaos() {
    let _alone = alone();
    let places = [Place::new(), Place::new()];
    let [mut blue, mut green] = places.each_ref().map(engine);
    let server = teal()
        .admin()
        .with("--blue", &format!("http://{}", blue.address))
        .with("--green", &format!("http://{}", green.address))
        .with("--drain-timeout", "6s")
        .with("--query-ttl", "10s")
        .switch_every("0")
        .notice("100ms")
        .grace("200ms")
        .run();
    let admin = format!("http://{}", server.admin());
    // The usage after all clients were served.
    let warm = rehearse_at(server.address).with("--clients", CLIENTS).with("--duration", "3s").run();
    assert!(warm.status.success(), "{}", warm.output);
    let before = usage(&server);

    let cutter = Cutter::before(server.address, BYTES_UNTIL_CUT);
    let (process, json) = rehearse_at(cutter.address)
        .with("--admin", &admin)
        .with("--clients", CLIENTS)
        .with("--duration", "16s")
        .with("--switch-every", "1s")
        .arg("--chaos")
        .with("--behaviour", "follow,follow,follow,eager,upper-case,no-header,vanish,follow")
        .with("--log-level", "error")
        .start();
    server.wait_for(SWITCHED, 1, SOON);
    blue = replace(blue, &places[0]);
    server.wait_for(SWITCHED, 2, SOON);
    green = replace(green, &places[1]);
    let rehearsed = Rehearsed::of(process, &json);
    cutter.relent();

    rehearsed.keeps_promises();
    let list = |pointer| rehearsed.report.pointer(pointer).and_then(Value::as_array).expect("a list");
    // Queries of vanished clients hold a drain until its timeout, which abandons others too.
    let is_given_up = list("/story/happened").iter().any(|happened| happened["kind"] == "drain_timed_out");
    for failure in list("/failures").iter().filter(|failure| failure["is_broken"] == false) {
        let is_forgiven = failure["code"] == NOT_FOUND || is_given_up && failure["message"] == "status: 456";
        assert!(
            is_forgiven,
            "only engines that are killed and drains that are given up lose a query: {failure}"
        );
    }
    assert!(cutter.cuts() > 5, "{} cuts", cutter.cuts());
    assert!(rehearsed.number("/queries/broken") > 0, "the engines were killed: {}", rehearsed.output);
    assert!(rehearsed.number("/queries/completed") > 100, "{}", rehearsed.output);
    assert!(list("/switches").len() >= 3, "{}", rehearsed.output);

    // Without clients, usage returns to where it was.
    let deadline = Instant::now() + CALMS_DOWN_WITHIN;
    loop {
        let state = state(&server);
        let (files, bytes) = usage(&server);
        let nothing = serde_json::json!({"blue": 0, "green": 0});
        let is_calm =
            state["phase"] == "STABLE" && state["requests"] == nothing && state["queries"] == nothing;
        if is_calm && files <= before.0 + 16 && bytes <= before.1 + (64 << 20) {
            break;
        }
        assert!(Instant::now() < deadline, "{files} files, {bytes} bytes, before {before:?}: {state:#}");
        thread::sleep(Duration::from_millis(200));
    }
    let after = rehearse_at(server.address).with("--clients", "4").with("--duration", "2s").run();
    assert!(after.status.success(), "it serves as before: {}", after.output);
    drop((blue, green));
}
