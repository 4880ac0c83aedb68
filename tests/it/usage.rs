//! Commands that are written wrongly: one line, and exit code 64.

use crate::support::command;

#[test]
fn bad_usage_ends_with_64() {
    for (args, line) in [
        (&["switch", "purple"][..], "TO: 'purple': expected one of blue, green"),
        (&["timer"], "the following required arguments were not provided: (see teal --help)"),
        (&["timer", "stop"], "ACTION: 'stop': expected one of pause, resume"),
        (&["cluster", "stop"], "ACTION: 'stop': expected one of status, suspend, resume"),
        (&["queries", "--limit", "0"], "--limit: '0': expected a whole number above 0"),
        (
            &["calls", "abc"],
            "ID: 'abc': expected a whole number of 0 or more such as 10 (invalid digit found in string)",
        ),
        (
            &["verify", "method=a", "--at-least=-1"],
            "--at-least: '-1': expected a whole number of 0 or more such as 10 (invalid digit found in string)",
        ),
        (
            &["verify", "method=a", "--at-most", "1.5"],
            "--at-most: '1.5': expected a whole number of 0 or more such as 10 (invalid digit found in string)",
        ),
        (
            &["verify", "method=a", "--exactly", "99999999999999999999"],
            "--exactly: '99999999999999999999': expected a whole number of 0 or more such as 10 (number too \
             large to fit in target type)",
        ),
        (
            &["rehearse", "--seed", "random"],
            "--seed: 'random': expected a whole number of 0 or more such as 10 (invalid digit found in string)",
        ),
        (&["completions", "tcsh"], "SHELL: 'tcsh': expected one of bash, elvish, fish, powershell, zsh"),
        (
            &["fault", "remove", "a/b"],
            "ID: 'a/b': expected 1 to 64 letters, digits, dots, dashes or underscores, no dot first",
        ),
        (&["fault", "add", "--first"], "--first: '': expected a value"),
        (&["fault"], "expected a command: teal fault <COMMAND> (see teal --help)"),
        (&["token", "revoke"], "the following required arguments were not provided: (see teal --help)"),
        (
            &["token", "revoke", "one", "--all"],
            "the argument '[TOKEN]' cannot be used with '--all' (see teal --help)",
        ),
        (&["status", "--colour"], "unexpected argument '--colour' found (see teal --help)"),
        (
            &["status", "--admin-token-file", "/no/such"],
            "--admin-token-file (or TEAL_ADMIN_TOKEN_FILE): '/no/such': expected a readable file \
             (No such file or directory (os error 2))",
        ),
    ] {
        let said = command().args(args).run().ended(64);
        assert_eq!((said.out.as_str(), said.err), ("", format!("teal: {line}\n")), "{args:?}");
    }
    for at in ["off", "nowhere", "https://127.0.0.1:50061"] {
        let said = command().args(&["status", "--admin", at]).run().ended(64);
        assert!(
            said.err.starts_with(&format!("teal: --admin (or TEAL_ADMIN): '{at}': expected ")),
            "{}",
            said.err
        );
    }
}
