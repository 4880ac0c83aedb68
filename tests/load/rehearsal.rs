//! `teal rehearse`: against a server that switches, against a faulty one, and with invalid settings.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::support::{Place, Rehearsed, Running, alone, beside, rehearsal, rehearse, rehearse_at, teal};

const SOON: Duration = Duration::from_secs(60);

fn file(name: &str, text: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the target folder is writable");
    path.to_string_lossy().into_owned()
}

#[test]
fn a_switch_that_is_followed_loses_nothing() {
    let _alone = alone();
    let server = teal().admin().switch_every("0").notice("200ms").grace("300ms").run();
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("rehearsal.html");
    let (process, json) = rehearse(&server)
        .with("--admin", &format!("http://{}", server.admin()))
        .with("--clients", "4")
        .with("--duration", "12s")
        .with("--switch-every", "2s")
        .with("--catalog", "default")
        .with("--html", &page.to_string_lossy())
        .start();
    for words in [
        "Successfully authenticated with strategy: blue",
        "Pending deployment strategy set to: green",
        "Strategy transition completed: blue -> green",
        "Successfully authenticated with strategy: green",
        "/s, 0 failed, ",
    ] {
        process.wait_for(words, 1, SOON);
    }
    let rehearsed = Rehearsed::of(process, &json);
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    rehearsed.keeps_promises();
    assert_eq!((rehearsed.number("/queries/lost"), rehearsed.number("/queries/retried")), (0, 0));
    assert!(rehearsed.number("/queries/completed") > 20, "{}", rehearsed.output);
    assert!(rehearsed.number("/switches/0/adopted_after/count") > 0, "{}", rehearsed.output);
    for words in ["switches ", "promises", "Verdict: nothing was lost."] {
        assert!(rehearsed.output.contains(words), "{}", rehearsed.output);
    }
    let page = fs::read_to_string(page).expect("the page is there");
    assert!(page.contains("<svg") && page.contains("class=\"cutover\" x1"), "the cutover is drawn");
}

#[test]
fn on_a_terminal_a_bar_shows_progress() {
    let _beside = beside();
    let server = teal().admin().switch_every("1s").notice("0s").grace("300ms").run();
    let on_a_terminal = |more: &[&str]| {
        let mut command = Command::new("python3");
        command.args([
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/terminal.py"),
            env!("CARGO_BIN_EXE_teal"),
        ]);
        command.args(["rehearse", "--clients", "2", "--duration", "3s"]);
        command.args(["--to", &format!("http://{}", server.address)]);
        command.args(["--admin", &format!("http://{}", server.admin())]).args(more);
        Running::start("teal rehearse", &mut command).succeed(SOON)
    };
    let bar = on_a_terminal(&[]);
    for words in ["█", " queries, ", "/s, 0 failed, STABLE(", ", 2 on ", "Verdict: nothing was lost."] {
        assert!(bar.contains(words), "{words}: {bar}");
    }
    assert!(!bar.contains(" - INFO - "), "{bar}");
    // With a log level there is no bar among the log lines.
    let log = on_a_terminal(&["--log-level", "info"]);
    assert!(log.contains(" - INFO - Successfully authenticated") && !log.contains("█"), "{log}");
}

#[test]
fn clients_that_misbehave_lose_nothing_that_is_promised() {
    let _alone = alone();
    // Vanished clients leave queries behind, which hold a drain until its timeout.
    let server =
        teal().admin().switch_every("2s").notice("0s").grace("500ms").with("--drain-timeout", "10s").run();
    let rehearsed = rehearse(&server)
        .with("--admin", &format!("http://{}", server.admin()))
        .with("--clients", "7")
        .with("--duration", "12s")
        .with("--behaviour", "frozen,no-header,eager,upper-case,vanish,slow-reader,retry-storm")
        .run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    rehearsed.keeps_promises();
    for (ended, at_least) in [("turned_away", 1), ("vanished", 1), ("completed", 20)] {
        assert!(rehearsed.number(&format!("/queries/{ended}")) >= at_least, "{ended}: {}", rehearsed.output);
    }
}

#[test]
fn queries_that_are_held_keep_their_strategy() {
    let _beside = beside();
    let server = teal().switch_every("2s").notice("0s").grace("500ms").run();
    let rehearsed = rehearse(&server).with("--clients", "4").with("--duration", "8s").arg("--hold").run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    assert!(rehearsed.number("/longest_query") > 1_900_000, "{}", rehearsed.output);
}

