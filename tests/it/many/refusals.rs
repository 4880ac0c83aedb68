//! A switch that cannot be shared is refused in one line, and nothing is written to etcd.

use std::path::PathBuf;

use super::{Etcd, engines, instance};
use crate::support::{Authority, Builder, Pair, Place, command, engine, teal};

/// It ends with this code and one line that contains all of `words`.
fn refuses(server: Builder, code: i32, words: &[&str]) {
    let (status, said) = server.refused();
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("teal: ")).collect();
    assert_eq!((status.code(), errors.len()), (Some(code), 1), "{said}");
    assert!(!said.contains("Server started"), "{said}");
    for word in words {
        assert!(errors[0].contains(word), "{word:?} is not in {said}");
    }
}

#[test]
fn bad_settings_of_instances_are_refused() {
    let etcd = ["--etcd", "http://127.0.0.1:2379"];
    let upstream = ["--upstream", "http://e:80"];
    let two = [&etcd[..], &upstream].concat();
    let missing = "/no/such/file";
    for (args, words) in [
        (&etcd[..], &["--etcd", "http://127.0.0.1:2379", "--upstream", "built-in"][..]),
        (&[&etcd[..], &["--gate", "off"]].concat(), &["--gate", "off", "--etcd"]),
        (&[&two[..], &["--scenario", "graceful"]].concat(), &["--scenario", "graceful", "no --etcd"]),
        (&[&two[..], &["--state", "/tmp/state"]].concat(), &["--state", "/tmp/state", "no --etcd"]),
        (&[&upstream[..], &["--etcd-prefix", "a/"]].concat(), &["--etcd-prefix", "'a/'", "--etcd with it"]),
        (&[&upstream[..], &["--etcd-ca", missing]].concat(), &["--etcd-ca", missing, "--etcd with it"]),
        (&[&upstream[..], &["--etcd-user", "u"]].concat(), &["--etcd-user", "'u'", "--etcd with it"]),
        (&[&upstream[..], &["--instance", "web"]].concat(), &["--instance", "'web'", "--etcd with it"]),
        (&[&upstream[..], &["--instance-ttl", "9s"]].concat(), &["--instance-ttl", "'9s'", "--etcd with it"]),
        (&["--etcd", "127.0.0.1:2379"], &["--etcd", "--upstream"]),
        (
            &[&upstream[..], &["--etcd", "127.0.0.1:1"]].concat(),
            &["--etcd", "'127.0.0.1:1'", "http://host:port"],
        ),
        (&[&upstream[..], &["--etcd", "http://a:1,"]].concat(), &["--etcd", "''", "http://host:port"]),
        (&[&two[..], &["--etcd-prefix", ""]].concat(), &["--etcd-prefix", "''", "prefix of 1 to 256 bytes"]),
        (&[&two[..], &["--instance", " "]].concat(), &["--instance", "name of 1 to 100 bytes"]),
        (&[&two[..], &["--instance-ttl", "2s"]].concat(), &["--instance-ttl", "'2s'", "at least 3s"]),
        (&[&two[..], &["--etcd-ca", missing]].concat(), &["--etcd-ca", missing, "https"]),
        (&[&two[..], &["--etcd-user", "u"]].concat(), &["--etcd-user", "'u'", "--etcd-password-file"]),
        (
            &[&two[..], &["--etcd-password-file", "p"]].concat(),
            &["--etcd-password-file", "'p'", "--etcd-user"],
        ),
        (
            &[&two[..], &["--etcd-user", "u", "--etcd-password-file", missing]].concat(),
            &["--etcd-password-file", missing, "readable"],
        ),
        (
            &[&two[..], &["--etcd-user", "u", "--etcd-password-file", "/dev/null"]].concat(),
            &["--etcd-password-file", "/dev/null", "one line"],
        ),
        (
            &["--upstream", "http://e:80", "--etcd", "https://a:1", "--etcd-ca", missing],
            &["--etcd-ca", missing, "readable"],
        ),
        (
            &["--upstream", "http://e:80", "--etcd", "https://a:1", "--etcd-key", missing],
            &["--etcd-key", missing, "certificate"],
        ),
    ] {
        let said = command().args(&["check"]).args(args).run().ended(64);
        assert_eq!((said.err.lines().count(), said.out.as_str()), (1, ""), "{said:?}");
        for word in words {
            assert!(said.err.contains(word), "{word:?} is not in {said:?}");
        }
    }
}

