//! The exact lines of the log, and what it never contains.

use std::time::Duration;

use crate::support::{Connector, Server, python, teal};

const SOON: Duration = Duration::from_secs(60);

/// The message of a line in text form, whose head is checked.
fn message(line: &str) -> &str {
    let shape: String = line.chars().take(22).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    assert_eq!(shape, "0000-00-00 00:00:00 - ", "{line}");
    let (level, message) = line[22..].split_once(" - ").expect("a level and a message");
    assert!(["DEBUG", "INFO", "WARN", "WARNING", "ERROR"].contains(&level), "{line}");
    message
}

fn says(server: &Server, words: &str) {
    let lines = server.wait_for(words, 1, SOON);
    assert!(
        lines.iter().any(|line| message(line) == words),
        "{words:?} is not a message of its own in {lines:?}"
    );
}

#[test]
fn a_start_tells_the_settings_of_the_switch() {
    let server = teal().run();
    says(&server, "Initial strategy: blue");
    says(&server, "Strategy will switch every 120 seconds");
    let server = teal().with("--initial", "green").switch_every("2m").run();
    says(&server, "Initial strategy: green");
    says(&server, "Strategy will switch every 120 seconds");
    let server = teal().switch_every("0").run();
    assert!(server.lines_with("Strategy will switch").is_empty(), "{}", server.output());
}

#[test]
fn a_switch_is_told_from_announcement_to_drain() {
    let server = teal().switch_every("1s").notice("0s").grace("0s").run();
    python(Connector::V3_0_2).run(&server, "notice.py", &[]);
    says(&server, "Strategy change pending: blue -> green");
    says(&server, "Strategy switched from blue to green");
    says(&server, "Drained: no query left on blue");
    let order: Vec<usize> =
        ["change pending: blue", "Notifying client about pending", "switched from blue", "left on blue"]
            .iter()
            .map(|words| server.output().find(words).unwrap_or_else(|| panic!("{words} is missing")))
            .collect();
    assert!(order.is_sorted(), "{}", server.output());
    // One client that gets a notice in every response is logged once.
    let announced = server.output().split("Strategy switched from blue").next().map(str::to_owned);
    let notes = "Notifying client about pending strategy change to: green";
    assert_eq!(announced.expect("a first part").matches(notes).count(), 1, "{}", server.output());
}

#[test]
fn work_is_told_by_user_session_and_query() {
    let server = teal().switch_every("0").run();
    python(Connector::V3_0_2).run(&server, "quiet.py", &[]);
    for words in ["visible-user", "repared", "xecuted", "leared"] {
        server.wait_for(words, 1, SOON);
    }
    for line in server.output().lines() {
        message(line);
    }
}

#[test]
fn secrets_are_never_told() {
    for level in ["info", "debug"] {
        let server = teal().switch_every("0").with("--log-level", level).run();
        python(Connector::V3_0_2).run(&server, "quiet.py", &[]);
        server.wait_for("leared", 1, SOON);
        for secret in ["S3cret-of-someone", "token-that-is-secret", "needle-of-the-result"] {
            let told = server.lines_with(secret);
            assert!(told.is_empty(), "{level}: {told:#?}");
        }
        let sql = server.output().contains("concat(") || server.output().contains("text-of-the-statement");
        assert_eq!(sql, level == "debug", "the SQL is told at debug alone: {}", server.output());
    }
}

#[test]
fn json_lines_have_a_time_with_an_offset() {
    let server = teal().with("--log-format", "json").run();
    server.wait_for("Initial strategy: blue", 1, SOON);
    for line in server.output().lines() {
        let line: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let fields = line.as_object().expect("an object in each line");
        let time = fields.get("timestamp").or_else(|| fields.get("time")).and_then(|time| time.as_str());
        let time = time.unwrap_or_else(|| panic!("no time in {line}"));
        let zoned = time.ends_with('Z') || matches!(time.as_bytes()[time.len() - 6], b'+' | b'-');
        assert!(zoned && time.as_bytes()[10] == b'T', "{time}");
    }
}

#[test]
fn json_lines_have_fields_and_spans() {
    let server = teal().switch_every("0").with("--log-format", "json").with("--log-level", "debug").run();
    python(Connector::V3_0_2).run(&server, "quiet.py", &[]);
    let lines = server.wait_for("Prepared query", 1, SOON);
    let line: serde_json::Value = serde_json::from_str(&lines[0]).expect("an object in each line");
    let text = |pointer: &str| line.pointer(pointer).and_then(|value| value.as_str()).unwrap_or_default();
    assert_eq!(text("/message"), format!("Prepared query {}", text("/query.id")), "{line}");
    assert!(!text("/session").is_empty(), "{line}");
    assert_eq!(text("/spans/0/name"), "connection", "{line}");
    assert!(text("/spans/0/client.addr").starts_with("127.0.0.1:"), "{line}");
    assert_eq!(text("/spans/1/name"), "call", "{line}");
    assert!(text("/spans/1/method").contains("/prepareStatement"), "{line}");
    assert_eq!(text("/spans/1/strategy"), "blue", "{line}");
}
