//! RFC 9113, chapter 8: malformed requests, which affect nothing but themselves.

use super::{
    raw::{Expect::*, *},
    side::server,
    streams::table,
};

const MALFORMED: Expect = Reset(&[PROTOCOL_ERROR]);

fn whole(headers: &[(&str, &str)]) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &block(headers))
}

fn with(name: &str, value: &str) -> Vec<u8> {
    frame(HEADERS, WHOLE, 1, &post("/silent", &[(name, value)]))
}

#[tokio::test]
async fn header_names_and_values() {
    table(&[
        ("upper case", with("X-Upper", "1"), MALFORMED),
        ("an empty name", with("", "1"), MALFORMED),
        ("a name with a space", with("x y", "1"), MALFORMED),
        ("a name with a colon", with("x:y", "1"), MALFORMED),
        ("a name with a control character", with("x\x01", "1"), MALFORMED),
        ("a value with a NUL", with("x-value", "a\0b"), MALFORMED),
        ("a value with a line's end", with("x-value", "a\r\nx-other: b"), MALFORMED),
        ("an empty value", with("x-value", ""), Goes),
        ("a value beyond ASCII", with("x-value", "häß"), Goes),
        ("a name twice", frame(HEADERS, WHOLE, 1, &post("/silent", &[("x", "1"), ("x", "2")])), Goes),
    ])
    .await;
}

#[tokio::test]
async fn headers_of_a_connection() {
    table(&[
        ("connection", with("connection", "close"), MALFORMED),
        ("keep-alive", with("keep-alive", "timeout=5"), MALFORMED),
        ("proxy-connection", with("proxy-connection", "keep-alive"), MALFORMED),
        ("transfer-encoding", with("transfer-encoding", "chunked"), MALFORMED),
        ("upgrade", with("upgrade", "h2c"), MALFORMED),
        ("a blank before a value", with("x-blank", " 1"), MALFORMED),
        ("a blank behind a value", with("x-blank", "1\t"), MALFORMED),
        ("a blank within a value", with("x-blank", "1 2"), Goes),
        ("te of gzip", with("te", "gzip"), MALFORMED),
        ("te of several", with("te", "trailers, deflate;q=0.5"), MALFORMED),
        ("te of trailers", with("te", "trailers"), Goes),
    ])
    .await;
}

#[tokio::test]
async fn pseudo_headers() {
    let (method, scheme, path) = ((":method", "POST"), (":scheme", "http"), (":path", "/silent"));
    let authority = (":authority", "side.test");
    table(&[
        ("after a header", whole(&[method, scheme, ("x-early", "1"), path]), MALFORMED),
        ("unknown", whole(&[method, scheme, path, (":unknown", "1")]), MALFORMED),
        ("of a response", whole(&[method, scheme, path, (":status", "200")]), MALFORMED),
        ("no :method", whole(&[scheme, path, authority]), MALFORMED),
        ("no :scheme", whole(&[method, path, authority]), MALFORMED),
        ("no :path", whole(&[method, scheme, authority]), MALFORMED),
        ("none", whole(&[("x-lonely", "1")]), MALFORMED),
        ("nothing", whole(&[]), MALFORMED),
        (":method twice", whole(&[method, method, scheme, path]), MALFORMED),
        (":scheme twice", whole(&[method, scheme, scheme, path]), MALFORMED),
        (":path twice", whole(&[method, scheme, path, path]), MALFORMED),
        (":authority twice", whole(&[method, scheme, path, authority, authority]), MALFORMED),
        ("an empty :path", whole(&[method, scheme, (":path", "")]), MALFORMED),
        ("an empty :method", whole(&[(":method", ""), scheme, path]), MALFORMED),
        ("a wrong :method", whole(&[(":method", "PO ST"), scheme, path]), MALFORMED),
        ("a :path without its slash", whole(&[method, scheme, (":path", "silent"), authority]), MALFORMED),
        ("a :path with a space", whole(&[method, scheme, (":path", "/si lent"), authority]), MALFORMED),
        ("a wrong :authority", whole(&[method, scheme, path, (":authority", "a b/c")]), MALFORMED),
        ("no :authority", whole(&[method, scheme, path]), Goes),
        ("host for :authority", whole(&[method, scheme, path, ("host", "side.test")]), Goes),
        ("host as :authority", whole(&[method, scheme, path, authority, ("host", "Side.Test")]), Goes),
        ("another host", whole(&[method, scheme, path, authority, ("host", "other.test")]), MALFORMED),
        ("two hosts", whole(&[method, scheme, path, ("host", "a.test"), ("host", "a.test")]), MALFORMED),
        ("userinfo", whole(&[method, scheme, path, (":authority", "me:secret@side.test")]), MALFORMED),
        ("a socket's path", whole(&[method, scheme, path, (":authority", "%2Ftmp%2Fsocket")]), Goes),
        ("a percent sign alone", whole(&[method, scheme, path, (":authority", "50%")]), MALFORMED),
        ("a fragment", whole(&[method, scheme, (":path", "/silent#frag"), authority]), MALFORMED),
        ("OPTIONS of *", whole(&[(":method", "OPTIONS"), scheme, (":path", "*"), authority]), Goes),
        ("CONNECT", frame(HEADERS, END_HEADERS, 1, &block(&[(":method", "CONNECT"), authority])), Goes),
        ("CONNECT with a path", whole(&[(":method", "CONNECT"), scheme, path, authority]), MALFORMED),
        ("CONNECT to nowhere", whole(&[(":method", "CONNECT")]), MALFORMED),
    ])
    .await;
}

