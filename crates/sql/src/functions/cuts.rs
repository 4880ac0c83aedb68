//! Parts of strings: `substring` from either end, and `split`.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, ListBuilder, StringArray, StringBuilder},
        datatypes::{DataType, Field, Int64Type},
    },
    common::Result,
    logical_expr::{ColumnarValue, ScalarUDF},
};
use regex::Regex;

use super::{
    simple::{function, text},
    text::{strings, values},
};

/// `substring` with a computed or negative position.
pub(crate) const SUBSTRING: &str = "substring_from";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let list = |_: &[DataType]| Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))));
    vec![function(SUBSTRING, &[2, 3], text, substring), function("split", &[2, 3], list, split)]
}

/// Positions count from 1, or from the end if negative; 0 means 1 (Spark, Snowflake).
fn substring(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (texts, starts) = (strings(&args[0], rows)?, values::<Int64Type>(&args[1], rows)?);
    let lengths = args.get(2).map(|lengths| values::<Int64Type>(lengths, rows)).transpose()?;
    let one = |row: usize| {
        if texts.is_null(row) || starts.is_null(row) {
            return None;
        }
        let length = match &lengths {
            Some(lengths) if lengths.is_null(row) => return None,
            Some(lengths) => lengths.value(row),
            None => i64::MAX,
        };
        let text = texts.value(row);
        let start = match starts.value(row) {
            start if start > 0 => start - 1,
            0 => 0,
            start => start.saturating_add(i64::try_from(text.chars().count()).unwrap_or(i64::MAX)),
        };
        let end = start.saturating_add(length).max(0);
        let start = start.max(0);
        let count = usize::try_from(end - start).unwrap_or(0);
        Some(text.chars().skip(usize::try_from(start).unwrap_or(usize::MAX)).take(count).collect::<String>())
    };
    Ok(Arc::new((0..rows).map(one).collect::<StringArray>()))
}

/// The delimiter of `split`.
enum Delimiter {
    Text,
    Pattern(Regex),
}

impl Delimiter {
    /// A regular expression, as in Spark. A single character, an invalid expression, or one that matches nothing, is
    /// taken literally, as in Trino and Snowflake.
    fn of(delimiter: &str) -> Self {
        let plain = regex::escape(delimiter) == delimiter || delimiter.chars().count() == 1;
        match Regex::new(delimiter) {
            Ok(regex) if !plain && !regex.is_match("") => Self::Pattern(regex),
            _ => Self::Text,
        }
    }
}

/// `split(text, delimiter[, limit])`: with a limit above 0 the last part holds the rest.
fn split(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (texts, delimiters) = (strings(&args[0], rows)?, strings(&args[1], rows)?);
    let limits = args.get(2).map(|limits| values::<Int64Type>(limits, rows)).transpose()?;
    let mut lists = ListBuilder::new(StringBuilder::new());
    let mut compiled: Option<(&str, Delimiter)> = None;
    for row in 0..rows {
        if texts.is_null(row) || delimiters.is_null(row) {
            lists.append(false);
            continue;
        }
        let (text, delimiter) = (texts.value(row), delimiters.value(row));
        let limit = limits.as_ref().map_or(-1, |limits| limits.value(row));
        let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        if compiled.as_ref().is_none_or(|(own, _)| *own != delimiter) {
            compiled = Some((delimiter, Delimiter::of(delimiter)));
        }
        let parts = lists.values();
        match &compiled {
            Some((_, Delimiter::Pattern(regex))) => {
                regex.splitn(text, limit).for_each(|part| parts.append_value(part));
            }
            _ if delimiter.is_empty() => parts.append_value(text),
            _ => text.splitn(limit, delimiter).for_each(|part| parts.append_value(part)),
        }
        lists.append(true);
    }
    Ok(Arc::new(lists.finish()))
}
