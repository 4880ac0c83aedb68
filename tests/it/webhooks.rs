//! Events that are posted to others: the receiver of the documentation, settings, and several instances.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use regex::Regex;
use switch::KINDS;
use tempfile::TempDir;

use crate::{
    readme::pages::page,
    support::{Authority, Connector, Pair, Place, Running, Server, python, teal},
};

const SOON: Duration = Duration::from_secs(60);
const PAGE: &str = "docs/observability.md";
/// The secret of the receiver on the page.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Runs the receiver on the page.
fn receiver(folder: &TempDir, at: &Place) -> Running {
    receiver_of(folder, at, page(PAGE).block("python", "webhook-").text)
}

fn receiver_of(folder: &TempDir, at: &Place, program: String) -> Running {
    let script = folder.path().join("receiver.py");
    assert!(program.contains("8000"), "{program}");
    fs::write(&script, program.replace("8000", &at.address.port().to_string()))
        .expect("files can be written");
    python(Connector::V3_0_2).start_offline(script.to_str().expect("it has a plain name"), &[])
}

fn file(folder: &TempDir, text: &str) -> String {
    let path = folder.path().join("secret");
    fs::write(&path, text).expect("files can be written");
    path.to_str().expect("it has a plain name").to_owned()
}

fn url(at: &Place) -> String {
    format!("http://{}/s3cr3t-path?key=s3cr3t", at.address)
}

