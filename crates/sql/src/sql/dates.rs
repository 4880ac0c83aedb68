//! Functions of dates with a unit or a format.

use datafusion::sql::sqlparser::ast::{Expr, Value, ValueWithSpan};

use super::{
    build::{call, text},
    templates::fill,
};
use crate::Error;

/// Rewrites a function with a unit or a format; `None` for other functions.
pub(super) fn written_out(name: &str, arguments: &[Expr]) -> Result<Option<Expr>, Error> {
    match (name, arguments) {
        ("date_add" | "dateadd" | "timestamp_add" | "timestampadd" | "datetime_add", [a, b, c]) => {
            // The unit comes first; in BigQuery last.
            match (unit(a), unit(c)) {
                (Some(unit), _) => added(unit, b, c).map(Some),
                (None, Some(unit)) => added(unit, b, a).map(Some),
                _ => Err(no_unit(name, a)),
            }
        }
        ("date_sub" | "timestamp_sub" | "datetime_sub", [a, b, c]) => match (unit(a), unit(c)) {
            (Some(unit), _) => added(unit, &fill("- $1", std::slice::from_ref(b))?, c).map(Some),
            (None, Some(unit)) => added(unit, &fill("- $1", std::slice::from_ref(b))?, a).map(Some),
            _ => Err(no_unit(name, a)),
        },
        ("date_diff" | "datediff" | "timestampdiff" | "timestamp_diff" | "datetime_diff", [a, b, c]) => {
            // (unit, start, end) in Trino, Snowflake and Spark; (end, start, unit) in BigQuery.
            let (unit, start, end) = match (unit(a), unit(c)) {
                (Some(unit), _) => (unit, b, c),
                (None, Some(unit)) => (unit, b, a),
                _ => return Err(no_unit(name, a)),
            };
            Ok(Some(call("units_between", vec![text(unit), start.clone(), end.clone()])))
        }
        ("date_diff" | "timestamp_diff", [end, start]) => Ok(Some(fill(
            "CAST(CAST($1 AS DATE) AS INT) - CAST(CAST($2 AS DATE) AS INT)",
            &[end.clone(), start.clone()],
        )?)),
        ("format_date" | "format_timestamp" | "format_datetime" | "date_format" | "to_varchar", [a, b]) => {
            let (value, format) = match literal(a) {
                Some(format) if format.contains('%') => (b, a),
                _ => (a, b),
            };
            Ok(Some(fill("to_char(CAST($1 AS TIMESTAMP), $2)", &[value.clone(), strftime(format)?])?))
        }
        ("from_unixtime", [seconds, format]) => Ok(Some(fill(
            "to_char(CAST(to_timestamp_seconds(CAST($1 AS BIGINT)) AS TIMESTAMP), $2)",
            &[seconds.clone(), strftime(format)?],
        )?)),
        ("from_unixtime_withunit", [number, unit]) => {
            let function = match literal(unit).map(str::to_lowercase).as_deref() {
                Some("second" | "seconds") => "to_timestamp_seconds",
                Some("millisecond" | "milliseconds") => "to_timestamp_millis",
                Some("microsecond" | "microseconds") => "to_timestamp_micros",
                _ => return Err(no_unit(name, unit)),
            };
            let template = format!("CAST({function}(CAST($1 AS BIGINT)) AS TIMESTAMP)");
            Ok(Some(fill(&template, std::slice::from_ref(number))?))
        }
        ("to_timestamp" | "parse_timestamp" | "parse_datetime" | "to_timestamp_ntz", [a, b]) => {
            let arguments = &[a.clone(), strftime(b)?];
            Ok(Some(fill("CAST(to_timestamp_micros($1, $2) AS TIMESTAMP)", arguments)?))
        }
        ("to_date" | "parse_date", [a, b]) => {
            Ok(Some(fill("CAST(to_timestamp_micros($1, $2) AS DATE)", &[a.clone(), strftime(b)?])?))
        }
        ("to_unix_timestamp", [a, b]) => {
            let arguments = &[a.clone(), strftime(b)?];
            Ok(Some(fill("to_unix_timestamp(CAST(to_timestamp_micros($1, $2) AS TIMESTAMP))", arguments)?))
        }
        ("unix_timestamp", [a, b]) => Ok(Some(fill(
            "CAST(floor(date_part('epoch', to_timestamp_micros($1, $2))) AS BIGINT)",
            &[a.clone(), strftime(b)?],
        )?)),
        ("last_day", [date, part]) => match unit(part) {
            Some("month") => Ok(Some(fill("last_day($1)", std::slice::from_ref(date))?)),
            _ => Err(no_unit(name, part)),
        },
        _ => Ok(None),
    }
}

