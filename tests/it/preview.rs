//! The preview listener: calls to the inactive engine, which are neither counted nor judged.

use std::{net::SocketAddr, time::Duration};

use serde_json::Value;

use crate::support::{Authority, Builder, Call, Connector, Recorder, Server, call, engine, python, teal};

const SOON: Duration = Duration::from_secs(60);

/// Two engines, each behind a recorder, and a teal with a preview in front of them.
struct Pair {
    _engines: [Server; 2],
    recorders: [Recorder; 2],
    server: Server,
}

impl Pair {
    fn run(settings: impl FnOnce(Builder) -> Builder) -> Self {
        let engines = [(); 2].map(|()| engine().run());
        let recorders = engines.each_ref().map(|engine| Recorder::before(engine.address));
        let server = teal().admin().switch_every("0").notice("0s").grace("0s");
        let server = server.with("--preview-listen", "127.0.0.1:0");
        let server = settings(server.between(recorders[0].address, recorders[1].address)).run();
        Self { _engines: engines, recorders, server }
    }

    fn preview(&self) -> SocketAddr {
        let words = "Preview of the strategy that is not active on ";
        let line = self.server.wait_for(words, 1, SOON).remove(0);
        let address = line.split(words).nth(1).and_then(|rest| rest.split(' ').next());
        address.and_then(|address| address.parse().ok()).expect("it is told")
    }

    /// The number of calls that each engine has answered, without health checks.
    fn calls(&self) -> [usize; 2] {
        let is_counted = |call: &Call| call.method != "healthCheck";
        self.recorders.each_ref().map(|recorder| recorder.calls().iter().filter(|it| is_counted(it)).count())
    }

    /// Makes one call of this method on the preview port; returns whether it went to blue or to green.
    fn goes_to(&self, method: &str, strategy: Option<&str>) -> &'static str {
        let before = self.calls();
        let metadata: Vec<_> = [("authorization", "Bearer someone")]
            .into_iter()
            .chain(strategy.map(|it| ("strategy", it)))
            .collect();
        let answer = call(self.preview(), method, &metadata, Vec::new(), SOON).expect("it is answered");
        assert_eq!(answer.metadata().get("new-strategy"), None, "{method}: it is told of a switch");
        self.recorders.iter().for_each(|recorder| recorder.wait_for_silence(SOON));
        match (before, self.calls()) {
            ([blue, green], after) if after == [blue + 1, green] => "blue",
            ([blue, green], after) if after == [blue, green + 1] => "green",
            (before, after) => panic!("{method}: {before:?} calls, and then {after:?}"),
        }
    }

    /// Runs a smoke test by a connector, and checks that none of its calls reach the active engine.
    fn is_tried_by(&self, connector: Connector, api: &str, active: usize) {
        let before = self.calls();
        python(connector).run_offline("preview.py", &[&self.preview().to_string(), api]);
        let after = self.calls();
        assert_eq!(after[active], before[active], "{connector:?} {api}: calls of the active engine");
        assert!(after[1 - active] >= before[1 - active] + 12, "{connector:?} {api}: {before:?} to {after:?}");
    }

    fn nobody_was_counted(&self) {
        let metrics = self.server.get("/metrics");
        let is_counted = |line: &&str| {
            let counts = ["teal_requests_total", "teal_rejected_total", "teal_notices_total"];
            counts.iter().any(|name| line.starts_with(name)) && !line.ends_with(" 0")
        };
        assert_eq!(metrics.lines().filter(is_counted).collect::<Vec<_>>(), Vec::<&str>::new());
        let clients: Value = serde_json::from_str(&self.server.get("/api/v1/clients")).expect("it is JSON");
        assert_eq!(clients["clients"].as_array().map(Vec::len), Some(0), "{clients}");
        let state: Value = serde_json::from_str(&self.server.get("/api/v1/state")).expect("it is JSON");
        assert_eq!(state["queries"], serde_json::json!({"blue": 0, "green": 0}), "{state}");
    }
}

#[test]
fn previews_reach_the_other_engine_and_go_uncounted() {
    let pair = Pair::run(|server| server);
    let ways = [
        (Connector::V2_2_6, "sync"),
        (Connector::V2_3_15, "sync"),
        (Connector::V3_0_2, "sync"),
        (Connector::V3_0_2, "sync-token"),
        (Connector::V3_0_2, "async"),
    ];
    for (connector, api) in ways {
        pair.is_tried_by(connector, api, 0);
    }
    pair.nobody_was_counted();
    // A client under the new strategy would be needed for an announcement to end by itself.
    for command in ["switch", "cutover"] {
        pair.server.operate(&[command]).done();
    }
    pair.server.wait_for("Drained: ", 1, SOON);
    for (connector, api) in ways {
        pair.is_tried_by(connector, api, 1);
    }
    pair.nobody_was_counted();
}

#[test]
fn headers_route_all_calls_but_logins() {
    let pair = Pair::run(|server| server);
    let both = |method, expected: [&str; 4]| {
        let headers = [None, Some("green"), Some("Blue "), Some("purple")];
        assert_eq!(headers.map(|header| pair.goes_to(method, header)), expected, "{method}");
    };
    both("getSchemaNames", ["green", "green", "blue", "green"]);
    // The calls are not judged, and get no notice.
    pair.server.operate(&["switch"]).done();
    both("getSchemaNames", ["green", "green", "blue", "green"]);
    let login = |strategy| {
        let login = call(pair.preview(), "authenticate", &[("strategy", strategy)], Vec::new(), SOON);
        login.expect_err("nobody logs in without a name").message().to_owned()
    };
    assert_eq!((login("blue").as_str(), login("green").as_str()), ("status: 456", "Invalid credentials"));
    pair.server.operate(&["cutover"]).done();
    both("getSchemaNames", ["blue", "green", "blue", "blue"]);
    assert_eq!((login("blue").as_str(), login("green").as_str()), ("Invalid credentials", "status: 456"));
    pair.nobody_was_counted();
}

#[test]
fn faults_are_for_clients() {
    let pair = Pair::run(|server| server.with("--fault", "status=UNAVAILABLE,message=of a test"));
    assert_eq!(pair.goes_to("getSchemaNames", None), "green");
    let refused = call(pair.server.address, "getSchemaNames", &[], Vec::new(), SOON);
    assert_eq!(refused.expect_err("there is a fault").message(), "of a test");
}

#[test]
fn a_smoke_test_goes_before_a_switch() {
    let pair = Pair::run(|server| server.with("--announce-timeout", "1s"));
    pair.is_tried_by(Connector::V3_0_2, "sync", 0);
    let said = pair.server.operate(&["switch", "--wait"]).ended(0).out;
    assert_eq!(said, "green is active, and the switch is complete\n");
}

#[test]
fn it_speaks_tls_where_clients_do() {
    let authority = Authority::new();
    let own = authority.issue("127.0.0.1");
    let [certificate, key, file] = [&own.certificate, &own.key, &authority.file()]
        .map(|path| path.to_str().expect("a plain name").to_owned());
    let pair = Pair::run(|server| server.with("--tls-cert", &certificate).with("--tls-key", &key));
    let before = pair.calls();
    python(Connector::V3_0_2).run_offline("preview.py", &[&pair.preview().to_string(), "sync", &file]);
    let after = pair.calls();
    assert!(after[0] == before[0] && after[1] > before[1], "{before:?} to {after:?}");
}
