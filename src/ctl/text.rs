//! Text output: aligned, coloured on a terminal.

mod calls;
mod messages;

use std::{
    env,
    io::{self, IsTerminal as _},
    time::Duration,
};

use admin::{Agreed, EtcdState, FaultList, Instance, Queries, State};
use protocol::Strategy;
use proxy::{
    telemetry::Each,
    upstream::{AddressStatus, EngineStatus},
};
use serde_json::Value;
use switch::PhaseName;

pub(super) use self::{
    calls::{calls, seen},
    messages::one_call,
};

/// The gap between columns.
const GAP: &str = "  ";
/// The fields of clients that are shown, if present.
const CLIENT: [&str; 8] = ["user_agent", "user", "session", "token", "peer", "strategy", "verdict", "reason"];

/// Colours, if they are enabled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Paint {
    is_on: bool,
}

impl Paint {
    /// Enables colours if standard output is a terminal, unless `NO_COLOR` is set.
    pub(super) fn stdout() -> Self {
        let is_unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { is_on: io::stdout().is_terminal() && !is_unwanted }
    }

    /// Disables colours.
    #[cfg(test)]
    fn off() -> Self {
        Self { is_on: false }
    }

    fn with(self, code: &str, text: &str) -> String {
        if self.is_on { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Formats a strategy in its colour.
    pub(super) fn strategy(self, strategy: Strategy) -> String {
        match strategy {
            Strategy::Blue => self.with("34", "blue"),
            Strategy::Green => self.with("32", "green"),
        }
    }

    pub(super) fn head(self, text: &str) -> String {
        self.with("1", text)
    }

    fn bad(self, text: &str) -> String {
        self.with("31", text)
    }
}

/// Formats the state of the switch.
pub(super) fn state(state: &State, paint: Paint) -> String {
    let name = |strategy| paint.strategy(strategy);
    let phase = paint.head(state.phase.as_str());
    let mut rows = vec![
        ("phase", format!("{phase} for {} (epoch {})", seconds(state.phase_seconds), state.epoch)),
        ("active", name(state.active)),
    ];
    if let Some(pending) = state.pending {
        rows.push((
            "pending",
            format!("{}, {}", name(pending), due("cutover", state.deadlines.cutover_seconds)),
        ));
    }
    if let Some(old) = state.old {
        let due = due("drained", state.deadlines.drain_seconds);
        rows.push(("old", format!("{}, {due}", name(old))));
    }
    let each = |each: Each| {
        Strategy::ALL.map(|strategy| format!("{} {}", name(strategy), each.of(strategy))).join(", ")
    };
    rows.push(("queries", each(state.queries)));
    rows.push(("requests", each(state.requests)));
    if state.abandoned > 0 {
        rows.push(("abandoned", format!("{}, by drains that timed out", queries_in_words(state.abandoned))));
    }
    rows.extend(agreed(state).map(|agreed| ("agreed", agreed)));
    for instance in state.instances.iter().flatten() {
        rows.push(("instance", self::instance(instance, paint)));
    }
    if let Some(etcd) = &state.etcd {
        rows.push(("etcd", self::etcd(etcd, paint)));
    }
    rows.push(("cutover", state.cutover.clone()));
    rows.push(("timer", timer(state)));
    for engine in &state.engines {
        rows.push(("engine", self::engine(engine, paint)));
        // A single address is not listed.
        let addresses = if engine.addresses.len() > 1 { &engine.addresses[..] } else { &[] };
        rows.extend(addresses.iter().map(|address| ("", self::address(address, paint))));
    }
    if let Some(refusal) = &state.last_refusal {
        rows.push(("refused", format!("{} {}", refusal.time, plain(&refusal.reason))));
    }
    rows.push(("teal", format!("{}, since {}", state.version, state.started)));
    let rows = rows.into_iter().map(|(label, value)| format!("{label:<9}{GAP}{value}\n"));
    rows.collect()
}

/// How many instances agree on where the switch is headed, while it is on its way.
fn agreed(state: &State) -> Option<String> {
    let agreed = state.agreed.filter(|_| state.phase != PhaseName::Stable)?;
    let headed = state.pending.unwrap_or(state.active);
    let Agreed { open, telling, of } = agreed;
    Some(format!("{open} of {of} instances accept {headed}, {telling} tell"))
}

fn instance(instance: &Instance, paint: Paint) -> String {
    let Instance { name, epoch, stage, requests, here, differs, .. } = instance;
    let mut facts = vec![plain(name)];
    if *here {
        facts.push("this one".to_owned());
    }
    match instance.live {
        true => facts.push(format!("epoch {epoch}, {}", plain(stage))),
        false if *here => facts.push(paint.bad("has lost etcd")),
        false => facts.push(paint.bad("gone")),
    }
    facts.extend(requests.filter(|_| instance.live).map(|requests| match requests {
        1 => "1 request".to_owned(),
        number => format!("{number} requests"),
    }));
    if instance.waited_for {
        facts.push(paint.bad("waited for"));
    }
    if !differs.is_empty() {
        facts.push(paint.bad(&format!("settings differ: {}", plain(&differs.join(", ")))));
    }
    facts.join(", ")
}

fn etcd(etcd: &EtcdState, paint: Paint) -> String {
    match etcd.state.as_str() {
        "live" => {
            let lag = if etcd.lag_seconds >= 1.0 {
                paint.bad(&format!(", {} behind", seconds(etcd.lag_seconds)))
            } else {
                String::new()
            };
            format!("live, lease ends in {}{lag}", seconds(etcd.lease_seconds))
        }
        "cut_off" => paint.bad("lost: only calls about queries on record are let in"),
        other => plain(other),
    }
}

/// Formats the instances.
pub(super) fn instances(state: &State, paint: Paint) -> String {
    let rows = state.instances.iter().flatten().map(|instance| {
        let status = match instance {
            Instance { live: false, here: true, .. } => "cut off",
            Instance { live: false, .. } => "gone",
            Instance { waited_for: true, .. } => "waited for",
            _ => "live",
        };
        let is_bad = status != "live";
        let painted = if is_bad { paint.bad(status) } else { status.to_owned() };
        let name = format!("{}{}", instance.name, if instance.here { " *" } else { "" });
        let requests = instance.requests.map_or_else(|| "-".to_owned(), |requests| requests.to_string());
        let differs = if instance.differs.is_empty() { "-".to_owned() } else { instance.differs.join(", ") };
        vec![
            Cell::from(name.as_str()),
            Cell { text: status.to_owned(), painted },
            Cell::from(instance.epoch.to_string().as_str()),
            Cell::from(instance.stage.as_str()),
            Cell::from(if instance.quiet { "yes" } else { "no" }),
            Cell::from(requests.as_str()),
            Cell::from(instance.version.as_deref().unwrap_or("-")),
            Cell::from(instance.admin.as_deref().unwrap_or("-")),
            Cell::from(instance.id.as_str()),
            Cell::from(differs.as_str()),
        ]
    });
    let heads =
        ["INSTANCE", "STATE", "EPOCH", "STAGE", "QUIET", "REQUESTS", "VERSION", "ADMIN", "ID", "DIFFERS"];
    let listed = table(&heads, rows.collect(), paint);
    format!("{listed}* answers this\n")
}

/// Formats the progress of a switch in one line.
pub(super) fn progress(state: &State) -> String {
    let (active, old, queries) = (state.active, state.active.other(), state.queries);
    match state.phase {
        PhaseName::Stable => format!("STABLE {active}"),
        PhaseName::Announced => format!(
            "ANNOUNCED {active} -> {}, {} on {active}, {}",
            active.other(),
            queries_in_words(queries.of(active)),
            due("cutover", state.deadlines.cutover_seconds)
        ),
        PhaseName::Draining => format!(
            "DRAINING {old} -> {active}, {} left on {old}, {}",
            queries_in_words(queries.of(old)),
            due("drained", state.deadlines.drain_seconds)
        ),
    }
}

fn queries_in_words(number: u64) -> String {
    if number == 1 { "1 query".to_owned() } else { format!("{number} queries") }
}

fn due(what: &str, left: Option<f64>) -> String {
    left.map_or_else(|| format!("{what} on command"), |left| format!("{what} within {}", seconds(left)))
}

fn timer(state: &State) -> String {
    let timer = state.timer;
    let Some(every) = timer.every_seconds else { return "off".to_owned() };
    let left = timer.left_seconds.map(seconds);
    let doing = match (timer.paused, left) {
        (true, left) => format!("paused with {} left", left.unwrap_or_default()),
        (false, Some(left)) => format!("{left} left"),
        (false, None) => "waiting for STABLE".to_owned(),
    };
    format!("every {}, {doing}", seconds(every))
}

fn engine(engine: &EngineStatus, paint: Paint) -> String {
    let serves = engine.strategies.iter().map(|strategy| paint.strategy(*strategy)).collect::<Vec<_>>();
    let health = match (engine.healthy, &engine.problem) {
        (Some(true), _) => "well".to_owned(),
        (Some(false), problem) => {
            paint.bad(&format!("unhealthy: {}", plain(problem.as_deref().unwrap_or("unknown"))))
        }
        (None, _) => "not checked yet".to_owned(),
    };
    format!(
        "{} of {}, {health}, {}",
        plain(&engine.url),
        serves.join(" and "),
        connections(engine.connections)
    )
}

fn address(address: &AddressStatus, paint: Paint) -> String {
    let problem = address.problem.as_deref().map(|problem| paint.bad(&plain(problem)));
    let problem = problem.map(|problem| format!(", {problem}")).unwrap_or_default();
    format!("{}, {}{problem}", plain(&address.address), connections(address.connections))
}

fn connections(number: usize) -> String {
    format!("{number} connection{}", if number == 1 { "" } else { "s" })
}

/// Formats the queries on record.
pub(super) fn queries(queries: &Queries, paint: Paint) -> String {
    let rows = queries.queries.iter().map(|query| {
        let strategy = query.strategy;
        vec![
            Cell::from(query.id.as_str()),
            Cell { text: strategy.to_string(), painted: paint.strategy(strategy) },
            Cell::from(seconds(query.age_seconds).as_str()),
            Cell::from(seconds(query.idle_seconds).as_str()),
            Cell::from(query.requests.to_string().as_str()),
        ]
    });
    let listed = table(&["QUERY", "STRATEGY", "AGE", "IDLE", "REQUESTS"], rows.collect(), paint);
    counted(listed, queries.queries.len() as u64, queries.total, "queries")
}

/// Formats the active faults.
pub(super) fn faults(list: &FaultList, paint: Paint) -> String {
    let rows = list.faults.iter().map(|fault| {
        let (source, matches, hits) = (fault.source, fault.matches, fault.hits);
        let counts = [source.to_string(), matches.to_string(), hits.to_string()];
        let [source, matches, hits] = &counts;
        [fault.id.as_str(), source, matches, hits, &fault.rule].map(Cell::from).into()
    });
    let listed = table(&["FAULT", "FROM", "MATCHES", "HITS", "RULE"], rows.collect(), paint);
    let count = list.faults.len() as u64;
    counted(listed, count, count, "faults")
}

/// Formats the clients.
pub(super) fn clients(answer: &Value, paint: Paint) -> String {
    let none = Vec::new();
    let clients = answer["clients"].as_array().unwrap_or(&none);
    let told = CLIENT.into_iter().filter(|column| clients.iter().any(|client| !client[*column].is_null()));
    let told = Vec::from_iter(told);
    let cell = |value: &Value| match value {
        Value::Null => Cell::from("-"),
        Value::String(text) => Cell::from(text.as_str()),
        other => Cell::from(other.to_string().as_str()),
    };
    let rows = clients.iter().map(|client| told.iter().map(|column| cell(&client[*column])).collect());
    let heads: Vec<String> = told.iter().map(|column| column.replace('_', " ").to_uppercase()).collect();
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let listed = table(&heads, rows.collect(), paint);
    let total = answer["total"].as_u64().unwrap_or(clients.len() as u64);
    counted(listed, clients.len() as u64, total, "clients")
}

fn counted(listed: String, shown: u64, total: u64, what: &str) -> String {
    match (shown, total) {
        (_, 0) => format!("no {what}\n"),
        (shown, total) if shown < total => format!("{listed}{shown} of {total} {what}\n"),
        _ => listed,
    }
}

/// A text with its style.
struct Cell {
    text: String,
    painted: String,
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        let text = plain(text);
        Self { painted: text.clone(), text }
    }
}

fn table(heads: &[&str], rows: Vec<Vec<Cell>>, paint: Paint) -> String {
    let heads = heads.iter().map(|head| Cell { text: (*head).to_owned(), painted: paint.head(head) });
    let rows: Vec<Vec<Cell>> = std::iter::once(heads.collect()).chain(rows).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row: &Vec<Cell>| row.get(column)).map(|cell| cell.text.chars().count()).max()
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(|column| width(column).unwrap_or_default()).collect();
    let line = |row: &Vec<Cell>| {
        let mut line = String::new();
        for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
            line += &cell.painted;
            if place + 1 < row.len() {
                line += &" ".repeat(width - cell.text.chars().count());
                line += GAP;
            }
        }
        line + "\n"
    };
    rows.iter().map(line).collect()
}

/// Removes terminal control sequences from foreign text.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Formats whole seconds for people; less than one counts as one.
fn seconds(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds.max(0.0).ceil()).unwrap_or(Duration::MAX);
    humantime::format_duration(whole).to_string()
}

#[cfg(test)]
mod tests;