fn no_unit(name: &str, expr: &Expr) -> Error {
    Error::invalid(format!("{name}(): expected a unit such as 'day' or 'hour', found {expr}"))
}

fn literal(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(text), .. }) => Some(text),
        _ => None,
    }
}

/// The unit that an argument names, quoted or not.
fn unit(expr: &Expr) -> Option<&'static str> {
    let name = match expr {
        Expr::Identifier(name) => name.value.to_lowercase(),
        other => literal(other)?.to_lowercase(),
    };
    Some(match name.trim_end_matches('s') {
        "microsecond" | "u" => "microsecond",
        "millisecond" | "m" => "millisecond",
        "second" | "sec" => "second",
        "minute" | "min" | "mi" => "minute",
        "hour" | "hh" | "hr" => "hour",
        "day" | "dd" | "dayofmonth" => "day",
        "week" | "wk" => "week",
        "month" | "mon" | "mm" => "month",
        "quarter" | "qtr" => "quarter",
        "year" | "yy" | "yyyy" => "year",
        _ => return None,
    })
}

/// Adds units to a date or timestamp. A date plus a unit of a day or more is a date.
pub(super) fn added(unit: &str, count: &Expr, to: &Expr) -> Result<Expr, Error> {
    let whole = matches!(unit, "day" | "week" | "month" | "quarter" | "year");
    let (unit, count) = match unit {
        "quarter" => ("month", fill("3 * $1", std::slice::from_ref(count))?),
        "week" => ("day", fill("7 * $1", std::slice::from_ref(count))?),
        _ => (unit, count.clone()),
    };
    let place = match (whole, literal(to)) {
        (true, Some(date)) if date.len() == 10 => "CAST($2 AS DATE)",
        (true, None) => "$2",
        _ => "CAST($2 AS TIMESTAMP)",
    };
    let template = format!("{place} + arrow_cast(concat($1, ' {unit}'), 'Interval(MonthDayNano)')");
    fill(&template, &[count, to.clone()])
}

/// Converts a format of letters, as in Spark and Trino's format_datetime (`yyyy-MM-dd HH:mm:ss`), to DataFusion's
/// format with `%` signs.
fn strftime(format: &Expr) -> Result<Expr, Error> {
    let Some(letters) = literal(format) else {
        return Err(Error::invalid(format!("{format}: expected a format in quotes")));
    };
    if letters.contains('%') {
        return Ok(text(letters));
    }
    let mut signs: Vec<char> = letters.chars().collect();
    signs.push('\0');
    let (mut out, mut at) = (String::new(), 0);
    while signs[at] != '\0' {
        let letter = signs[at];
        let count = signs[at..].iter().take_while(|sign| **sign == letter).count();
        at += count;
        match (letter, count) {
            ('\'', 1) => {
                while signs[at] != '\'' && signs[at] != '\0' {
                    out.push(signs[at]);
                    at += 1;
                }
                at += usize::from(signs[at] == '\'');
            }
            ('\'', _) => out.push('\''),
            _ if !letter.is_ascii_alphabetic() => out.extend(std::iter::repeat_n(letter, count)),
            _ => out.push_str(field(letter, count).ok_or_else(|| {
                Error::invalid(format!("format '{letters}': the letter {letter} is not supported"))
            })?),
        }
    }
    Ok(text(&out))
}

fn field(letter: char, count: usize) -> Option<&'static str> {
    Some(match (letter, count) {
        ('y' | 'Y' | 'u', 2) => "%y",
        ('y' | 'Y' | 'u', _) => "%Y",
        ('M' | 'L', 1) => "%-m",
        ('M' | 'L', 2) => "%m",
        ('M' | 'L', 3) => "%b",
        ('M' | 'L', _) => "%B",
        ('d', 1) => "%-d",
        ('d', _) => "%d",
        ('D', _) => "%j",
        ('H', 1) => "%-H",
        ('H', _) => "%H",
        ('h', 1) => "%-I",
        ('h', _) => "%I",
        ('m', 1) => "%-M",
        ('m', _) => "%M",
        ('s', 1) => "%-S",
        ('s', _) => "%S",
        ('S', 1..=3) => "%3f",
        ('S', 4..=6) => "%6f",
        ('S', _) => "%9f",
        ('a', _) => "%p",
        ('E', 1..=3) => "%a",
        ('E', _) => "%A",
        ('w', _) => "%V",
        _ => return None,
    })
}