#[tokio::test]
async fn trailers() {
    let head = || frame(HEADERS, END_HEADERS, 1, &post("/silent", &[]));
    let trailers = |flags, fields| {
        [head(), frame(DATA, 0, 1, b"data"), frame(HEADERS, flags, 1, &block(fields))].concat()
    };
    table(&[
        ("without an end", trailers(END_HEADERS, &[("x-trailer", "1")]), MALFORMED),
        ("with :path", trailers(WHOLE, &[(":path", "/silent")]), MALFORMED),
        ("with :status", trailers(WHOLE, &[("x-trailer", "1"), (":status", "200")]), MALFORMED),
        ("with an unknown pseudo header", trailers(WHOLE, &[(":unknown", "1")]), MALFORMED),
        ("with an upper-case name", trailers(WHOLE, &[("X-Trailer", "1")]), MALFORMED),
        ("with a connection header", trailers(WHOLE, &[("connection", "close")]), MALFORMED),
        ("a whole head again", [head(), frame(HEADERS, WHOLE, 1, &post("/silent", &[]))].concat(), MALFORMED),
        ("right", trailers(WHOLE, &[("x-trailer", "1")]), Goes),
        ("none", trailers(WHOLE, &[]), Goes),
    ])
    .await;
}

#[tokio::test]
async fn content_lengths() {
    let head = |flags, len| frame(HEADERS, flags, 1, &post("/silent", &[("content-length", len)]));
    let data = |flags, data| frame(DATA, flags, 1, data);
    let trailers = || frame(HEADERS, WHOLE, 1, &block(&[("x-trailer", "1")]));
    table(&[
        ("no data for some", head(WHOLE, "1"), MALFORMED),
        ("too little", [head(END_HEADERS, "5"), data(END_STREAM, b"data")].concat(), MALFORMED),
        (
            "too little in two",
            [head(END_HEADERS, "9"), data(0, b"data"), data(END_STREAM, b"data")].concat(),
            MALFORMED,
        ),
        (
            "too little before trailers",
            [head(END_HEADERS, "5"), data(0, b"data"), trailers()].concat(),
            MALFORMED,
        ),
        ("too much", [head(END_HEADERS, "3"), data(END_STREAM, b"data")].concat(), MALFORMED),
        ("too much without an end", [head(END_HEADERS, "3"), data(0, b"data")].concat(), MALFORMED),
        ("too much in two", [head(END_HEADERS, "7"), data(0, b"data"), data(0, b"data")].concat(), MALFORMED),
        ("some for none", [head(END_HEADERS, "0"), data(END_STREAM, b"data")].concat(), MALFORMED),
        ("not a number", head(END_HEADERS, "four"), MALFORMED),
        ("signed", head(END_HEADERS, "+4"), MALFORMED),
        ("larger than any", head(END_HEADERS, "99999999999999999999"), MALFORMED),
        (
            "two that differ",
            frame(
                HEADERS,
                END_HEADERS,
                1,
                &post("/silent", &[("content-length", "4"), ("content-length", "5")]),
            ),
            MALFORMED,
        ),
        ("right", [head(END_HEADERS, "4"), data(END_STREAM, b"data")].concat(), Goes),
        (
            "right with padding",
            [head(END_HEADERS, "4"), frame(DATA, PADDED | END_STREAM, 1, b"\x02data\0\0")].concat(),
            Goes,
        ),
        (
            "right before trailers",
            [head(END_HEADERS, "8"), data(0, b"data"), data(0, b"data"), trailers()].concat(),
            Goes,
        ),
        ("none of none", head(WHOLE, "0"), Goes),
    ])
    .await;
}

#[tokio::test]
async fn requests_come_as_they_were_sent() {
    let mut raw = Raw::connect(server().await, &[]).await;
    let more = [("x-twice", "1"), ("x-twice", "2"), ("cookie", "a=b"), ("x-empty", ""), ("te", "trailers")];
    raw.write(HEADERS, END_HEADERS, 1, &post("/show?q=1%20&r", &more)).await;
    raw.data(1, b"body", false).await;
    raw.write(HEADERS, WHOLE, 1, &block(&[("x-trailer", "last")])).await;
    let shown = String::from_utf8(raw.answer(1).await).unwrap();
    let mut lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.remove(0), "POST http://side.test/show?q=1%20&r");
    lines.sort_unstable();
    assert_eq!(
        lines,
        ["cookie: a=b", "te: trailers", "x-empty: ", "x-trailer: last", "x-twice: 1", "x-twice: 2"]
    );
}

#[tokio::test]
async fn bodies_come_back_chunk_by_chunk() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/echo", &[])).await;
    for chunk in ["first", "second", "third"] {
        raw.data(1, chunk.as_bytes(), false).await;
        raw.exactly(1, chunk.len()).await;
    }
    raw.write(DATA, END_STREAM, 1, &[]).await;
    assert_eq!(raw.rest(1).await, b"");
}

#[tokio::test]
async fn dropped_calls_are_reset() {
    let mut raw = Raw::connect(server().await, &[]).await;
    raw.write(HEADERS, END_HEADERS, 1, &post("/drop", &[])).await;
    assert_eq!(raw.reset(1).await, CANCEL);
    raw.write(HEADERS, WHOLE, 3, &post("/drop", &[])).await;
    assert_eq!(raw.reset(3).await, CANCEL);
    raw.write(HEADERS, END_HEADERS, 5, &post("/early", &[])).await;
    assert_eq!(raw.answer(5).await, b"");
    assert_eq!(raw.any_reset(5).await, NO_ERROR);
    raw.write(HEADERS, END_HEADERS, 7, &post("/reset/13", &[])).await;
    assert_eq!(raw.reset(7).await, 13);
    raw.write(HEADERS, WHOLE, 9, &post("/early", &[])).await;
    assert_eq!(raw.answer(9).await, b"");
    assert_eq!(raw.settled().await, [], "no reset after an end of both sides");
}
