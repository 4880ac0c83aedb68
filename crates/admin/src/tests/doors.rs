//! Access control: Host, Origin, token.

use axum::http::Version;

use super::*;

fn with(name: &str, value: &str) -> Request<body::Body> {
    let mut request = get("/api/v1/state");
    request.headers_mut().insert(axum::http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
    request
}

#[tokio::test]
async fn foreign_host_names_are_refused() {
    let bench = Bench::new(still());
    for (host, expected) in [
        ("localhost", StatusCode::OK),
        ("LOCALHOST:8080", StatusCode::OK),
        ("127.0.0.1:50061", StatusCode::OK),
        ("[::1]:50061", StatusCode::OK),
        ("192.168.1.5:50061", StatusCode::OK),
        ("evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("evil.example:50061", StatusCode::MISDIRECTED_REQUEST),
        ("localhost.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("127.0.0.1.evil.example", StatusCode::MISDIRECTED_REQUEST),
        ("localhost@evil.example", StatusCode::BAD_REQUEST),
        ("evil.example@localhost", StatusCode::BAD_REQUEST),
        ("local host", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
    ] {
        let (status, answer) = bench.ask(with("host", host)).await;
        assert_eq!(status, expected, "{host}: {answer}");
        assert!(status.is_success() || code(&answer) == "bad_host", "{host}: {answer}");
    }
}

#[tokio::test]
async fn there_is_one_host_and_the_target_agrees() {
    let bench = Bench::new(still());
    let mut none = get("/api/v1/state");
    none.headers_mut().remove("host");
    let mut two = get("/api/v1/state");
    two.headers_mut().append("host", "localhost".parse().unwrap());
    for request in [none, two, get("http://evil.example/api/v1/state"), get("http://localhost/api/v1/state")]
    {
        let (status, answer) = bench.ask(request).await;
        assert_eq!((status, code(&answer)), (StatusCode::BAD_REQUEST, "bad_host"));
    }
    assert_eq!(bench.get("http://localhost:50061/api/v1/state").await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_page_too_is_refused_under_another_name() {
    let mut request = get("/");
    request.headers_mut().insert("host", "evil.example".parse().unwrap());
    assert_eq!(Bench::new(still()).ask(request).await.0, StatusCode::MISDIRECTED_REQUEST);
}

#[tokio::test]
async fn requests_of_other_pages_are_refused() {
    let bench = Bench::new(still());
    for (name, value, expected) in [
        ("origin", "http://localhost:50061", StatusCode::OK),
        ("origin", "http://LOCALHOST:50061", StatusCode::OK),
        ("origin", "http://localhost", StatusCode::FORBIDDEN),
        ("origin", "http://localhost:3000", StatusCode::FORBIDDEN),
        ("origin", "http://evil.example", StatusCode::FORBIDDEN),
        ("origin", "http://localhost:50061.evil.example", StatusCode::FORBIDDEN),
        ("origin", "null", StatusCode::FORBIDDEN),
        ("origin", "", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "same-origin", StatusCode::OK),
        ("sec-fetch-site", "none", StatusCode::OK),
        ("sec-fetch-site", "same-site", StatusCode::FORBIDDEN),
        ("sec-fetch-site", "cross-site", StatusCode::FORBIDDEN),
    ] {
        let (status, answer) = bench.ask(with(name, value)).await;
        assert_eq!(status, expected, "{name}: {value}");
        assert!(status.is_success() || code(&answer) == "cross_origin", "{answer}");
    }
    let mut order = post("/api/v1/switch", "{}");
    order.headers_mut().insert("origin", "http://evil.example".parse().unwrap());
    assert_eq!(bench.ask(order).await.0, StatusCode::FORBIDDEN);
    assert_eq!(bench.epoch(), 0);
}

#[tokio::test]
async fn links_on_other_pages_reach_this_one() {
    let mut request = get("/");
    request.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    let (status, headers, _) = Bench::new(still()).send(request).await;
    assert_eq!(status, StatusCode::OK);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none';") && !policy.contains("unsafe"), "{policy}");
}

#[tokio::test]
async fn a_token_is_required_if_set() {
    let bench = Bench::with(still(), |_| (), Some("s3cret\n"));
    for (shown, expected) in [
        ("Bearer s3cret", StatusCode::OK),
        ("bearer s3cret", StatusCode::OK),
        ("Bearer s3creT", StatusCode::UNAUTHORIZED),
        ("Bearer s3cre", StatusCode::UNAUTHORIZED),
        ("Bearer s3cretX", StatusCode::UNAUTHORIZED),
        ("Bearer ", StatusCode::UNAUTHORIZED),
        ("Basic s3cret", StatusCode::UNAUTHORIZED),
        ("s3cret", StatusCode::UNAUTHORIZED),
        ("", StatusCode::UNAUTHORIZED),
    ] {
        let (status, headers, _) = bench.send(with("authorization", shown)).await;
        assert_eq!(status, expected, "{shown}");
        assert_eq!(headers.contains_key("www-authenticate"), status == StatusCode::UNAUTHORIZED);
    }
    for (path, expected) in [
        ("/api/v1/state", StatusCode::UNAUTHORIZED),
        ("/api/v1/openapi.json", StatusCode::UNAUTHORIZED),
        ("/api/v1/nothing", StatusCode::UNAUTHORIZED),
        ("/livez", StatusCode::OK),
        ("/readyz", StatusCode::OK),
        ("/", StatusCode::OK),
    ] {
        assert_eq!(bench.send(get(path)).await.0, expected, "{path}");
    }
    let (status, answer) = bench.post("/api/v1/switch", "{}").await;
    assert_eq!((status, code(&answer), bench.epoch()), (StatusCode::UNAUTHORIZED, "unauthorized", 0));
}

#[tokio::test]
async fn with_a_token_any_host_is_accepted() {
    let bench = Bench::with(still(), |_| (), Some("s3cret"));
    let mut request = with("authorization", "Bearer s3cret");
    request.headers_mut().insert("host", "teal.example:50061".parse().unwrap());
    assert_eq!(bench.ask(request).await.0, StatusCode::OK);
}

#[test]
fn a_file_without_a_token_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for text in ["", " \n", "two words", "two\nlines", "ünprintable", &"x".repeat(4097)] {
        fs::write(file.path(), text).unwrap();
        assert!(matches!(Token::read(file.path()), Err(BadToken::Malformed)), "{text:?}");
    }
    fs::write(file.path(), [0xff, 0xfe]).unwrap();
    assert!(matches!(Token::read(file.path()), Err(BadToken::Unreadable(_))));
    assert!(matches!(Token::read(std::path::Path::new("/no/such")), Err(BadToken::Unreadable(_))));
}

#[test]
fn a_token_is_never_printed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "s3cret").unwrap();
    assert!(!format!("{:?}", Token::read(file.path())).contains("s3cret"));
}

#[tokio::test]
async fn probes_by_http_1_0_need_no_host() {
    for token in [None, Some("secret")] {
        let bench = Bench::with(still(), |_| (), token);
        for (path, version, expected) in [
            ("/livez", Version::HTTP_10, StatusCode::OK),
            ("/readyz", Version::HTTP_10, StatusCode::OK),
            ("/livez", Version::HTTP_11, StatusCode::BAD_REQUEST),
            ("/readyz", Version::HTTP_11, StatusCode::BAD_REQUEST),
            ("/api/v1/state", Version::HTTP_10, StatusCode::BAD_REQUEST),
            ("/", Version::HTTP_10, StatusCode::BAD_REQUEST),
        ] {
            let mut request = get(path);
            request.headers_mut().remove("host");
            *request.version_mut() = version;
            assert_eq!(bench.ask(request).await.0, expected, "{path} {version:?} {token:?}");
        }
    }
}

#[tokio::test]
async fn probes_by_http_1_0_have_hosts_checked() {
    let bench = Bench::new(still());
    for (host, expected) in [("localhost", StatusCode::OK), ("evil.example", StatusCode::MISDIRECTED_REQUEST)]
    {
        let mut request = get("/livez");
        request.headers_mut().insert("host", host.parse().unwrap());
        *request.version_mut() = Version::HTTP_10;
        assert_eq!(bench.ask(request).await.0, expected, "{host}");
    }
}
