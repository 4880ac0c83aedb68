//! The records of observed calls and their clients.

use serde_json::{Value, json};

use super::*;
use crate::telemetry::{Collector, Metrics};

struct Watched {
    bench: Bench,
    watch: Collector,
}

const PEER: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn watched(response: Response<Frames>) -> Watched {
    let bench = bench(Mismatch::Both, response);
    let watch = Collector::new(&Protocol::default(), Some(bench.switch.clone()), Metrics::default(), None);
    Watched { bench, watch }
}

impl Watched {
    /// A connection on a thread of its own.
    fn connection(&self) -> impl AsyncFn(Request<Frames>) {
        let response = self.bench.response.clone();
        let backend = service_fn(move |_: Request<RequestBody<Frames>>| {
            let response = response.clone();
            async move { Ok::<_, Infallible>(response) }
        });
        let gate = self.bench.layer.watched(self.watch.shard().connection(PEER), backend);
        async move |request| {
            let response = gate.clone().oneshot(request).await.unwrap();
            response.into_body().collect().await.unwrap();
        }
    }

    /// `field` of each client, by whom it calls as.
    fn clients(&self, field: &str) -> Value {
        let clients = serde_json::to_value(self.watch.clients()).unwrap();
        let who = |client: &Value| {
            let name = ["user", "session", "token"].iter().find_map(|kind| {
                let name = client[*kind].as_str()?;
                Some(if *kind == "user" { name.to_owned() } else { format!("a {kind}") })
            });
            name.unwrap_or_else(|| "nobody".to_owned())
        };
        clients.as_array().unwrap().iter().map(|client| (who(client), client[field].clone())).collect()
    }

    fn counted(&self, metric: &str) -> Vec<String> {
        let metrics = self.watch.metrics();
        let lines = metrics.lines().filter(|line| line.starts_with(metric) && !line.ends_with(" 0"));
        lines.map(ToOwned::to_owned).collect()
    }
}

fn login(user: &str) -> Request<Frames> {
    let message = [string_field(1, user), string_field(2, "secret-password")].concat();
    request("authenticate", Some("blue"), Frames::data([framed(0, &message)]))
}

fn schemas(session: &str) -> Request<Frames> {
    request("getSchemaNames", Some("blue"), Frames::data([framed(0, &string_field(1, session))]))
}

/// The answer of a login, or of what else names something in its first field.
fn answer(first: &str) -> Response<Frames> {
    grpc(Frames::data([framed(0, &string_field(1, first))]).status("0"))
}

#[tokio::test]
async fn a_session_is_its_user_on_every_connection() {
    let watched = watched(answer("session-of-ann"));
    let (first, second) = (watched.connection(), watched.connection());
    first(login("ann")).await;
    first(schemas("session-of-ann")).await;
    second(schemas("session-of-ann")).await;
    second(request("getNextResultBatch", Some("blue"), Frames::data([about("q")]))).await;
    // The session of `about` is one that nobody was seen to log in to.
    assert_eq!(watched.clients("requests"), json!({ "ann": 3, "a session": 1 }));
    let all = serde_json::to_string(&watched.watch.clients()).unwrap();
    assert!(!all.contains("session-of-ann") && !all.contains("secret-password"), "{all}");
}

#[tokio::test]
async fn a_layer_tells_clients_by_their_address() {
    let watched = watched(answer("x"));
    let peer = |attached: &http::Extensions| attached.get::<std::net::IpAddr>().copied();
    let backend = service_fn(|_: Request<RequestBody<Frames>>| async { Ok::<_, Infallible>(answer("x")) });
    let gate = watched.bench.layer.watched(watched.watch.shard().peers(peer), backend);
    for address in [Some([10, 0, 0, 1]), Some([10, 0, 0, 2]), None, Some([10, 0, 0, 1])] {
        let mut request = schemas("");
        if let Some(address) = address {
            request.extensions_mut().insert(std::net::IpAddr::from(address));
        }
        gate.clone().oneshot(request).await.unwrap().into_body().collect().await.unwrap();
    }
    let mut clients: Vec<_> =
        watched.watch.clients().into_iter().map(|client| (client.peer.clone(), client.requests)).collect();
    clients.sort();
    let expected = [("0.0.0.0", 1), ("10.0.0.1", 2), ("10.0.0.2", 1)];
    assert_eq!(clients, expected.map(|(address, requests)| (address.to_owned(), requests)));
}

#[tokio::test]
async fn a_token_identifies_and_is_never_shown() {
    let watched = watched(answer("x"));
    let connection = watched.connection();
    let with = |token: &'static str| {
        let mut request = schemas("");
        request.headers_mut().insert("authorization", HeaderValue::from_static(token));
        request
    };
    connection(schemas("")).await;
    connection(with("Bearer one-long-token")).await;
    connection(with("Bearer one-long-token")).await;
    assert_eq!(watched.clients("requests"), json!({ "nobody": 1, "a token": 2 }));
    let all = serde_json::to_string(&watched.watch.clients()).unwrap();
    assert!(!all.contains("one-long-token"), "{all}");
}

