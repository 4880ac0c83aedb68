// The rest is used by the tests of TLS.
#[allow(dead_code)]
#[path = "../../tests/it/support/certificates.rs"]
mod certificates;

use std::{fs, path::PathBuf, time::Duration};

use self::certificates::Authority;
use super::*;
use crate::config::{Backend, Config};

fn parse(args: &[&str]) -> Result<Serve, String> {
    let args = ["teal"].iter().chain(args).map(OsString::from);
    match super::parse(args) {
        Ok(Command::Serve(serve)) => Ok(*serve),
        Ok(Command::Check(check)) => Ok(check.serve),
        Ok(Command::Operate(operate)) => Err(format!("{operate:?}")),
        Ok(Command::Scenario(command)) => Err(command.text().unwrap_or_else(|why| why)),
        Ok(Command::Rehearse(rehearse)) => Err(format!("{rehearse:?}")),
        Err(Stop::Print(text) | Stop::Refuse(text)) => Err(text),
    }
}

/// The error for these settings.
fn refusal(args: &[&str]) -> String {
    parse(args).and_then(Config::read).unwrap_err()
}

#[test]
fn serve_is_what_teal_does() {
    let (plain, serve) = (parse(&["--notice", "3s"]).unwrap(), parse(&["serve", "--notice", "3s"]).unwrap());
    assert_eq!((plain.switching.rules.notice, plain.given), (serve.switching.rules.notice, serve.given));
    assert_eq!(parse(&["serve"]).unwrap().given, Vec::<&str>::new());
}

#[test]
fn bad_values_are_explained_in_one_line() {
    for (args, line) in [
        (&["--initial", "purple"][..], "--initial (or TEAL_INITIAL): 'purple': expected one of blue, green"),
        (&["--cutover", "soft"], "--cutover (or TEAL_CUTOVER): 'soft': expected one of drain, strict"),
        (
            &["--max-queries", "0"],
            "--max-queries (or TEAL_MAX_QUERIES): '0': expected a whole number above 0",
        ),
        (&["serve", "--threads", "x"], "--threads (or TEAL_THREADS): 'x': expected a whole number above 0"),
        (
            &["--otlp-endpoint", "https://c:4317"],
            "--otlp-endpoint (or TEAL_OTLP_ENDPOINT): 'https://c:4317': expected the URL of a collector such \
             as http://127.0.0.1:4317",
        ),
        (
            &["--query-ttl", "0"],
            "--query-ttl (or TEAL_QUERY_TTL): '0': expected a duration above 0 such as 1h",
        ),
    ] {
        assert_eq!(refusal(args), line);
    }
    for (args, start) in [
        (
            &["--grace", "soon"][..],
            "--grace (or TEAL_GRACE): 'soon': expected a duration such as 120s, 2m or 1h (",
        ),
        (
            &["--notice", "1000y"],
            "--notice (or TEAL_NOTICE): '1000y': expected a duration such as 120s, 2m or 1h (",
        ),
        (
            &["--listen", "nowhere"],
            "--listen (or TEAL_LISTEN): 'nowhere': expected an address and port such as ",
        ),
        (
            &["--descriptor-set", "/no/such"],
            "--descriptor-set (or TEAL_DESCRIPTOR_SET): '/no/such': expected a readable file (",
        ),
        (&["--nonsense"], "unexpected argument '--nonsense' found"),
        (&["dance"], "unrecognized subcommand 'dance'"),
        (&["--grace"], "--grace (or TEAL_GRACE): '': expected a value"),
    ] {
        let refusal = refusal(args);
        assert!(refusal.starts_with(start) && !refusal.contains('\n'), "{refusal}");
    }
}

#[test]
fn gate_settings_need_a_gate() {
    assert!(
        Config::try_from(parse(&["--gate", "off", "--upstream", "http://e:80"]).unwrap())
            .unwrap()
            .gate
            .is_none()
    );
    assert_eq!(
        refusal(&["--gate", "off", "--notice", "1s"]),
        "--gate (or TEAL_GATE): 'off': expected on, because --notice (or TEAL_NOTICE) is set"
    );
}

#[test]
fn durations_of_0_are_never() {
    let args = [
        "--upstream",
        "http://e",
        "--switch-every",
        "0",
        "--announce-timeout",
        "0s",
        "--drain-timeout",
        "0",
        "--notice",
        "0s",
    ];
    let rules = Config::try_from(parse(&args).unwrap()).unwrap().gate.unwrap().rules;
    assert_eq!((rules.switch_every, rules.announce_timeout, rules.drain_timeout), (None, None, None));
    assert_eq!(rules.notice, Duration::ZERO);
}

