//! Command bodies: which are accepted, and the errors for the others.

use super::*;

#[tokio::test]
async fn a_body_is_an_object_of_known_fields() {
    let bench = Bench::new(still());
    for (path, body, expected, word) in [
        ("switch", "{", 400, "EOF"),
        ("switch", r#"{"to": "green", "epoch"}"#, 400, "expected `:`"),
        ("switch", "{}{}", 400, "trailing"),
        ("switch", "blue", 400, "expected value"),
        ("switch", "\u{feff}{}", 400, "expected value"),
        ("switch", "[]", 422, "expected an object"),
        ("switch", "[null, null]", 422, "expected an object"),
        ("switch", "7", 422, "expected an object"),
        ("switch", "\"blue\"", 422, "expected an object"),
        ("switch", r#"{"to": "purple"}"#, 422, "to: unknown variant `purple`, expected `blue` or `green`"),
        ("switch", r#"{"to": 1}"#, 422, "to: invalid type: integer `1`, expected string"),
        ("switch", r#"{"to": "Blue"}"#, 422, "`blue` or `green`"),
        ("switch", r#"{"epoch": -1}"#, 422, "epoch: -1: expected a whole number"),
        ("switch", r#"{"epoch": 0.5}"#, 422, "a whole number"),
        ("switch", r#"{"epoch": "0"}"#, 422, "number"),
        ("switch", r#"{"epoch": 18446744073709551616}"#, 422, "a whole number"),
        ("switch", r#"{"epoch": 0, "epoch": 0}"#, 422, "duplicate"),
        ("switch", r#"{"too": "green"}"#, 422, "`to` or `epoch`"),
        ("cutover", r#"{"to": "green"}"#, 422, "`epoch`"),
        ("abort", r#"{"force": true}"#, 422, "`epoch`"),
        ("rollback", r#"{"epoch": true}"#, 422, "number"),
        ("timer", "{}", 422, "`action`"),
        ("timer", "", 422, "`action`"),
        ("timer", r#"{"action": "stop"}"#, 422, "`pause` or `resume`"),
        ("timer", r#"{"action": {"pause": 1}}"#, 422, "action"),
        ("cluster", r#"{"action": "resume", "now": 1}"#, 422, "`now`"),
        ("tokens/revoke", "{}", 422, "expected one of token, client or all"),
        ("tokens/revoke", r#"{"all": false}"#, 422, "expected one of token, client or all"),
        ("tokens/revoke", r#"{"token": "a", "client": "b"}"#, 422, "expected one of token, client or all"),
        ("tokens/revoke", r#"{"token": "a", "all": true}"#, 422, "expected one of token, client or all"),
        ("tokens/revoke", r#"{"token": 1}"#, 422, "string"),
        ("tokens/revoke", r#"{"tokens": "a"}"#, 422, "`token`, `client`, `all`"),
    ] {
        let (status, answer) = bench.post(&format!("/api/v1/{path}"), body).await;
        assert_eq!(status.as_u16(), expected, "{path} {body}: {answer}");
        assert!(message(&answer).contains(word), "{path} {body}: {answer}");
    }
    assert_eq!(bench.epoch(), 0, "nothing of this did anything");
}

#[tokio::test]
async fn a_body_has_64_kib_at_most() {
    let bench = Bench::new(still());
    let padded = |len: usize| format!("{{{}}}", " ".repeat(len - 2));
    let (status, answer) = bench.post("/api/v1/switch", padded(64 * 1024 + 1)).await;
    assert_eq!((status, code(&answer)), (StatusCode::PAYLOAD_TOO_LARGE, "too_large"));
    assert_eq!(bench.post("/api/v1/switch", padded(64 * 1024)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn forms_are_refused() {
    let bench = Bench::new(still());
    for kind in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x", ""] {
        let mut request = post("/api/v1/switch", r#"{"to": "green"}"#);
        request.headers_mut().insert("content-type", kind.parse().unwrap());
        let (status, answer) = bench.ask(request).await;
        assert_eq!((status, code(&answer)), (StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json"), "{kind}");
    }
    assert_eq!(bench.epoch(), 0);
    let mut request = post("/api/v1/switch", "{\"to\": \"green\"}");
    request.headers_mut().insert("content-type", "Application/JSON; charset=utf-8".parse().unwrap());
    assert_eq!(bench.ask(request).await.0, StatusCode::OK);
}

#[tokio::test]
async fn an_empty_body_is_an_empty_object() {
    let bench = Bench::new(still());
    let request = Request::post("/api/v1/switch").header("host", "localhost").body(body::Body::empty());
    assert_eq!(bench.ask(request.unwrap()).await.0, StatusCode::OK);
    assert_eq!(bench.post("/api/v1/cutover", " null\n").await.0, StatusCode::OK);
    assert_eq!(bench.post("/api/v1/rollback", r#"{"epoch": 2.0}"#).await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn missing_bodies_are_not_waited_for() {
    let bench = Bench::new(still());
    let silent = body::Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let (status, answer) = bench.ask(post("/api/v1/switch", "").map(|_| silent)).await;
    assert_eq!((status, code(&answer)), (StatusCode::REQUEST_TIMEOUT, "too_slow"));
}

#[tokio::test]
async fn parameters_are_known_and_in_range() {
    let bench = Bench::new(still());
    for (path, expected) in [
        ("queries", 200),
        ("queries?limit=1000&strategy=green", 200),
        ("queries?limit=0", 422),
        ("queries?limit=1001", 422),
        ("queries?limit=many", 422),
        ("queries?limit=1&limit=2", 422),
        ("queries?strategy=purple", 422),
        ("queries?colour=green", 422),
        ("events?after=0", 200),
        ("events?after=9223372036854775807", 200),
        ("events?after=9223372036854775808", 422),
        ("events?after=-1", 422),
        ("events?before=1", 422),
        ("events/stream?before=1", 422),
    ] {
        let (status, answer) = bench.get(&format!("/api/v1/{path}")).await;
        assert_eq!(status.as_u16(), expected, "{path}: {answer}");
        assert!(status.is_success() || code(&answer) == "bad_parameter", "{path}: {answer}");
    }
}
