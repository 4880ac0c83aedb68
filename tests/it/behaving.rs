//! The behaviours of rehearsal clients, as seen on the wire.

use std::{collections::HashMap, fs, path::Path, time::Duration};

use tempfile::TempDir;

use crate::support::{
    Authority, Builder, Call, Pair, Recorder, Rehearsal, Rehearsed, Server, beside, rehearsal, rehearse,
    rehearse_at, teal,
};

const SOON: Duration = Duration::from_secs(60);

fn text(path: &Path) -> &str {
    path.to_str().expect("temporary files have plain names")
}

/// The calls of clients with these behaviours, while the server switches.
fn behaving(server: &Server, behaviours: &[&'static str]) -> HashMap<&'static str, (Vec<Call>, Rehearsed)> {
    let recorders: Vec<_> = behaviours.iter().map(|_| Recorder::before(server.address)).collect();
    let started: Vec<_> = behaviours
        .iter()
        .zip(&recorders)
        .map(|(behaviour, recorder)| {
            rehearse_at(recorder.address)
                .with("--clients", "3")
                .with("--duration", "1h")
                .with("--behaviour", behaviour)
                .start()
        })
        .collect();
    for (process, _) in &started {
        process.wait_for("Successfully authenticated", 3, SOON);
    }
    for _ in 0..4 {
        let said = server.operate(&["switch", "--wait"]).err;
        assert!(said.contains("DRAINING") && said.contains("STABLE"), "{said}");
    }
    for (process, _) in &started {
        process.signal("TERM");
    }
    let ended: Vec<_> = started.into_iter().map(|(process, json)| Rehearsed::of(process, &json)).collect();
    let calls = recorders.iter().map(Recorder::calls);
    behaviours.iter().copied().zip(calls.zip(ended)).collect()
}

/// The strategies that calls name.
fn named(calls: &[Call]) -> Vec<&str> {
    let mut named: Vec<&str> = calls.iter().map(|call| call.strategy.as_deref().unwrap_or("none")).collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// Calls about a query that name another strategy than the one that it was prepared under.
fn turncoats(calls: &[Call]) -> usize {
    let begins = calls.iter().filter(|call| call.method.starts_with("prepare"));
    let begun: HashMap<_, _> =
        begins.filter_map(|call| Some((call.query.as_ref()?, &call.strategy))).collect();
    let about = |call: &&Call| call.query.as_ref().and_then(|query| begun.get(query));
    calls.iter().filter(|call| about(call).is_some_and(|strategy| **strategy != call.strategy)).count()
}

#[test]
fn each_behaviour_shows_on_the_wire() {
    let _beside = beside();
    // Vanished clients leave queries behind, which hold a drain until its timeout.
    let server =
        teal().admin().switch_every("0").notice("500ms").grace("300ms").with("--drain-timeout", "2s").run();
    let seen =
        behaving(&server, &["follow", "frozen", "no-header", "eager", "upper-case", "slow-reader", "vanish"]);
    let calls = |behaviour| seen[behaviour].0.as_slice();
    for (behaviour, names) in [
        ("follow", &["blue", "green"][..]),
        ("frozen", &["blue"]),
        ("eager", &["blue", "green"]),
        ("upper-case", &["BLUE", "GREEN"]),
        ("slow-reader", &["blue", "green"]),
        ("vanish", &["blue", "green"]),
    ] {
        assert_eq!(named(calls(behaviour)), names, "{behaviour}");
    }
    let logs_in = |call: &Call| call.method == "authenticate";
    let (logins, others): (Vec<_>, Vec<_>) = calls("no-header").iter().cloned().partition(logs_in);
    assert_eq!((named(&logins), named(&others)), (vec!["none"], vec!["none"]));
    assert_eq!([turncoats(calls("follow")), turncoats(calls("upper-case"))], [0, 0]);
    assert!(turncoats(calls("eager")) > 0, "it adopts in the middle of a query");
    // With a window of 2 KiB and 20 ms between two looks, a thousand rows take their time.
    let [slow, fast] =
        ["slow-reader", "follow"].map(|behaviour| seen[behaviour].1.number("/latency/between switches/p50"));
    assert!(slow > fast, "{slow} µs where others take {fast}");
    assert!(seen["vanish"].1.number("/queries/vanished") > 0);
}

/// Clients that are mostly idle, under two settings side by side: they learn of most switches by a 456.
fn idle(settings: [(&str, &[&str; 2]); 2]) -> [Rehearsed; 2] {
    let started = settings.map(|(mismatch, how)| {
        let server = teal().switch_every("500ms").notice("0s").grace("2s").with("--mismatch", mismatch).run();
        let rehearsal = rehearse(&server)
            .with("--clients", "8")
            .with("--duration", "10s")
            .with("--rate", "4")
            .with("--hold", "300ms")
            .with(how[0], how[1])
            .start();
        (server, rehearsal)
    });
    started.map(|(_server, (process, json))| Rehearsed::of(process, &json))
}

#[test]
fn retry_storms_repeat_refused_calls() {
    let _beside = beside();
    let settings = ["retry-storm", "follow"].map(|behaviour| ("both", ["--behaviour", behaviour]));
    let [(mismatch, storm), (_, follow)] = &settings;
    let [storm, follow] = idle([(mismatch, storm), (mismatch, follow)]);
    for (behaviour, rehearsed, per_retry) in [("retry-storm", storm, 21..50), ("follow", follow, 1..4)] {
        assert!(rehearsed.status.success(), "{}", rehearsed.output);
        let refusals = rehearsed.report["refusals"].as_array().map_or(0, Vec::len) as u64;
        let retried = rehearsed.number("/queries/retried");
        assert!(retried > 0, "{}", rehearsed.output);
        assert!(per_retry.contains(&(refusals / retried)), "{behaviour}: {refusals} for {retried}");
    }
}

#[test]
fn with_tokens_a_known_456_restarts_queries() {
    let _beside = beside();
    let folder = TempDir::new().expect("there is room for files");
    let token = folder.path().join("token");
    fs::write(&token, "a-token").expect("files can be written");
    let how = ["--token-file", text(&token)];
    let [known, unknown] = idle([("both", &how), ("http", &how)]);
    assert!(known.status.success(), "{}", known.output);
    assert!(known.number("/queries/retried") > 0, "{}", known.output);
    assert_eq!(unknown.status.code(), Some(1), "{}", unknown.output);
    assert!(unknown.number("/queries/lost") > 0, "{}", unknown.output);
}

#[test]
fn credentials_and_queries_are_as_given() {
    let server = teal().switch_every("0").run();
    let recorder = Recorder::before(server.address);
    let folder = TempDir::new().expect("there is room for files");
    let password = folder.path().join("password");
    fs::write(&password, "s3cret\nmore\n").expect("files can be written");
    let rehearsed = rehearse_at(recorder.address)
        .with("--clients", "1")
        .with("--duration", "1s")
        .with("--user", "somebody@example.com")
        .with("--password-file", text(&password))
        .with("--catalog", "default")
        .with("--schema", "sales")
        .run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    assert!(!rehearsed.output.contains("s3cret"), "{}", rehearsed.output);
    let calls = recorder.calls();
    let said = |method: &str, field| {
        let call = calls.iter().find(|call| call.method == method);
        call.unwrap_or_else(|| panic!("no {method}: {calls:?}")).said(field)
    };
    assert_eq!([1, 2].map(|field| said("authenticate", field)), ["somebody@example.com", "s3cret"]);
    assert_eq!([2, 3].map(|field| said("prepareStatementV2", field)), ["sales", "default"]);
    for method in [
        "executeStatementV2",
        "getResultMetadata",
        "getNextResultBatch",
        "explainAnalyze",
        "clearOrCancelQuery",
    ] {
        assert!(calls.iter().any(|call| call.method == method), "no {method}");
    }
}

/// A server with TLS that switches each second.
fn secure_and_swift(pair: &Pair) -> Builder {
    teal()
        .switch_every("1s")
        .notice("0s")
        .grace("300ms")
        .with("--tls-cert", text(&pair.certificate))
        .with("--tls-key", text(&pair.key))
}

#[test]
fn servers_are_trusted_by_the_given_authority() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let pair = authority.issue("127.0.0.1");
    let server = secure_and_swift(&pair).run();
    let secure = |address: String, duration: &str| {
        rehearsal().with("--to", &address).with("--clients", "2").with("--duration", duration)
    };
    let run = |to: Rehearsal, trusted: &Authority| to.with("--tls-ca", text(&trusted.file())).run();
    let to = |duration: &str| secure(format!("https://{}", server.address), duration);
    let trusted = run(to("3s"), &authority);
    assert!(trusted.status.success(), "{}", trusted.output);
    assert!(trusted.number("/switches/0/adopted_after/count") > 0, "{}", trusted.output);
    let plain = secure(format!("http://{}", server.address), "1s");
    let doubted = [run(to("1s"), &stranger), to("1s").run(), plain.run()];
    for doubted in &doubted {
        assert_eq!(doubted.status.code(), Some(1), "{}", doubted.output);
        assert!(doubted.output.contains("no query was completed"), "{}", doubted.output);
    }
    assert!(doubted[0].output.contains("UnknownIssuer"), "{}", doubted[0].output);
}

#[test]
fn clients_show_the_given_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let pair = servers.issue("127.0.0.1");
    let server = secure_and_swift(&pair).with("--client-ca", text(&clients.file())).run();
    let to = |duration: &str| {
        let to = rehearsal().with("--to", &format!("https://{}", server.address));
        to.with("--tls-ca", text(&servers.file())).with("--clients", "2").with("--duration", duration)
    };
    let with = |to: Rehearsal, pair: &Pair| {
        to.with("--tls-cert", text(&pair.certificate)).with("--tls-key", text(&pair.key))
    };
    let known = with(to("3s"), &clients.issue("known")).run();
    assert!(known.status.success(), "{}", known.output);
    assert!(known.number("/switches/0/adopted_after/count") > 0, "{}", known.output);
    for unknown in [to("1s").run(), with(to("1s"), &servers.issue("unknown")).run()] {
        assert_eq!(unknown.status.code(), Some(1), "{}", unknown.output);
        assert!(unknown.output.contains("no query was completed"), "{}", unknown.output);
    }
}

#[test]
fn bad_client_certificates_are_refused() {
    let authority = Authority::new();
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let [certificate, key, other] = [&one.certificate, &one.key, &other.key].map(|path| text(path));
    let trusted = authority.file();
    let secure = ["--to", "https://127.0.0.1:1", "--tls-ca", text(&trusted)];
    for (args, why) in [
        (
            &["--tls-cert", certificate][..],
            format!("--tls-cert: '{certificate}': expected --tls-key with it"),
        ),
        (&["--tls-key", key], format!("--tls-key: '{key}': expected --tls-cert with it")),
        (
            &["--tls-cert", key, "--tls-key", key],
            format!("--tls-cert: '{key}': expected a certificate in PEM"),
        ),
        (
            &["--tls-cert", certificate, "--tls-key", other],
            format!("--tls-key: '{other}': expected the key of the certificate in {certificate}"),
        ),
        (
            &["--tls-cert", "/no/such", "--tls-key", key],
            "--tls-cert: '/no/such': expected a readable file (No such file or directory (os error 2))"
                .to_owned(),
        ),
        (
            &["--to", "http://127.0.0.1:1", "--tls-cert", certificate, "--tls-key", key],
            format!("--tls-cert: '{certificate}': expected --to with https"),
        ),
    ] {
        let secure = if args.contains(&"--to") { &[][..] } else { &secure };
        let (status, said) = secure.iter().chain(args).fold(rehearsal(), |run, arg| run.arg(arg)).refused();
        assert_eq!((status.code(), said.trim_end()), (Some(64), &*format!("teal: {why}")));
    }
}

#[test]
fn a_suspended_cluster_is_woken() {
    let folder = TempDir::new().expect("there is room for files");
    let token = folder.path().join("token");
    fs::write(&token, "a-token").expect("files can be written");
    // Under green, so that the first call under blue is rejected.
    let started = [("--user", "somebody"), ("--token-file", text(&token))].map(|(flag, value)| {
        let server = teal().admin().switch_every("0").with("--initial", "green").run();
        server.operate(&["cluster", "suspend"]).done();
        let rehearsal =
            rehearse(&server).with("--clients", "2").with("--duration", "9s").with(flag, value).start();
        (server, rehearsal)
    });
    for (server, (process, json)) in started {
        let rehearsed = Rehearsed::of(process, &json);
        assert!(rehearsed.status.success(), "{}", rehearsed.output);
        assert!(rehearsed.number("/queries/completed") > 0, "{}", rehearsed.output);
        assert!(rehearsed.number("/longest_query") >= 5_000_000, "it looks every 5 s: {}", rehearsed.output);
        assert!(server.operate(&["cluster", "status"]).done().contains("active"));
    }
}

#[test]
fn suspended_clusters_are_woken_between_queries() {
    let server = teal().switch_every("0").with("--scenario", "suspended-cluster").run();
    let rehearsed = rehearse(&server).with("--clients", "2").with("--duration", "9s").run();
    server.wait_for("Scenario suspended-cluster: done", 1, SOON);
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    assert!(rehearsed.number("/longest_query") >= 5_000_000, "{}", rehearsed.output);
}

#[test]
fn pauses_between_queries_end_with_the_run() {
    let server = teal().switch_every("0").run();
    let rehearsed =
        rehearse(&server).with("--clients", "3").with("--duration", "2s").with("--think", "1h").run();
    assert!(rehearsed.status.success(), "{}", rehearsed.output);
    assert_eq!(rehearsed.number("/queries/completed"), 3, "{}", rehearsed.output);
}