#[test]
fn unusable_certificates_and_keys_are_refused() {
    let authority = Authority::new();
    let name = |path: PathBuf| path.display().to_string();
    let file = |name: &str, text: &str| {
        fs::write(authority.path(name), text).unwrap();
        authority.path(name).display().to_string()
    };
    let (one, other) = (authority.issue("one"), authority.issue("other"));
    let (cert, key, other_key) = (name(one.certificate), name(one.key), name(other.key));
    let (cert, key, other_key) = (cert.as_str(), key.as_str(), other_key.as_str());
    let torn = &file("torn", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let empty = &file("empty", "");
    let not_x509 = &file("not-x509", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let no_key = &file("no-key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let locked =
        &file("locked", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
    let engine = ["--upstream", "https://e"];
    for (args, flag, value, expected) in [
        (&["--tls-cert", cert][..], "tls-cert", cert, "expected --tls-key with it"),
        (&["--tls-key", key], "tls-key", key, "expected --tls-cert with it"),
        (&["--client-ca", cert], "client-ca", cert, "expected --tls-cert with it"),
        (&["--tls-cert", "/no/such", "--tls-key", key], "tls-cert", "/no/such", "expected a readable file ("),
        (&["--tls-cert", torn, "--tls-key", key], "tls-cert", torn, "expected PEM ("),
        (&["--tls-cert", key, "--tls-key", key], "tls-cert", key, "expected a certificate in PEM"),
        (&["--tls-cert", not_x509, "--tls-key", key], "tls-cert", not_x509, "expected a certificate ("),
        (&["--tls-cert", cert, "--tls-key", "/no/such"], "tls-key", "/no/such", "expected a readable file ("),
        (
            &["--tls-cert", cert, "--tls-key", no_key],
            "tls-key",
            no_key,
            "expected an RSA, ECDSA or Ed25519 key",
        ),
        (
            &["--tls-cert", cert, "--tls-key", locked],
            "tls-key",
            locked,
            "expected a private key in PEM without a passphrase",
        ),
        (
            &["--tls-cert", cert, "--tls-key", other_key],
            "tls-key",
            other_key,
            &format!("expected the key of the certificate in {cert}"),
        ),
        (
            &["--tls-cert", cert, "--tls-key", key, "--client-ca", empty],
            "client-ca",
            empty,
            "expected a certificate in PEM",
        ),
        (
            &["--tls-cert", cert, "--tls-key", key, "--client-ca", not_x509],
            "client-ca",
            not_x509,
            "expected a certificate (",
        ),
        (&["--upstream-ca", cert], "upstream-ca", cert, "expected an engine with an https:// URL"),
        (
            &["--upstream", "http://e", "--upstream-name", "e.example"],
            "upstream-name",
            "e.example",
            "expected an engine with an https:// URL",
        ),
        (
            &[&engine[..], &["--upstream-key", key]].concat(),
            "upstream-key",
            key,
            "expected --upstream-cert with it",
        ),
        (
            &[&engine[..], &["--upstream-ca", "/no/such"]].concat(),
            "upstream-ca",
            "/no/such",
            "expected a readable file (",
        ),
        (
            &[&engine[..], &["--upstream-ca", cert, "--upstream-cert", cert, "--upstream-key", other_key]]
                .concat(),
            "upstream-key",
            other_key,
            "expected the key of the certificate in ",
        ),
        (
            &[&engine[..], &["--upstream-name", "a b"]].concat(),
            "upstream-name",
            "a b",
            "expected the name of a host such as engine.example",
        ),
    ] {
        let refusal = refusal(args);
        let start = format!("--{flag} (or {}): '{value}': {expected}", environment(flag));
        assert!(refusal.starts_with(&start) && !refusal.contains('\n'), "{refusal}\n{start}");
    }
}

#[test]
fn tls_is_read_on_both_sides() {
    let authority = Authority::new();
    let ca = authority.file().display().to_string();
    let pair = authority.issue("one");
    let (cert, key) = (pair.certificate.display().to_string(), pair.key.display().to_string());
    let listener = ["--tls-cert", &cert, "--tls-key", &key, "--client-ca", &ca];
    let engines = ["--blue", "https://b", "--green", "http://g", "--upstream-ca", &ca];
    let shown = ["--upstream-cert", &cert, "--upstream-key", &key, "--upstream-name", "one"];
    let config = Config::try_from(parse(&[&listener[..], &engines, &shown].concat()).unwrap()).unwrap();
    assert!(config.tls.unwrap().asks_for_certificates());
    let targets = match config.backend {
        Backend::Upstream(targets) => targets,
        #[cfg(feature = "mock")]
        Backend::Mock(_) => panic!("there are engines"),
        Backend::Replay(_) => panic!("there are engines"),
    };
    assert!(targets.trust.is_some() && targets.blue.is_tls() && !targets.green.is_tls());
}

#[test]
fn engines_are_named_in_one_way() {
    for (args, line) in [
        (
            &["--upstream", "http://e", "--blue", "http://b", "--green", "http://g"][..],
            "--upstream (or TEAL_UPSTREAM): 'http://e': expected either this or --blue and --green",
        ),
        (&["--blue", "http://b"], "--blue (or TEAL_BLUE): 'http://b': expected --green with it"),
        (&["--green", "http://g"], "--green (or TEAL_GREEN): 'http://g': expected --blue with it"),
        (
            &["--upstream", "engine"],
            "--upstream (or TEAL_UPSTREAM): 'engine': expected host:port, or a URL such as http://127.0.0.1:50071 or https://engine.example",
        ),
        (
            &["--upstream", "http://e", "--batch-rows", "5"],
            "--batch-rows (or TEAL_BATCH_ROWS): '5': expected the built-in engine: remove this, or --upstream, --blue and --green",
        ),
    ] {
        assert_eq!(refusal(args), line);
    }
}

#[test]
fn addresses_are_urls_or_host_and_port() {
    for upstream in ["e:80", "http://e:80", " http://e "] {
        let config = Config::read(parse(&["--upstream", upstream]).unwrap()).unwrap();
        let Backend::Upstream(engines) = config.backend else { panic!("{upstream}") };
        assert!(["http://e", "http://e:80"].contains(&&*engines.blue.to_string()), "{}", engines.blue);
    }
    for admin in ["127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:1/"] {
        let config = Config::read(parse(&["--admin", admin]).unwrap()).unwrap();
        assert_eq!(config.admin.unwrap().at.0, ["127.0.0.1:1".parse().unwrap()]);
    }
}

/// The commands without subcommands, each with the words that call it.
fn leaves(command: &clap::Command, words: &str, found: &mut Vec<(String, clap::Command)>) {
    if !command.has_subcommands() {
        found.push((words.to_owned(), command.clone()));
    }
    for below in command.get_subcommands() {
        leaves(below, &format!("{words} {}", below.get_name()), found);
    }
}

#[test]
fn every_command_has_an_example_that_works() {
    let mut commands = Vec::new();
    leaves(&command(), "teal", &mut commands);
    assert!(commands.len() > 15, "{commands:?}");
    for (words, command) in commands {
        let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = help.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert!(!examples.is_empty(), "{words} has none");
        for example in examples {
            assert!(example.starts_with(&words), "{example}");
            // The file of an example need not exist.
            let args = example.replace('\'', "").replace(" --config teal.toml", "");
            let parsed = super::parse(args.split(' ').map(OsString::from));
            assert!(parsed.is_ok(), "{example}: {parsed:?}");
        }
    }
}

#[test]
fn serve_help_shows_all_flags_help_ten() {
    let (short, long) = (parse(&["--help"]).unwrap_err(), parse(&["serve", "--help"]).unwrap_err());
    let flags = |help: &str| help.lines().filter(|line| line.trim_start().starts_with("--")).count();
    assert_eq!(flags(&short), 10, "{short}");
    for arg in Cli::command().get_arguments().filter_map(clap::Arg::get_long) {
        let shown = [format!("--{arg} <"), format!("--{arg} [<")];
        assert!(shown.iter().any(|shown| long.contains(shown)), "{arg}");
    }
    for command in Cli::command().get_subcommands() {
        assert!(short.contains(&format!("\n  {:<12} ", command.get_name())), "{}", command.get_name());
    }
    let headings = ["Listening", "Engines", "Switching", "Faults", "Operating", "Logging"];
    assert!(headings.iter().all(|heading| long.contains(&format!("\n{heading}:\n"))), "{long}");
    // Flags without a heading apply to all commands.
    let serve = Cli::command().find_subcommand("serve").cloned().unwrap();
    let without = serve.get_arguments().filter(|arg| arg.get_help_heading().is_none());
    assert_eq!(without.filter_map(clap::Arg::get_long).collect::<Vec<_>>(), ["config"]);
}

#[test]
fn a_typo_gets_a_suggestion() {
    for (args, line) in [
        (&["stauts"][..], "unrecognized subcommand 'stauts': did you mean 'status'? (see teal --help)"),
        (
            &["--swich-every", "5s"],
            "unexpected argument '--swich-every' found: did you mean '--switch-every'? (see teal --help)",
        ),
        (
            &["serve", "--grase", "5s"],
            "unexpected argument '--grase' found: did you mean '--grace'? (see teal --help)",
        ),
        (
            &["switch", "--wiat"],
            "unexpected argument '--wiat' found: did you mean '--wait'? (see teal --help)",
        ),
    ] {
        assert_eq!(refusal(args), line);
    }
}