#[tokio::test]
async fn another_user_who_logs_in_is_another_client() {
    let watched = watched(answer("s"));
    let connection = watched.connection();
    for user in ["ann", "bob", "ann"] {
        connection(login(user)).await;
        connection(request("getSchemaNames", Some("blue"), Frames::default())).await;
    }
    assert_eq!(watched.clients("requests"), json!({ "ann": 4, "bob": 2 }));
}

#[tokio::test]
async fn outcomes_are_counted_by_method_strategy_and_status() {
    let ok = watched(answer("x"));
    let connection = ok.connection();
    connection(schemas("")).await;
    connection(request("getSchemaNames", Some("green"), Frames::default())).await;
    connection(request("noSuchMethod", None, Frames::default())).await;
    connection(request("noSuchMethodEither", None, Frames::default())).await;
    connection(Request::get("/").body(Frames::default()).unwrap()).await;
    let mut counted = ok.counted("teal_requests_total");
    counted.sort();
    let line = |method, strategy, outcome, status, count| {
        format!(
            "teal_requests_total{{method=\"{method}\",strategy=\"{strategy}\",outcome=\"{outcome}\",\
             grpc_status=\"{status}\"}} {count}"
        )
    };
    assert_eq!(
        counted,
        [
            line("QueryEngineService/getSchemaNames", "blue", "ok", "OK", 1),
            line("QueryEngineService/getSchemaNames", "green", "rejected", "UNKNOWN", 1),
            line("other", "blue", "ok", "OK", 2),
            line("other", "none", "foreign", "none", 1),
        ]
    );
    assert_eq!(ok.counted("teal_rejected_total"), ["teal_rejected_total 1"]);

    let mut refusal = grpc(Frames::default());
    refusal.headers_mut().insert(grpc::header::GRPC_STATUS, HeaderValue::from_static("14"));
    let failing = watched(refusal);
    failing.connection()(schemas("")).await;
    let counted = failing.counted("teal_requests_total");
    assert_eq!(counted, [line("QueryEngineService/getSchemaNames", "blue", "error", "UNAVAILABLE", 1)]);
    assert_eq!(failing.clients("errors"), json!({ "nobody": { "UNAVAILABLE": 1 } }));
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_is_dropped() {
    let watched = watched(answer("x"));
    let backend = service_fn(|_: Request<RequestBody<Frames>>| std::future::pending());
    let gate = watched.bench.layer.watched(watched.watch.shard().connection(PEER), backend);
    let call = gate.oneshot(schemas("")) as tower::util::Oneshot<Gate<_, _>, _>;
    let given_up = tokio::time::timeout(std::time::Duration::ZERO, call).await;
    given_up.map(|answer: Result<Response<ResponseBody<Frames, _>>, Infallible>| drop(answer)).unwrap_err();
    let counted = watched.counted("teal_requests_total");
    assert!(
        counted.len() == 1 && counted[0].contains("outcome=\"dropped\",grpc_status=\"none\""),
        "{counted:?}"
    );
}

#[tokio::test]
async fn queries_and_notices_are_told() {
    let watched = watched(grpc(Frames::data([framed(0, &prepared("q"))]).status("0")));
    let connection = watched.connection();
    let prepare =
        || request("prepareStatement", Some("blue"), Frames::data([framed(0, &string_field(1, "s"))]));
    connection(prepare()).await;
    assert_eq!(
        watched.clients("queries"),
        json!({ "a session": { "begun": 1, "completed": 0, "abandoned": 0, "open": 1 } })
    );
    watched
        .bench
        .switch
        .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
        .unwrap();
    let clear = [string_field(2, "s"), string_field(3, "q")].concat();
    for _ in 0..2 {
        connection(request("clear", Some("blue"), Frames::data([framed(0, &clear)]))).await;
    }
    assert_eq!(
        watched.clients("queries"),
        json!({ "a session": { "begun": 1, "completed": 1, "abandoned": 0, "open": 0 } })
    );
    assert_eq!(watched.counted("teal_notices_total"), ["teal_notices_total 2"]);
}

#[tokio::test]
async fn point_28_notices_without_a_message_are_counted() {
    for (coding, counted) in [("gzip", &[][..]), ("zstd", &["teal_notices_untouched_total 1"])] {
        let mut response = grpc(Frames::data([framed(1, &gzip(b"\x0a\x01s"))]).status("0"));
        response.headers_mut().insert("grpc-encoding", HeaderValue::from_static(coding));
        let watched = watched(response);
        watched
            .bench
            .switch
            .command(switch::Command::Announce { to: None }, switch::Order::by(switch::Actor::Operator))
            .unwrap();
        watched.connection()(schemas("session-of-ann")).await;
        assert_eq!(watched.counted("teal_notices_total"), ["teal_notices_total 1"]);
        assert_eq!(watched.counted("teal_notices_untouched_total"), counted);
    }
}
