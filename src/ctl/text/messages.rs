//! A call with its messages.

use std::slice;

use admin::OneCall;
use proxy::telemetry::history::Message;
use serde_json::{Map, Value};

use super::{Cell, Paint, calls, plain, table};

/// The fields with rows of results.
const BATCHES: [&str; 2] = ["resultBatch", "resultBatches"];

/// Formats a call, and its messages.
pub(in crate::ctl) fn one_call(one: &OneCall, paint: Paint) -> String {
    let mut told = calls(slice::from_ref(&one.call), true, paint);
    let Some(messages) = &one.messages else { return told };
    let sides = [
        ("Request", &messages.request, messages.request_left_out),
        ("Response", &messages.response, messages.response_left_out),
    ];
    for (name, side, left_out) in sides {
        for message in side {
            told += &format!("\n{}\n", paint.head(&format!("{name}: {}", title(message))));
            if let Some(problem) = &message.problem {
                told += &format!("{}\n", paint.bad(&plain(problem)));
            }
            told += &content(message, paint);
        }
        if left_out > 0 {
            told += &format!("\n{name}: {left_out} more\n");
        }
    }
    if let Some(note) = &messages.note {
        told += &format!("\nNo messages: {}\n", plain(note));
    }
    told
}

fn title(message: &Message) -> String {
    let cut = if message.cut { ", cut" } else { "" };
    format!("{}, {} bytes{cut}", plain(&message.name), message.bytes)
}

/// The content as JSON, and batches of rows as tables after it.
fn content(message: &Message, paint: Paint) -> String {
    let mut content = message.content.as_ref().and_then(Value::as_object).cloned().unwrap_or_default();
    let tables: String = BATCHES.iter().filter_map(|field| rows(&mut content, field, paint)).collect();
    let json = Some(&content).filter(|content| !content.is_empty());
    let json = json.and_then(|content| serde_json::to_string_pretty(content).ok()).unwrap_or_default();
    let lines = json.lines().map(|line| plain(line) + "\n");
    let hex = message.hex.iter().map(|hex| format!("hex: {}\n", plain(hex)));
    lines.chain([tables]).chain(hex).collect()
}

/// Takes the batches of a field out, if that is what they are.
fn rows(content: &mut Map<String, Value>, field: &str, paint: Paint) -> Option<String> {
    let batches = match content.get(field)? {
        Value::Array(batches) => batches.as_slice(),
        batch => slice::from_ref(batch),
    };
    let tables: Option<String> = batches.iter().map(|batch| one_table(batch, paint)).collect();
    tables.inspect(|_| drop(content.remove(field)))
}

fn one_table(batch: &Value, paint: Paint) -> Option<String> {
    let rows = batch["rows"].as_array()?.iter().map(Value::as_array).collect::<Option<Vec<_>>>()?;
    let width = rows.iter().map(|row| row.len()).max().unwrap_or_default();
    let names = batch["columns"].as_array().filter(|names| names.len() >= width);
    let heads: Vec<String> = match names {
        Some(names) => names.iter().map(cell).collect(),
        None => (1..=width).map(|column| column.to_string()).collect(),
    };
    let heads: Vec<&str> = heads.iter().map(String::as_str).collect();
    let shown = rows.len() as u64;
    let rows = rows.into_iter().map(|row| row.iter().map(|value| Cell::from(&*cell(value))).collect());
    let mut told = table(&heads, rows.collect(), paint);
    if let Some(more) =
        batch["row_count"].as_u64().and_then(|all| all.checked_sub(shown)).filter(|more| *more > 0)
    {
        told += &format!("{more} more rows\n");
    }
    Some(told)
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        other => other.to_string(),
    }
}
