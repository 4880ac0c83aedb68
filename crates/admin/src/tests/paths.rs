//! Paths that exist, paths that do not, and the document that lists them.

use super::*;

const VERBS: [&str; 6] = ["switch", "cutover", "abort", "rollback", "timer", "cluster"];

#[tokio::test]
async fn unknown_paths_get_a_json_error() {
    let bench = Bench::new(still());
    for path in ["/api", "/api/v1", "/api/v1/", "/api/v1/state/", "/api/v2/state", "/..", "/index.html", "//"]
    {
        let (status, answer) = bench.get(path).await;
        assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "no_such_path"), "{path}");
    }
    assert_eq!(bench.post("/api/v1/dance", "{}").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn get_changes_nothing() {
    let bench = Bench::new(still());
    for verb in VERBS.into_iter().filter(|verb| *verb != "cluster") {
        for method in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"] {
            let mut request = post(&format!("/api/v1/{verb}"), "{}");
            *request.method_mut() = method.parse().unwrap();
            let (status, headers, _) = bench.send(request).await;
            assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{method} {verb}");
            assert_eq!(headers["allow"], "POST", "{method} {verb}");
        }
    }
    let (status, answer) = bench.post("/api/v1/state", "{}").await;
    assert_eq!((status, code(&answer)), (StatusCode::METHOD_NOT_ALLOWED, "no_such_method"));
    assert_eq!((bench.epoch(), bench.switch.event_log().next()), (0, 1));
}

#[tokio::test]
async fn without_a_gate_there_is_no_switch() {
    let bench = Bench::with(still(), |admin| admin.switch = None, None);
    for path in ["state", "queries"] {
        let (status, answer) = bench.get(&format!("/api/v1/{path}")).await;
        assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_here"), "{path}");
        assert!(message(&answer).contains("--gate"), "{answer}");
    }
    for verb in VERBS.into_iter().filter(|verb| *verb != "timer" && *verb != "cluster") {
        assert_eq!(bench.post(&format!("/api/v1/{verb}"), "{}").await.0, StatusCode::NOT_FOUND, "{verb}");
    }
    assert_eq!(bench.get("/api/v1/events").await.0, StatusCode::OK);
    assert_eq!(bench.get("/readyz").await.0, StatusCode::OK);
}

#[derive(Debug)]
struct Sleeper;

impl ClusterControl for Sleeper {
    fn status(&self) -> &'static str {
        "active"
    }

    fn suspend(&self) -> &'static str {
        "suspended"
    }

    fn resume(&self) -> &'static str {
        "resuming"
    }
}

#[tokio::test]
async fn the_cluster_is_suspended_and_resumed() {
    let bench = Bench::with(still(), |admin| admin.cluster = Some(Arc::new(Sleeper)), None);
    assert_eq!(bench.get("/api/v1/cluster").await, (StatusCode::OK, json!({"status": "active"})));
    for (action, status) in [("suspend", "suspended"), ("resume", "resuming")] {
        let answer = bench.post("/api/v1/cluster", json!({"action": action})).await;
        assert_eq!(answer, (StatusCode::OK, json!({"status": status})));
    }
    let (status, answer) = Bench::new(still()).get("/api/v1/cluster").await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_here"));
}

#[derive(Debug, Default)]
struct Issuer {
    asked: Mutex<Vec<String>>,
}

impl TokenControl for Issuer {
    fn revoke(&self, which: Revoke<'_>) -> usize {
        let mut asked = self.asked.lock();
        asked.push(format!("{which:?}"));
        asked.len()
    }
}

#[tokio::test]
async fn tokens_are_revoked_as_asked() {
    let issuer = Arc::new(Issuer::default());
    let tokens: Arc<dyn TokenControl> = issuer.clone();
    let bench = Bench::with(still(), |admin| admin.tokens = Some(tokens), None);
    let bodies = [json!({"token": "a"}), json!({"client": "b", "all": false}), json!({"all": true})];
    for (at, body) in bodies.into_iter().enumerate() {
        let answer = bench.post("/api/v1/tokens/revoke", body).await;
        assert_eq!(answer, (StatusCode::OK, json!({"revoked": at + 1})));
    }
    assert_eq!(*issuer.asked.lock(), ["Token(\"a\")", "Client(\"b\")", "All"]);
    let (status, answer) = Bench::new(still()).post("/api/v1/tokens/revoke", json!({"all": true})).await;
    assert_eq!((status, code(&answer)), (StatusCode::NOT_FOUND, "not_here"));
}

