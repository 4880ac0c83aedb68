//! JSON in strings: extraction by path, and conversion of values to JSON.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, RecordBatch, StringArray},
        datatypes::{Field, Schema},
        json::LineDelimitedWriter,
    },
    common::{Result, exec_datafusion_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};
use serde_json::Value;

use super::{
    simple::{function, text},
    text::strings,
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        // Values as JSON; strings without quotes.
        function("json_extract", &[2], text, |args, rows| by_path(args, rows, |value| Some(plain(value)))),
        function("get_json_object", &[2], text, |args, rows| by_path(args, rows, |value| Some(plain(value)))),
        // Only scalars.
        function("json_value", &[2], text, |args, rows| by_path(args, rows, scalar)),
        function("json_extract_scalar", &[2], text, |args, rows| by_path(args, rows, scalar)),
        function("parse_json", &[1], text, |args, rows| parsed(args, rows, false)),
        function("try_parse_json", &[1], text, |args, rows| parsed(args, rows, true)),
        function("to_json", &[1], text, to_json),
    ]
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn scalar(value: &Value) -> Option<String> {
    (!value.is_object() && !value.is_array()).then(|| plain(value))
}

/// NULL for invalid JSON, a missing value, or null.
fn by_path(args: &[ColumnarValue], rows: usize, of: fn(&Value) -> Option<String>) -> Result<ArrayRef> {
    let (texts, paths) = (strings(&args[0], rows)?, strings(&args[1], rows)?);
    let values = texts.iter().zip(paths.iter()).map(|(text, path)| {
        let value: Value = serde_json::from_str(text?).ok()?;
        let mut found = find(&value, path?)?;
        match found.len() {
            0 => None,
            // A single element of `[*]` is returned as such (Spark).
            1 => Some(found.remove(0)).filter(|value| !value.is_null()).and_then(of),
            _ => of(&Value::Array(found.into_iter().cloned().collect())),
        }
    });
    Ok(Arc::new(values.collect::<StringArray>()))
}

/// The values at `$.a.b[0]['c']`; `[*]` selects several. The `$` may be omitted.
fn find<'a>(value: &'a Value, path: &str) -> Option<Vec<&'a Value>> {
    let mut rest = path.trim().strip_prefix('$').unwrap_or(path.trim());
    let mut values = vec![value];
    while !rest.is_empty() {
        let key;
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            (key, rest) = (index.trim().trim_matches(['\'', '"']), after);
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            let end = name.find(['.', '[']).unwrap_or(name.len());
            (key, rest) = (name[..end].trim_matches('"'), &name[end..]);
        }
        let mut next = Vec::new();
        for value in values {
            match value {
                Value::Array(list) if key == "*" => next.extend(list),
                Value::Array(list) => next.extend(key.parse::<usize>().ok().and_then(|at| list.get(at))),
                other => next.extend(other.get(key)),
            }
        }
        values = next;
    }
    Some(values)
}

/// JSON without whitespace.
fn parsed(args: &[ColumnarValue], rows: usize, lenient: bool) -> Result<ArrayRef> {
    let texts = strings(&args[0], rows)?;
    let one = |text: Option<&str>| match text.map(serde_json::from_str::<Value>) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value.to_string())),
        Some(Err(_)) if lenient => Ok(None),
        Some(Err(error)) => Err(exec_datafusion_err!("parse_json(): the text is not JSON: {error}")),
    };
    Ok(Arc::new(texts.iter().map(one).collect::<Result<StringArray>>()?))
}

/// Converts each value to JSON; NULL stays NULL.
fn to_json(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let values = args[0].to_array(rows)?;
    let schema = Schema::new(vec![Field::new("v", values.data_type().clone(), true)]);
    let batch = RecordBatch::try_new(Arc::new(schema), vec![Arc::clone(&values)])?;
    let mut lines = LineDelimitedWriter::new(Vec::new());
    lines.write_batches(&[&batch])?;
    lines.finish()?;
    let text = String::from_utf8(lines.into_inner()).map_err(|error| exec_datafusion_err!("{error}"))?;
    let value = |line: &str| serde_json::from_str::<Value>(line).ok()?.get("v").map(Value::to_string);
    let json: StringArray = text.lines().map(value).collect();
    Ok(Arc::new(json))
}