#[test]
fn strict_switches_that_lose_queries_are_noticed() {
    let _beside = beside();
    // Clients in step end their queries together, and an end cuts over between queries only. The timeout
    // cuts over in the middle: a query of 2.2 s is longer than a whole round of 1.5 s.
    let server =
        teal().switch_every("1s").notice("0s").cutover("strict").with("--announce-timeout", "500ms").run();
    let rehearsed =
        rehearse(&server).with("--clients", "2").with("--duration", "8s").with("--hold", "2200ms").run();
    assert_eq!(rehearsed.status.code(), Some(1), "{}", rehearsed.output);
    assert!(rehearsed.number("/queries/lost") > 0, "{}", rehearsed.output);
    assert!(rehearsed.output.contains(": Unknown: status: 456"), "{}", rehearsed.output);
    assert!(rehearsed.output.contains(" LOST"), "{}", rehearsed.output);
}

#[test]
fn rows_that_are_not_as_given_are_noticed() {
    let _beside = beside();
    let server = teal().switch_every("0").run();
    let given = |name: &str, name_of_1: &str| {
        let text = format!(
            "[[query]]\nsql = '''\nSELECT 1 AS id, 'a' AS name, CAST(1.50 AS DECIMAL(10,2)) AS price,\n\
             DATE '2026-01-31' AS day, NULL AS nothing\n'''\nrows = [[1, \"{name_of_1}\", 1.5, 2026-01-31, {{}}]]\n"
        );
        file(name, &text)
    };
    let run = |queries: &str| {
        rehearse(&server).with("--clients", "1").with("--duration", "1s").with("--queries", queries).run()
    };
    let right = run(&given("right.toml", "a"));
    assert!(right.status.success(), "{}", right.output);
    let wrong = run(&given("wrong.toml", "b"));
    assert_eq!(wrong.status.code(), Some(1), "{}", wrong.output);
    assert!(
        wrong.output.contains("row 0 is 1 | a | 1.5 | 2026-01-31 | NULL, expected 1 | b"),
        "{}",
        wrong.output
    );
}

#[test]
fn a_token_takes_the_place_of_a_login() {
    let _beside = beside();
    let server = teal().switch_every("1s").notice("0s").grace("300ms").run();
    let token = file("token", "a-token-that-is-secret\n");
    let rehearsed =
        rehearse(&server).with("--clients", "2").with("--duration", "4s").with("--token-file", &token).run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    assert!(
        !rehearsed.output.contains("authenticated") && !rehearsed.output.contains("secret"),
        "{}",
        rehearsed.output
    );
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let _beside = beside();
    let server = teal().switch_every("0").run();
    let rehearsed =
        rehearse(&server).with("--clients", "4").with("--duration", "4s").with("--rate", "5").run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    let run = rehearsed.number("/queries/run");
    assert!((1..=21).contains(&run), "{}", rehearsed.output);
}

#[test]
fn a_server_that_is_not_there_loses_everything() {
    let _beside = beside();
    let nowhere = Place::new();
    let rehearsed = rehearse_at(nowhere.address).with("--clients", "1").with("--duration", "1s").run();
    assert_eq!(rehearsed.status.code(), Some(1), "{}", rehearsed.output);
    assert!(rehearsed.output.contains("no query was completed"), "{}", rehearsed.output);
}

#[test]
fn bad_settings_are_refused_in_one_line() {
    let _beside = beside();
    let token = file("bad-token", "\n");
    for (flag, value, expected) in [
        ("--to", "ftp://x", "host:port"),
        ("--clients", "0", "above 0"),
        ("--duration", "soon", "120s"),
        ("--rate", "0", "per second"),
        ("--behaviour", "rude", "follow"),
        ("--queries", "/no/such/file", "readable"),
        ("--token-file", &token, "first line"),
        ("--tls-ca", "/no/such/file", "https"),
        ("--admin", "nowhere", "http://127.0.0.1:50061"),
        ("--html", "/no/such/folder/page", "written"),
    ] {
        let (status, said) = rehearsal().with(flag, value).refused();
        assert_eq!(status.code(), Some(64), "{flag} {value}: {said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
        for word in [flag, value, expected] {
            assert!(said.contains(word), "{word:?} is not in {said:?}");
        }
        assert!(!said.contains("TEAL_"), "{said}");
    }
    let (status, said) = rehearsal().arg("--chaos").refused();
    assert_eq!(status.code(), Some(64), "{said}");
}