#[test]
fn an_etcd_that_is_not_one_is_refused() {
    let other = engine().run();
    let engines = engines();
    let server = |at: String| {
        teal().between(engines[0].address, engines[1].address).with("--etcd", &format!("http://{at}"))
    };
    let at = other.address.to_string();
    refuses(server(at.clone()), 1, &["--etcd", "TEAL_ETCD", &at, "expected the client port of an etcd"]);
}

#[test]
fn a_start_waits_ten_seconds_for_etcd() {
    let engines = engines();
    let nobody = Place::new();
    let server = teal()
        .between(engines[0].address, engines[1].address)
        .with("--etcd", &format!("http://{}", nobody.text()));
    let begin = std::time::Instant::now();
    refuses(server, 1, &["--etcd", &nobody.text(), "cannot connect"]);
    assert!(begin.elapsed().as_secs() >= 9, "it ended after {:?}", begin.elapsed());
}

#[test]
fn foreign_keys_and_formats_are_refused_unchanged() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    for (prefix, key, value, words) in [
        ("foreign", "foreign/config", "{}", &["--etcd-prefix", "foreign/config", "another program"][..]),
        ("newer/", "newer/format", "2", &["--etcd-prefix", "newer/format", "found format 2", "newer teal"]),
        ("odd/", "odd/state", "nothing", &["--etcd-prefix", "odd/state"]),
    ] {
        etcd.put(key, value);
        let before = etcd.keys("");
        refuses(instance("web-1", &etcd, &engines).with("--etcd-prefix", prefix), 1, words);
        assert_eq!(etcd.keys(""), before, "{prefix}");
    }
}

#[test]
fn missing_rights_are_refused_and_nothing_written() {
    let Some(etcd) = Etcd::start(1) else { return };
    let engines = engines();
    let (_, before) = etcd.keys("");
    etcd.enable_auth();
    let (password, wrong) = (etcd.file("password", "secret\n"), etcd.file("wrong", "guess"));
    let server = |prefix: &str| instance("web-1", &etcd, &engines).with("--etcd-prefix", prefix);
    let user = |server: Builder, name: &str, file: &str| {
        server.with("--etcd-user", name).with("--etcd-password-file", file)
    };
    refuses(server("teal/"), 1, &["--etcd-user", "asks for a user and a password"]);
    refuses(user(server("teal/"), "teal", &wrong), 1, &["--etcd-user", "\"teal\" with this password"]);
    refuses(user(server("other/"), "teal", &password), 1, &["the right to", "user \"teal\""]);
    refuses(user(server("teal/"), "reader", &password), 1, &["the right to change", "user \"reader\""]);
    let live = user(server("teal/"), "teal", &password).run();
    // All that was written since is the live one's: nothing is left of the others.
    let state = super::view(&live);
    assert_eq!(state, ("STABLE".to_owned(), "blue".to_owned(), 1), "after revision {before}");
}

#[test]
fn members_of_two_clusters_are_refused() {
    let (Some(one), Some(other)) = (Etcd::start(1), Etcd::start(1)) else { return };
    let engines = engines();
    let server = teal()
        .between(engines[0].address, engines[1].address)
        .with("--etcd", &format!("{},{}", one.urls(), other.urls()));
    refuses(server, 1, &["--etcd", "the same etcd cluster"]);
    assert_eq!((one.keys("").0.len(), other.keys("").0.len()), (0, 0));
}

#[test]
fn tls_to_etcd_needs_a_trusted_authority() {
    let authority = Authority::new();
    let Some(etcd) = Etcd::secure(&authority) else { return };
    let engines = engines();
    let text = |path: PathBuf| path.into_os_string().into_string().expect("temporary files have plain names");
    let Pair { certificate, key } = authority.issue("web-1");
    let (certificate, key) = (text(certificate), text(key));
    let server = |authority: &Authority| {
        instance("web-1", &etcd, &engines)
            .with("--etcd-ca", &text(authority.file()))
            .with("--etcd-cert", &certificate)
            .with("--etcd-key", &key)
    };
    let expected = "expected a TLS connection that both sides accept";
    refuses(server(&Authority::new()), 1, &["--etcd", expected, "UnknownIssuer"]);
    assert!(etcd.keys("").0.is_empty());
    let live = server(&authority).run();
    assert!(super::is_ready(&live));
}
