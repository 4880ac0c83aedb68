//! Calls as tables.

use admin::Seen;
use proxy::telemetry::history::Call;

use super::{Cell, Paint, plain, table};

/// The columns, and their least widths: so tables that are printed one after the other look like one.
const COLUMNS: [(&str, usize); 10] = [
    ("TIME", 12),
    ("CALL", 6),
    ("CLIENT", 16),
    ("METHOD", 21),
    ("STRATEGY", 8),
    ("STATUS", 8),
    ("MS", 8),
    ("BYTES", 11),
    ("QUERY", 36),
    ("NOTES", 0),
];

/// Formats calls.
pub(in crate::ctl) fn calls(calls: &[Call], has_head: bool, paint: Paint) -> String {
    if calls.is_empty() {
        return if has_head { "no calls\n".to_owned() } else { String::new() };
    }
    let listed =
        table(&COLUMNS.map(|(head, _)| head), calls.iter().map(|call| row(call, paint)).collect(), paint);
    match has_head {
        true => listed,
        false => listed.split_once('\n').map(|(_, rows)| rows.to_owned()).unwrap_or_default(),
    }
}

fn row(call: &Call, paint: Paint) -> Vec<Cell> {
    let or_none = |text: Option<&str>| text.map_or_else(|| "-".to_owned(), plain);
    let time = call.time.split_once('T').map_or(&*call.time, |(_, time)| time).trim_end_matches('Z');
    let who = call.user.as_deref().or(call.session.as_deref()).unwrap_or(&call.peer);
    let strategy = call.strategy.map_or_else(|| "-".to_owned(), |strategy| strategy.to_string());
    let status = if call.outcome == "rejected" { "456" } else { &call.status };
    let cells = [
        time.to_owned(),
        call.id.to_string(),
        plain(who),
        plain(&call.method),
        strategy,
        status.to_owned(),
        format!("{:.1}", call.seconds * 1e3),
        format!("{}/{}", call.request_bytes, call.response_bytes),
        or_none(call.query.as_deref()),
        notes(call),
    ];
    let padded = cells.into_iter().zip(COLUMNS).map(|(text, (_, width))| format!("{text:<width$}"));
    let mut cells: Vec<Cell> = padded.map(|text| Cell { painted: text.clone(), text }).collect();
    if let Some(strategy) = call.strategy {
        let name = strategy.to_string();
        cells[4].painted = cells[4].text.replace(&name, &paint.strategy(strategy));
    }
    if call.outcome != "ok" {
        cells[5].painted = paint.bad(&cells[5].text);
    }
    cells
}

/// The remaining facts of a call.
fn notes(call: &Call) -> String {
    let notes = [
        call.notice.map(|notice| format!("told {notice}")),
        call.fault.as_ref().map(|fault| format!("fault {}", plain(fault))),
        (call.outcome == "dropped").then(|| "dropped".to_owned()),
        call.message.as_ref().filter(|_| call.outcome == "error").map(|message| plain(message)),
    ];
    notes.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// Formats what was seen instead of what was expected.
pub(in crate::ctl) fn seen(seen: &Seen, paint: Paint) -> String {
    let mut told = format!("{} of {} calls match\n", seen.matched, seen.calls);
    let rows: Vec<Vec<Cell>> = seen
        .by_method
        .iter()
        .flat_map(|(method, by_status)| {
            by_status.iter().map(move |(status, number)| (method, status, number))
        })
        .map(|(method, status, number)| {
            [&plain(method), status, &number.to_string()].map(|text| Cell::from(&**text)).into()
        })
        .collect();
    if !rows.is_empty() {
        told += "\nSeen:\n";
        told += &table(&["METHOD", "STATUS", "CALLS"], rows, paint);
    }
    if !seen.nearest.is_empty() {
        told += "\nNearest:\n";
        told += &calls(&seen.nearest, true, paint);
    }
    told
}
