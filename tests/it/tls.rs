//! TLS on both sides of the server, with clients and an engine that use another implementation of it.

use std::{path::Path, time::Duration};

use crate::support::{Authority, Builder, Connector, Pair, Running, Server, python, teal};

const SOON: Duration = Duration::from_secs(60);

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary files have plain names")
}

fn with_certificate(server: Builder, pair: &Pair) -> Builder {
    server.with("--tls-cert", text(&pair.certificate)).with("--tls-key", text(&pair.key))
}

/// A server for clients of `authority`, which has a certificate of it.
fn secure(authority: &Authority) -> Builder {
    with_certificate(teal(), &authority.issue("127.0.0.1"))
}

fn mutual(servers: &Authority, clients: &Authority) -> Server {
    secure(servers).with("--client-ca", text(&clients.file())).run()
}

/// In front of `engine`, whose certificate has to be for `name`; shows `shown` to it.
fn before(engine: &str, name: &str, authority: &Authority, shown: &Pair) -> Builder {
    secure(authority)
        .with("--upstream", engine)
        .with("--upstream-ca", text(&authority.file()))
        .with("--upstream-name", name)
        .with("--upstream-cert", text(&shown.certificate))
        .with("--upstream-key", text(&shown.key))
}

#[test]
fn only_tls_clients_are_served_over_tls() {
    let authority = Authority::new();
    // One thread, where a slow client could block the others.
    let server = secure(&authority).with("--threads", "1").run();
    server.wait_for("(TLS)", 1, SOON);
    python(Connector::V3_0_2).run(&server, "secure.py", &[text(&authority.file())]);
}

#[test]
fn clients_are_asked_for_a_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let server = mutual(&servers, &clients);
    server.wait_for("(TLS, clients need a certificate)", 1, SOON);
    let mut args = vec![servers.file()];
    for pair in [clients.issue("known"), servers.issue("unknown"), clients.issue_expired("known")] {
        args.extend([pair.certificate, pair.key]);
    }
    let args: Vec<&str> = args.iter().map(|path| text(path)).collect();
    python(Connector::V3_0_2).run(&server, "mutual.py", &args);
}

#[test]
fn a_connector_reads_through_tls_on_both_sides() {
    let authority = Authority::new();
    let engine = mutual(&authority, &authority);
    let url = format!("https://{}", engine.address);
    let server = before(&url, "127.0.0.1", &authority, &authority.issue("teal")).run();
    python(Connector::V3_0_2).run(&server, "secure.py", &[text(&authority.file())]);
}

/// An engine for `engine.example` that asks for certificates, by grpcio; and its URL.
fn grpcio(authority: &Authority) -> (Running, String) {
    let own = authority.issue("engine.example");
    let args = [authority.file(), own.certificate, own.key];
    let args: Vec<&str> = args.iter().map(|path| text(path)).collect();
    let engine = python(Connector::V3_0_2).start_offline("secure_engine.py", &args);
    let line = engine.wait_for("listens on ", 1, SOON).remove(0);
    (engine, format!("https://127.0.0.1:{}", line.trim_start_matches("listens on ")))
}

/// Checks that the error of a call through `server` contains these words.
fn says(server: &Server, authority: &Authority, expected: &str) {
    python(Connector::V3_0_2).run(server, "secure_call.py", &[text(&authority.file()), expected]);
}

#[test]
fn foreign_engines_are_reached_by_tls() {
    let authority = Authority::new();
    let (shown, (_engine, url)) = (authority.issue("teal"), grpcio(&authority));
    let call = |server: &Server, expected: &str| says(server, &authority, expected);
    call(&before(&url, "engine.example", &authority, &shown).run(), "engine of a test");
    call(&before(&url, "other.example", &authority, &shown).run(), "not valid for name \"other.example\"");
    // An authority that the engine doesn't know.
    let strangers = Authority::new();
    let stranger = strangers.issue("teal");
    call(&before(&url, "engine.example", &authority, &stranger).run(), &format!("engine {url} "));
}

#[test]
fn the_systems_authorities_are_trusted_by_default() {
    let (authority, strangers) = (Authority::new(), Authority::new());
    let (shown, (_engine, url)) = (authority.issue("teal"), grpcio(&authority));
    for (system, expected) in [(&authority, "engine of a test"), (&strangers, "UnknownIssuer")] {
        let server = secure(&authority)
            .env("SSL_CERT_FILE", text(&system.file()))
            .without_env("SSL_CERT_DIR")
            .with("--upstream", &url)
            .with("--upstream-name", "engine.example")
            .with("--upstream-cert", text(&shown.certificate))
            .with("--upstream-key", text(&shown.key));
        says(&server.run(), &authority, expected);
    }
}
