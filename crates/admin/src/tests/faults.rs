//! Rules are added, listed and removed.

use super::*;

async fn ask(bench: &Bench, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path).header("host", "localhost:50061");
    let request = request.header("content-type", "application/json").body(body.to_owned().into()).unwrap();
    let (status, answer) = bench.ask(request).await;
    (status.as_u16(), answer)
}

#[tokio::test]
async fn rules_are_added_listed_and_removed() {
    let bench = Bench::new(still());
    let (status, added) = ask(&bench, "POST", "/api/v1/faults", r#"{"rule": "method=clear,hang"}"#).await;
    let expected =
        json!({"id": "f1", "rule": "method=clear,hang", "source": "operator", "matches": 0, "hits": 0});
    assert_eq!((status, &added), (201, &expected));
    assert_eq!(ask(&bench, "POST", "/api/v1/faults", r#"{"rule": "id=x,hang"}"#).await.0, 201);
    let (_, list) = ask(&bench, "GET", "/api/v1/faults", "").await;
    assert_eq!((&list["faults"][0], &list["faults"][1]["id"]), (&expected, &json!("x")));
    assert_eq!(ask(&bench, "DELETE", "/api/v1/faults/x", "").await, (200, json!({"removed": 1})));
    assert_eq!(ask(&bench, "DELETE", "/api/v1/faults", "").await, (200, json!({"removed": 1})));
    assert_eq!(ask(&bench, "GET", "/api/v1/faults", "").await, (200, json!({"faults": []})));
}

#[tokio::test]
async fn refusals_have_a_reason() {
    let bench = Bench::new(still());
    ask(&bench, "POST", "/api/v1/faults", r#"{"rule": "id=x,hang"}"#).await;
    for (method, path, body, status, words) in [
        ("POST", "", r#"{"rule": "delay=soon"}"#, 422, "delay: 'soon': expected a duration"),
        ("POST", "", r#"{"rule": "mismatch"}"#, 422, "never matches: there is no gate"),
        ("POST", "", r#"{"rule": "id=x,hang"}"#, 409, "expected a name that no other rule has"),
        ("POST", "", r#"{"rules": "hang"}"#, 422, "unknown field `rules`"),
        ("POST", "", "{", 400, "EOF"),
        ("DELETE", "/y", "", 404, "there is no fault 'y'"),
    ] {
        let (found, answer) = ask(&bench, method, &format!("/api/v1/faults{path}"), body).await;
        let message = answer["error"]["message"].as_str().unwrap();
        assert_eq!(found, status, "{body} {message}");
        assert!(message.contains(words), "{message}");
    }
}
