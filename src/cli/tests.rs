use std::time::Duration;

use super::*;
use crate::config::Config;

fn parse(args: &[&str]) -> Result<Serve, String> {
    let args = ["teal"].iter().chain(args).map(OsString::from);
    match super::parse(args) {
        Ok(Command::Serve(serve)) => Ok(serve),
        Ok(Command::Operate(operate)) => Err(format!("{operate:?}")),
        Err(Stop::Print(text) | Stop::Refuse(text)) => Err(text),
    }
}

/// Why the settings are refused.
fn refusal(args: &[&str]) -> String {
    parse(args).and_then(|serve| Config::try_from(serve).map_err(|bad| bad.to_string())).unwrap_err()
}

#[test]
fn serve_is_what_teal_does() {
    let (plain, serve) = (parse(&["--notice", "3s"]).unwrap(), parse(&["serve", "--notice", "3s"]).unwrap());
    assert_eq!((plain.notice, plain.given), (serve.notice, serve.given));
    assert_eq!(parse(&["serve"]).unwrap().given, Vec::<&str>::new());
}

#[test]
fn a_bad_value_is_refused_in_one_line_with_flag_value_and_expectation() {
    for (args, line) in [
        (&["--initial", "purple"][..], "--initial (or TEAL_INITIAL): 'purple': expected one of blue, green"),
        (&["--cutover", "soft"], "--cutover (or TEAL_CUTOVER): 'soft': expected one of drain, strict"),
        (
            &["--max-queries", "0"],
            "--max-queries (or TEAL_MAX_QUERIES): '0': expected a whole number above 0",
        ),
        (&["serve", "--threads", "x"], "--threads (or TEAL_THREADS): 'x': expected a whole number above 0"),
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
fn without_a_gate_there_is_nothing_to_set_of_it() {
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
