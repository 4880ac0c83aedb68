//! Lists calls, follows them, and verifies how many there are.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
    time::Duration,
};

use admin::{Calls, Seen, Verified, client::ClientError, paths};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use proxy::telemetry::history::Call;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::sleep;

use super::{
    Failure,
    api::Api,
    print,
    text::{self, Paint},
};
use crate::cli::{CallConditions, Running};

/// From the end of one stream of `--follow` to the next one.
const AGAIN: Duration = Duration::from_millis(250);
/// All that may have a meaning of its own in a query.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The most calls that are asked for at once.
const MOST: usize = 10_000;

/// Which calls to list.
#[derive(Debug)]
pub(super) struct Which {
    pub(super) filter: Option<CallConditions>,
    pub(super) since: Option<String>,
    pub(super) limit: usize,
}

/// The number of calls that is expected.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number {
    pub(super) at_least: Option<u64>,
    pub(super) at_most: Option<u64>,
    pub(super) exactly: Option<u64>,
}

/// How many calls a stream could not send.
#[derive(Debug, Deserialize)]
struct Lost {
    lost: u64,
}

impl Which {
    fn path(&self, path: &str, limit: usize) -> String {
        let mut path = format!("{path}?limit={limit}");
        let conditions = self.filter.iter().flat_map(|CallConditions(conditions)| conditions);
        let since = self.since.iter().map(|since| ("since", since));
        for (key, value) in conditions.map(|(key, value)| (&**key, value)).chain(since) {
            _ = write!(path, "&{key}={}", utf8_percent_encode(value, ENCODED));
        }
        path
    }
}

/// Prints calls: a table on a terminal, elsewhere a line of JSON for each.
pub(super) async fn list(api: &Api, which: &Which, follow: bool, json: bool) -> Result<(), Failure> {
    let is_table = io::stdout().is_terminal() && !json;
    let reply = api.get(&which.path(paths::CALLS, which.limit.min(MOST))).await?;
    if json && !follow {
        return print(&reply.json);
    }
    let listed: Calls = reply.read()?;
    show(&listed.calls, is_table, true)?;
    if follow { self::follow(api, which, listed.last, is_table).await } else { Ok(()) }
}

/// Prints calls as they end. A stream that is cut is opened again where it ended, at another instance if need be; fails
/// if nobody answers.
async fn follow(api: &Api, which: &Which, last: u64, is_table: bool) -> Result<(), Failure> {
    // A stream has no limit.
    let path = which.path(paths::CALL_STREAM, MOST);
    let mut last = last.to_string();
    loop {
        let mut stream = api.stream(&path, &last).await?;
        loop {
            let sent = match stream.next().await {
                Ok(Some(sent)) => sent,
                Ok(None) | Err(ClientError::Unanswered(..)) => break,
                Err(error) => return Err(error.into()),
            };
            if sent.kind == "call" {
                show(&[sent.data.read()?], is_table, false)?;
            } else if sent.kind == "lost" {
                let Lost { lost } = sent.data.read()?;
                _ = writeln!(
                    io::stderr(),
                    "teal: {lost} calls have left the history unread, some were not shown"
                );
            }
        }
        last = stream.last().map_or(last, str::to_owned);
        sleep(AGAIN).await;
    }
}

/// Prints one call: with its messages for a terminal, as JSON elsewhere.
pub(super) async fn show_one(api: &Api, id: u64, json: bool) -> Result<(), Failure> {
    let reply = api.get(&paths::CALL.replace("{id}", &id.to_string())).await?;
    if json || !io::stdout().is_terminal() {
        return print(&reply.json);
    }
    print(&text::one_call(&reply.read()?, Paint::stdout()))
}

fn show(calls: &[Call], is_table: bool, has_head: bool) -> Result<(), Failure> {
    let told = match is_table {
        true => text::calls(calls, has_head, Paint::stdout()),
        false => {
            calls.iter().filter_map(|call| serde_json::to_string(call).ok()).map(|line| line + "\n").collect()
        }
    };
    if told.is_empty() { Ok(()) } else { print(&told) }
}

/// Verifies a statement; what was seen instead is printed.
pub(super) async fn verify(
    server: &Running,
    CallConditions(conditions): CallConditions,
    number: Number,
    within: Duration,
    since: Option<String>,
) -> Result<(), Failure> {
    let mut body: Value = conditions.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
    let numbers = [("at_least", number.at_least), ("at_most", number.at_most), ("exactly", number.exactly)];
    for (key, number) in numbers {
        if let Some(number) = number {
            body[key] = number.into();
        }
    }
    if !within.is_zero() {
        body["within"] = humantime::format_duration(within).to_string().into();
    }
    if let Some(since) = since {
        body["since"] = since.into();
    }
    // The response has what was seen instead.
    let api = Api::new(&Running {
        admin: server.admin.clone(),
        admin_token_file: server.admin_token_file.clone(),
        json: true,
    })?;
    match api.post_within(paths::VERIFY_CALLS, body, within).await {
        Ok(reply) if server.json => print(&reply.json),
        Ok(reply) => {
            let Verified { seen } = reply.read()?;
            print(&format!("it is so: {} of {} calls\n", seen.matched, seen.calls))
        }
        Err(Failure::Refused { why, json: Some(json) }) if !server.json => {
            let answer: Value = serde_json::from_str(&json).unwrap_or_default();
            if let Ok(seen) = serde_json::from_value::<Seen>(answer["seen"].clone()) {
                print(&text::seen(&seen, Paint::stdout()))?;
            }
            Err(Failure::refused(why))
        }
        Err(failure) => Err(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_encoded_in_the_path() {
        let filter = vec![("method".to_owned(), "a*&b=ü".to_owned())];
        let which =
            Which { filter: Some(CallConditions(filter)), since: Some("call:1".to_owned()), limit: 5 };
        assert_eq!(
            which.path(paths::CALLS, 5),
            "/api/v1/calls?limit=5&method=a%2A%26b%3D%C3%BC&since=call%3A1"
        );
    }
}
