//! Reloading settings at run time.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Authority, Connector, Server, python, teal};

const SOON: Duration = Duration::from_secs(60);

/// A settings file, deleted after the test.
struct Settings {
    folder: TempDir,
}

impl Settings {
    fn new(text: &str) -> Self {
        let settings = Self { folder: TempDir::new().expect("there is room for files") };
        settings.set(text);
        settings
    }

    fn set(&self, text: &str) {
        fs::write(self.file(), text).expect("files can be written");
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("teal.toml")
    }

    fn run(&self) -> Server {
        teal().admin().with("--config", text(&self.file())).run()
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it has a plain name")
}

fn state(server: &Server) -> Value {
    serde_json::from_str(&server.operate(&["status", "--json"]).done()).expect("it is JSON")
}

#[test]
fn a_hangup_takes_over_what_can_change() {
    let settings = Settings::new("switch-every = \"1h\"\nlog-level = \"info\"");
    let server = settings.run();
    settings.set("switch-every = \"1ms\"\nlog-level = \"debug\"\nthreads = 1");
    server.signal("HUP");
    let line = server.wait_for("Settings reloaded: ", 1, SOON).remove(0);
    let told = "switch-every is 1ms now, it was 1h; log-level is debug now, it was info; \
                threads is still nothing: 1 needs a restart";
    assert!(line.ends_with(told), "{line}");
    // The new time has passed already.
    server.wait_for("Strategy change pending: blue -> green", 1, SOON);
    server.wait_for("The log level is debug", 1, SOON);
    assert_eq!(state(&server)["timer"]["every_seconds"], json!(0.001));
}

#[test]
fn a_bad_file_changes_nothing_and_is_named() {
    let settings = Settings::new("switch-every = \"1h\"\ngrace = \"2s\"");
    let server = settings.run();
    // The first setting is valid, but not applied either.
    settings.set("switch-every = \"1ms\"\ngrace = \"soon\"");
    let why = format!("grace in {}:2:9: 'soon': expected a duration", settings.file().display());
    server.signal("HUP");
    server.wait_for(&format!("Settings not reloaded, nothing has changed: {why}"), 1, SOON);
    let said = server.operate(&["reload"]).ended(1);
    assert!(said.err.starts_with(&format!("teal: nothing has changed: {why}")), "{said:?}");
    assert_eq!(state(&server)["timer"]["every_seconds"], json!(3600.0));
    let events: Value = serde_json::from_str(&server.get("/api/v1/events")).expect("it is JSON");
    let kinds: Vec<&Value> =
        events["events"].as_array().expect("a list").iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["reload_refused", "reload_refused"]);
    // Once corrected, it applies.
    settings.set("switch-every = \"2h\"\ngrace = \"2s\"");
    assert_eq!(server.operate(&["reload"]).done(), "switch-every is 2h now, it was 1h\n");
    assert_eq!(state(&server)["timer"]["every_seconds"], json!(7200.0));
}

#[test]
fn reloads_tell_what_holds_and_needs_restart() {
    let settings = Settings::new("oauth-client = \"app:s3cr3t-1\"\nswitch-every = 0\n");
    let server = settings.run();
    settings
        .set("oauth-client = \"app:s3cr3t-2\"\nswitch-every = 0\ncutover = \"strict\"\nquery-ttl = \"2h\"");
    let reload = || -> Value {
        serde_json::from_str(&server.operate(&["reload", "--json"]).done()).expect("it is JSON")
    };
    let told = reload();
    assert_eq!(told["taken_over"], json!([{"name": "cutover", "from": "drain", "to": "strict"}]));
    let waits = json!([
        {"name": "query-ttl", "from": "1h", "to": "2h"}, {"name": "oauth-client", "from": "…", "to": "…"},
    ]);
    assert_eq!((&told["needs_restart"], &told["read_again"]), (&waits, &json!([])));
    let unchanged = told["unchanged"].as_array().expect("a list");
    assert!(unchanged.contains(&json!("switch-every")) && !unchanged.contains(&json!("cutover")), "{told}");
    assert_eq!(state(&server)["cutover"], "strict");
    let event: Value = serde_json::from_str(
        &server.get(&format!("/api/v1/events?after={}", told["event"].as_u64().expect("an id") - 1)),
    )
    .expect("it is JSON");
    assert_eq!(
        (&event["events"][0]["kind"], &event["events"][0]["message"]),
        (&json!("reloaded"), &told["done"])
    );
    // Applied settings are current; the others still need a restart.
    let again = reload();
    assert_eq!((&again["taken_over"], &again["needs_restart"]), (&json!([]), &waits));
    assert!(!server.output().contains("s3cr3t"), "{}", server.output());
}

#[test]
fn without_a_file_there_is_no_reload() {
    let server = teal().admin().run();
    assert_eq!(server.operate(&["reload"]).done(), "no setting has changed\n");
    let server = teal().admin().with("--gate", "off").run();
    assert_eq!(server.operate(&["reload"]).done(), "no setting has changed\n");
}

#[test]
fn flags_override_the_file_at_reloads() {
    let settings = Settings::new("notice = \"1s\"");
    let server = teal().admin().with("--config", text(&settings.file())).notice("4s").run();
    settings.set("notice = \"2s\"");
    assert_eq!(server.operate(&["reload"]).done(), "no setting has changed\n");
}

#[test]
fn a_new_certificate_is_shown_to_new_connections() {
    let (before, after) = (Authority::new(), Authority::new());
    let (pair, other) = (before.issue("127.0.0.1"), after.issue("127.0.0.1"));
    let (certificate, key) = (text(&pair.certificate), text(&pair.key));
    let settings = Settings::new(&format!("tls-cert = {certificate:?}\ntls-key = {key:?}"));
    let server = settings.run();
    let shows = |authority: &Authority, certificate: &Path| {
        let authority = authority.file();
        python(Connector::V3_0_2).run(&server, "shown.py", &[text(&authority), text(certificate)]);
    };
    let kept = before.path("kept.pem");
    fs::copy(certificate, &kept).expect("files can be written");
    shows(&before, &kept);
    fs::copy(&other.certificate, certificate).expect("files can be written");
    // Its key is not there yet.
    server.signal("HUP");
    server.wait_for("expected the key of the certificate in ", 1, SOON);
    shows(&before, &kept);
    fs::copy(&other.key, key).expect("files can be written");
    server.signal("HUP");
    server.wait_for("Settings reloaded: no setting has changed; tls-cert, tls-key: read again", 1, SOON);
    shows(&after, &other.certificate);
    // Other files do too.
    let third = before.issue("127.0.0.1");
    let moved = before.path("moved.pem");
    fs::rename(&third.certificate, &moved).expect("files can be moved");
    settings.set(&format!("tls-cert = {:?}\ntls-key = {key:?}", text(&moved)));
    assert!(server.operate(&["reload"]).done().starts_with("tls-cert is "));
    shows(&before, &moved);
}

#[test]
fn the_patience_with_engines_can_change() {
    let engines = "blue = \"http://127.0.0.1:1\"\ngreen = \"http://127.0.0.1:2\"\nswitch-every = \"0\"\n";
    let settings = Settings::new(engines);
    let server = settings.run();
    settings.set(&format!("{engines}unhealthy-abort = \"1s\"\nfailover = \"2s\"\n"));
    server.signal("HUP");
    let line = server.wait_for("Settings reloaded: ", 1, SOON).remove(0);
    assert!(line.contains("unhealthy-abort is 1s now"), "{line}");
    assert!(line.contains("failover is 2s now"), "{line}");
}
