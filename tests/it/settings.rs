//! Invalid settings are refused in one line, before anything is started.

use std::{fs, net::TcpListener, path::Path, time::Duration};

use crate::support::{Server, teal};

const SOON: Duration = Duration::from_secs(60);

/// A bad value of a flag is refused with 64 and one line that names the flag, the value and `expected`.
fn refuses(flag: &str, value: &str, expected: &[&str]) {
    let (status, said) = teal().with(flag, value).refused();
    assert_eq!(status.code(), Some(64), "{flag} {value}: {said}");
    names(&said, flag, value, expected);
}

fn names(said: &str, name: &str, value: &str, expected: &[&str]) {
    assert_eq!(said.trim_end().lines().count(), 1, "more than one line: {said}");
    for word in [name, value].iter().chain(expected) {
        assert!(said.contains(word), "{word:?} is not in {said:?}");
    }
}

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, "not a folder").expect("the target folder is writable");
    path.to_string_lossy().into_owned()
}

#[test]
fn an_unknown_colour_is_refused() {
    refuses("--initial", "purple", &["blue", "green"]);
}

#[test]
fn a_bad_duration_is_refused() {
    for flag in
        ["--switch-every", "--notice", "--announce-timeout", "--grace", "--drain-timeout", "--query-ttl"]
    {
        for value in ["soon", "2x", "-1s", "1.5.5s"] {
            let (status, said) = teal().arg(&format!("{flag}={value}")).refused();
            assert_eq!(status.code(), Some(64), "{flag} {value}: {said}");
            names(&said, flag, value, &[]);
            assert!(said.contains("120s") || said.contains("duration"), "{said}");
        }
    }
}

#[test]
fn a_word_that_is_no_choice_is_refused() {
    refuses("--cutover", "abrupt", &["drain", "strict"]);
    refuses("--mismatch", "neither", &["both", "http", "grpc"]);
    refuses("--gate", "ajar", &["on", "off"]);
    refuses("--unknown-tables", "guess", &["error", "generate"]);
    refuses("--sessions", "some", &["known", "any"]);
    refuses("--log-format", "xml", &["text", "json"]);
    refuses("--log-level", "loud", &["info"]);
}

#[test]
fn a_bad_number_or_size_is_refused() {
    refuses("--max-queries", "many", &[]);
    refuses("--batch-rows", "0", &[]);
    refuses("--threads", "none", &[]);
    refuses("--memory-limit", "1 elephant", &["GiB"]);
}

#[test]
fn a_bad_address_is_refused() {
    let (status, said) = teal().listen("nowhere").refused();
    assert_eq!(status.code(), Some(64), "{said}");
    names(&said, "--listen", "nowhere", &[]);
    refuses("--admin", "nowhere", &["off"]);
}

#[test]
fn an_unreadable_folder_is_refused() {
    refuses("--data", "/no/such/folder", &[]);
    refuses("--data", &file("no-folder"), &[]);
}

#[test]
fn a_switch_without_a_gate_is_refused() {
    for (flag, value) in [
        ("--switch-every", "5s"),
        ("--initial", "green"),
        ("--cutover", "strict"),
        ("--preview-listen", "127.0.0.1:0"),
    ] {
        let (status, said) = teal().with("--gate", "off").with(flag, value).refused();
        assert_eq!(status.code(), Some(64), "{said}");
        names(&said, flag, "--gate", &[]);
    }
}