#[tokio::test]
async fn servers_are_ready_while_active_is_healthy() {
    let patients = Arc::new(IllEngines::default());
    let engines: Arc<dyn Engines> = patients.clone();
    let bench = Bench::with(still(), |admin| admin.engines = Some(engines), None);
    patients.falls_ill(Strategy::Green);
    assert_eq!(bench.get("/readyz").await.0, StatusCode::OK);
    patients.falls_ill(Strategy::Blue);
    let (status, answer) = bench.get("/readyz").await;
    assert_eq!((status, message(&answer)), (StatusCode::SERVICE_UNAVAILABLE, "engine http://blue is ill"));
    assert_eq!(bench.get("/livez").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_stopping_server_is_not_ready() {
    let bench = Bench::new(still());
    assert_eq!(bench.get("/readyz").await.0, StatusCode::OK);
    bench.shared.admin.ending.cancel();
    assert_eq!(bench.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.get("/livez").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_document_lists_paths_and_guard_answers() {
    let bench = Bench::new(still());
    let (status, document) = bench.get("/api/v1/openapi.json").await;
    assert_eq!((status, &document["openapi"]), (StatusCode::OK, &json!("3.1.0")));
    let paths = document["paths"].as_object().unwrap();
    for path in
        ["state", "events", "events/stream", "queries", "cluster", "openapi.json"].map(|p| p.to_owned())
    {
        let get = &paths[&format!("/api/v1/{path}")]["get"]["responses"];
        assert!(get["200"].is_object() && get["421"].is_object() && get["401"].is_null(), "{path}: {get}");
    }
    for verb in VERBS {
        let post = &paths[&format!("/api/v1/{verb}")]["post"]["responses"];
        for status in ["200", "400", "403", "404", "413", "415", "421", "422"] {
            assert!(post[status].is_object(), "{verb} {status}: {post}");
        }
    }
    for (path, item) in paths {
        for method in item.as_object().unwrap().keys() {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
            let request = request.header("host", "localhost").body(body::Body::empty()).unwrap();
            let response = bench.router.clone().oneshot(request).await.unwrap();
            let status = response.status().as_u16().to_string();
            assert!(item[method]["responses"][&status].is_object(), "{method} {path}: {status}");
        }
    }
    assert!(document["security"].is_null());
    let guarded = Bench::with(still(), |_| (), Some("s3cret"));
    let mut request = get("/api/v1/openapi.json");
    request.headers_mut().insert("authorization", "Bearer s3cret".parse().unwrap());
    let (_, document) = guarded.ask(request).await;
    assert_eq!(document["security"], json!([{"token": []}]));
    assert!(document["paths"]["/api/v1/state"]["get"]["responses"]["401"].is_object());
}

#[tokio::test]
async fn every_path_is_guarded() {
    let bench = Bench::new(still());
    let document = bench.get(crate::paths::DOCUMENT).await.1;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let request = Request::builder().method(method.to_uppercase().as_str()).uri(path);
            let request = request.header("host", "evil.example").body(body::Body::empty()).unwrap();
            assert_eq!(bench.ask(request).await.0, StatusCode::MISDIRECTED_REQUEST, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn responses_are_never_cached() {
    let bench = Bench::new(still());
    for path in ["/", "/api/v1/state", "/nothing"] {
        let (_, headers, _) = bench.send(get(path)).await;
        assert_eq!(
            (&headers["cache-control"], &headers["x-content-type-options"]),
            (&"no-store".parse().unwrap(), &"nosniff".parse().unwrap())
        );
        assert_eq!(headers["x-frame-options"], "DENY");
    }
}