fn events(receiver: &Running) -> Vec<String> {
    receiver
        .lines_with("teal.")
        .iter()
        .map(|line| line.split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

/// Waits for a line among the metrics.
fn has(server: &Server, line: &str) -> String {
    let deadline = Instant::now() + SOON;
    loop {
        let exposition = server.get("/metrics");
        if exposition.contains(line) {
            return exposition;
        }
        assert!(Instant::now() < deadline, "{line:?} is not in\n{exposition}");
    }
}

#[test]
fn the_receiver_on_the_page_gets_events() {
    let (folder, place) = (TempDir::new().expect("there is room for files"), Place::new());
    let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let secret = file(&folder, other);
    let builder = teal().admin().switch_every("0").notice("0s").grace("0s");
    let builder = builder.with("--webhook", &url(&place)).with("--webhook-secret-file", &secret);
    let mut server = builder.run();
    // Nobody listens yet, and then the secret is the wrong one.
    server.operate(&["switch"]).done();
    let fails = server.wait_for(&format!("Webhook http://{} fails", place.address), 1, SOON).remove(0);
    assert!(fails.contains("Connection refused") && fails.contains("WARN"), "{fails}");
    let receiver = receiver(&folder, &place);
    receiver.wait_for("\" 401 -", 1, SOON);
    assert_eq!(events(&receiver), Vec::<String>::new());
    file(&folder, &format!("{other}\n{SECRET}\n"));
    let done = server.operate(&["reload"]).done();
    assert_eq!(done, "no setting has changed; webhook-secret-file: read again\n");
    server.wait_for("takes events again", 1, SOON);
    server.operate(&["cutover"]).done();
    receiver.wait_for("teal.drained", 1, SOON);
    assert_eq!(events(&receiver), ["teal.announced", "teal.reloaded", "teal.cut_over", "teal.drained"]);
    receiver.wait_for("teal.cut_over Strategy switched from blue to green", 1, SOON);
    let host = place.address;
    let exposition = has(&server, &format!("teal_webhook_sent_total{{host=\"{host}\"}} 4\n"));
    assert!(exposition.contains(&format!("teal_webhook_waiting{{host=\"{host}\"}} 0\n")), "{exposition}");
    // What happens at last is sent, too.
    server.operate(&["switch"]).done();
    server.end("TERM", SOON);
    receiver.wait_for("teal.announced", 2, SOON);
    assert!(!server.output().contains("s3cr3t"), "{}", server.output());
    assert!(!exposition.contains("s3cr3t"), "{exposition}");
}

#[test]
fn webhooks_are_reloaded() {
    let (folder, place) = (TempDir::new().expect("there is room for files"), Place::new());
    let settings = folder.path().join("teal.toml");
    let set =
        |text: &str| fs::write(&settings, format!("switch-every = 0\n{text}")).expect("files can be written");
    set("");
    let server = teal().admin().with("--config", settings.to_str().expect("it has a plain name")).run();
    let receiver = receiver(&folder, &place);
    let secret = file(&folder, SECRET);
    set(&format!(
        "webhook = [{:?}]\nwebhook-kind = \"aborted\"\nwebhook-secret-file = {secret:?}",
        url(&place)
    ));
    let done = server.operate(&["reload"]).done();
    let shown = format!("webhook is http://{}/… now, it was nothing", place.address);
    assert!(done.contains(&shown) && !done.contains("restart"), "{done}");
    server.operate(&["switch"]).done();
    server.operate(&["abort"]).done();
    receiver.wait_for("teal.aborted", 1, SOON);
    assert_eq!(events(&receiver), ["teal.aborted"]);
    assert!(!server.output().contains("s3cr3t"), "{}", server.output());
    assert!(!server.get("/api/v1/events").contains("s3cr3t"));
}

/// The receiver on the page, with a certificate.
fn secure_receiver(folder: &TempDir, at: &Place, pair: &Pair) -> Running {
    let program = page(PAGE).block("python", "webhook-").text;
    let (before, serves) = program.split_at(program.find("http.server.HTTPServer(").expect("it serves"));
    let serves = serves
        .replace(".serve_forever()", "")
        .replace("http.server.HTTPServer", "server = http.server.HTTPServer");
    let program = format!(
        "import ssl\n{before}{serves}\ncontext = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)\n\
         context.load_cert_chain({:?}, {:?})\n\
         server.socket = context.wrap_socket(server.socket, server_side=True)\nserver.serve_forever()\n",
        pair.certificate, pair.key
    );
    receiver_of(folder, at, program)
}

#[test]
fn https_receivers_prove_their_name() {
    let (folder, authority) = (TempDir::new().expect("there is room for files"), Authority::new());
    let trusted = authority.file().into_os_string().into_string().expect("it has a plain name");
    let secret = file(&folder, SECRET);
    for (name, words) in [("127.0.0.1", "teal.announced"), ("localhost", "")] {
        let place = Place::new();
        let receiver = secure_receiver(&folder, &place, &authority.issue(name));
        let builder =
            teal().admin().switch_every("0").env("SSL_CERT_FILE", &trusted).without_env("SSL_CERT_DIR");
        let builder = builder.with("--webhook", &format!("https://{}/", place.address));
        let server = builder.with("--webhook-secret-file", &secret).run();
        server.operate(&["switch"]).done();
        match words {
            "" => drop(server.wait_for("fails, trying again: ", 1, SOON)),
            words => drop(receiver.wait_for(words, 1, SOON)),
        }
        assert_eq!(events(&receiver).is_empty(), words.is_empty(), "{name}: {}", server.output());
    }
    let builder = teal()
        .env("SSL_CERT_FILE", "/dev/null")
        .without_env("SSL_CERT_DIR")
        .with("--webhook", "https://a.example/s3cr3t");
    let (status, said) = builder.refused();
    assert_eq!(status.code(), Some(64), "{said}");
    let words = "'https://a.example': expected http://, because the system has no certificate authorities";
    assert!(said.contains(words), "{said}");
}

fn refused(flags: &[(&str, &str)]) -> String {
    let builder = flags.iter().fold(teal(), |builder, (flag, value)| builder.with(flag, value));
    let (status, said) = builder.refused();
    assert_eq!((status.code(), said.trim_end().lines().count()), (Some(64), 1), "{flags:?}: {said}");
    said
}

#[test]
fn bad_webhooks_are_refused_in_one_line() {
    let folder = TempDir::new().expect("there is room for files");
    let bad = file(&folder, "s3cr3t");
    let good = ("--webhook", "http://127.0.0.1:1/s3cr3t");
    for (flags, words) in [
        (
            &[("--webhook", "https://me:s3cr3t@a.example/s3cr3t")][..],
            "--webhook (or TEAL_WEBHOOK): 'https://…@a.example/…': expected a URL without a user",
        ),
        (&[("--webhook", "ftp://a.example")], "'ftp://a.example': expected a URL that begins with http"),
        (&[("--webhook", "http:///s3cr3t")], "'http:///…': expected a URL such as"),
        (&[good, good], "'http://127.0.0.1:1/…': expected each URL once"),
        (
            &[good, ("--webhook-kind", "drained,moved")],
            "--webhook-kind (or TEAL_WEBHOOK_KIND): 'moved': expected one of announced, cut_over, ",
        ),
        (&[("--webhook-kind", "drained")], "'drained': expected --webhook with it"),
        (&[("--webhook-secret-file", "/no/such")], "'/no/such': expected --webhook with it"),
        (
            &[good, ("--webhook-secret-file", "/no/such")],
            "'/no/such': expected a readable file (No such file",
        ),
        (
            &[good, ("--webhook-secret-file", &bad)],
            "secret': expected 1 to 4 lines such as whsec_ and 24 to 64 bytes in base64; line 1 does not",
        ),
    ] {
        let said = refused(flags);
        assert!(said.contains(words) && !said.contains("s3cr3t"), "{words:?} is not in {said}");
    }
    let many: Vec<String> = (1..=17).map(|port| format!("http://127.0.0.1:{port}")).collect();
    let many: Vec<_> = many.iter().map(|url| ("--webhook", url.as_str())).collect();
    assert!(refused(&many).contains("'17': expected at most 16 URLs"));
}

#[test]
fn the_page_has_every_kind_of_event() {
    let rows = page(PAGE).first_column("| type ").join(" ");
    let kind = Regex::new("`teal\\.([a-z_]+)`").expect("it is one");
    let mut shown: Vec<_> = kind.captures_iter(&rows).map(|found| found[1].to_owned()).collect();
    let mut known = KINDS.map(str::to_owned).to_vec();
    shown.sort();
    known.sort();
    assert_eq!(shown, known);
}

/// The kinds that the sources of a folder name.
fn kinds_in(folder: &Path, kinds: &mut Vec<String>) {
    let kind =
        Regex::new("(?:kind: |note\\(|Remark::new\\(\\s*[A-Za-z:]+,\\s*)\"([a-z_]+)\"").expect("it is one");
    for entry in fs::read_dir(folder).expect("folders can be read") {
        let path = entry.expect("folders can be read").path();
        if path.is_dir() {
            if !path.ends_with("tests") && !path.ends_with("target") {
                kinds_in(&path, kinds);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("sources can be read");
            if text.contains("NewEvent") || text.contains("Remark::new") {
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                kinds.extend(kind.captures_iter(text).map(|found| found[1].to_owned()));
            }
        }
    }
}

#[test]
fn every_kind_in_the_code_is_known() {
    let mut kinds = Vec::new();
    for folder in ["crates/switch/src", "crates/proxy/src", "crates/admin/src", "src"] {
        kinds_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut kinds);
    }
    assert!(kinds.len() >= 15, "{kinds:?}");
    kinds.retain(|kind| !KINDS.contains(&kind.as_str()) && kind != "hit");
    assert!(kinds.is_empty(), "{kinds:?} are not in KINDS");
}