#[test]
fn incompatible_engines_are_refused_before_binding() {
    // A port in use would end it with 1.
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let taken = other.local_addr().expect("it is bound").to_string();
    let (certificate, key) = (file("no-certificate"), file("no-key"));
    let (blue, green) = (["--blue", "http://b:80"], ["--green", "http://g:80"]);
    let upstream = ["--upstream", "http://e:80"];
    let secure = ["--upstream", "https://e"];
    for (args, blamed, value, expected) in [
        (&[&upstream[..], &blue, &green].concat()[..], "--upstream", "http://e:80", "--blue and --green"),
        (&[&upstream[..], &blue].concat(), "--upstream", "http://e:80", "--blue and --green"),
        (&blue, "--blue", "http://b:80", "--green"),
        (&green, "--green", "http://g:80", "--blue"),
        (&["--upstream", "engine"], "--upstream", "engine", "host:port"),
        (&["--upstream", "e"], "--upstream", "'e'", "http://"),
        (&["--upstream", "ftp://e"], "--upstream", "ftp://e", "http://"),
        (&["--upstream", "http://e:99999"], "--upstream", "http://e:99999", "http://"),
        (&["--upstream", "http://e/path"], "--upstream", "http://e/path", "http://"),
        (&[&blue[..], &["--green", "g"]].concat(), "--green", "'g'", "http://"),
        (&[&upstream[..], &["--data", "."]].concat(), "--data", "'.'", "built-in"),
        (&[&upstream[..], &["--sessions", "any"]].concat(), "--sessions", "any", "built-in"),
        (&[&upstream[..], &["--memory-limit", "1GiB"]].concat(), "--memory-limit", "1GiB", "built-in"),
        (
            &[&upstream[..], &["--upstream-ca", &certificate]].concat(),
            "--upstream-ca",
            &certificate,
            "https://",
        ),
        (&[&secure[..], &["--upstream-ca", &certificate]].concat(), "--upstream-ca", &certificate, "PEM"),
        (
            &[&secure[..], &["--upstream-cert", &certificate]].concat(),
            "--upstream-cert",
            &certificate,
            "--upstream-key",
        ),
        (&["--tls-cert", &certificate], "--tls-cert", &certificate, "--tls-key"),
        (&["--tls-cert", &certificate, "--tls-key", &key], "--tls-cert", &certificate, "PEM"),
        (&["--tls-cert", &certificate, "--tls-key", "/no/such"], "--tls-", "no", "expected"),
        (&["--client-ca", &certificate], "--client-ca", &certificate, "--tls-cert"),
        (&["--preview-listen", &taken], "--preview-listen", &taken, "--blue and --green"),
        (&[&upstream[..], &["--preview-listen", &taken]].concat(), "--preview-listen", &taken, "two engines"),
        (
            &[&blue[..], &["--green", "http://b:80", "--preview-listen", &taken]].concat(),
            "--preview-listen",
            &taken,
            "two engines",
        ),
        (&["--preview-listen", "nowhere"], "--preview-listen", "'nowhere'", "address and port"),
        (&["--shutdown-delay", "soon"], "--shutdown-delay", "'soon'", "duration"),
        (&[&upstream[..], &["--connect-timeout", "0"]].concat(), "--connect-timeout", "'0'", "duration"),
    ] {
        let server = args.iter().fold(teal().listen(&taken), |server, arg| server.arg(arg));
        let (status, said) = server.refused();
        assert_eq!(status.code(), Some(64), "{args:?}: {said}");
        names(&said, blamed, value, &[expected]);
    }
}

#[test]
fn an_unknown_flag_is_refused() {
    let (status, said) = teal().arg("--no-such-flag").refused();
    assert_eq!(status.code(), Some(64), "{said}");
    assert!(said.contains("--no-such-flag"), "{said}");
    let (status, said) = teal().arg("no-such-command").refused();
    assert_eq!(status.code(), Some(64), "{said}");
}

#[test]
fn the_environment_is_refused_by_the_same_rules() {
    let (status, said) = teal().env("TEAL_INITIAL", "purple").refused();
    assert_eq!(status.code(), Some(64), "{said}");
    names(&said, "purple", "blue", &["green"]);
    let server = teal().env("TEAL_INITIAL", "green").run();
    server.wait_for("Initial strategy: green", 1, std::time::Duration::from_secs(5));
}

#[test]
fn a_flag_wins_over_the_environment() {
    let server = teal().env("TEAL_INITIAL", "purple").with("--initial", "green").run();
    server.wait_for("Initial strategy: green", 1, SOON);
}

#[test]
fn a_port_in_use_is_refused() {
    let other = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    in_use(&other.local_addr().expect("it is bound").to_string());
    let Server { address, .. } = &teal().run();
    in_use(&address.to_string());
}

fn in_use(address: &str) {
    let (status, said) = teal().listen(address).refused();
    assert_eq!(status.code(), Some(1), "{said}");
    names(&said, "--listen", address, &[]);
    assert!(!said.contains("Server started"), "{said}");
}

#[test]
fn serve_is_the_same_as_nothing() {
    let server = teal().arg("serve").with("--switch-every", "0").run();
    assert!(server.address.port() != 0);
}
