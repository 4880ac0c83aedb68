//! The dashboard, in a browser.

use std::{fs, time::Duration};

use crate::support::{Builder, Connector, Place, has_browser, packages, python, teal};

const SOON: Duration = Duration::from_secs(120);

/// A server with long timeouts and without automatic switches.
fn patient() -> Builder {
    teal().switch_every("1h").with("--announce-timeout", "30m").grace("20m").with("--drain-timeout", "30m")
}

/// Checks a fact about the page of a server.
fn holds(fact: &str, server: Builder) {
    holds_with(fact, server, &[]);
}

fn holds_with(fact: &str, server: Builder, more: &[&str]) {
    if !has_browser() {
        return;
    }
    let server = server.admin().run();
    let address = server.admin().to_string();
    packages("selenium").run_offline("page.py", &[&[fact, &address], more].concat());
}

#[test]
fn it_shows_the_state() {
    holds("shows_the_state", patient());
}

#[test]
fn it_is_operated_by_its_buttons() {
    holds("is_operated_by_its_buttons", patient());
}

#[test]
fn it_follows_what_others_do() {
    holds("follows_what_others_do", patient());
}

#[test]
fn its_clients_are_sorted_by_any_column() {
    holds("sorts_clients", patient());
}

#[test]
fn its_calls_are_filtered_as_one_types() {
    if !has_browser() {
        return;
    }
    let server = patient().admin().run();
    let page = packages("selenium").start_offline("page.py", &["filters_calls", &server.admin().to_string()]);
    page.wait_for("looking", 1, SOON);
    python(Connector::V3_0_2).run(&server, "once.py", &[]);
    page.succeed(SOON);
}

#[test]
fn messages_are_shown_with_their_call() {
    if !has_browser() {
        return;
    }
    let server = patient().arg("--calls-messages").admin().run();
    python(Connector::V3_0_2).run(&server, "kept.py", &[]);
    packages("selenium").run_offline("page.py", &["shows_messages", &server.admin().to_string()]);
}

#[test]
fn its_chart_is_read_by_keys() {
    holds("reads_the_chart_by_keys", patient());
}

#[test]
fn faults_are_added_counted_and_removed_there() {
    if !has_browser() {
        return;
    }
    let server = patient().admin().run();
    let page =
        packages("selenium").start_offline("page.py", &["puts_faults_in_force", &server.admin().to_string()]);
    page.wait_for("in force", 1, SOON);
    let mut client = python(Connector::V3_0_2).start(&server, "open.py", &[]);
    client.close_stdin();
    client.succeed(SOON);
    page.succeed(SOON);
}

#[test]
fn it_is_operated_by_keys() {
    holds("is_operated_by_keys", patient());
}

#[test]
fn it_is_readable_on_phones_dark_and_light() {
    holds("is_readable_everywhere", patient());
}

#[test]
fn it_asks_for_the_token() {
    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    fs::write(file.path(), "s3cret").expect("it is writable");
    let path = file.path().to_str().expect("a plain path");
    holds_with("asks_for_a_token", patient().with("--admin-token-file", path), &["s3cret"]);
}

#[test]
fn it_says_that_there_is_no_switch() {
    holds("works_without_a_switch", teal().with("--gate", "off"));
}

#[test]
fn it_comes_back_after_a_restart() {
    if !has_browser() {
        return;
    }
    // The second server must use the port of the first.
    let place = Place::new();
    let address = place.text();
    let start = |cutover| patient().cutover(cutover).with("--admin", &address).run();
    let first = start("drain");
    let page = packages("selenium").start_offline("page.py", &["comes_back", &address]);
    page.wait_for("following", 1, SOON);
    drop(first);
    page.wait_for("lost", 1, SOON);
    let _second = start("strict");
    page.succeed(SOON);
}
