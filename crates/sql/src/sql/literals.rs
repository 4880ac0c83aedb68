//! Literals that DataFusion's planner would change: numbers with more digits than a double holds, and patterns with
//! their own escape character.

use datafusion::sql::sqlparser::ast::{DataType, ExactNumberInfo, Expr, Value, ValueWithSpan};

use super::build::{call, cast, text};
use crate::{Error, functions::ESCAPED};

/// The most digits of a decimal.
const DIGITS: usize = 76;

/// Converts a number to a decimal, if it is neither a 64-bit integer nor exactly a double. A number with an exponent
/// is a double.
pub(super) fn decimal(written: &str, negative: bool) -> Option<Expr> {
    let digits = written.replace('_', "");
    if !digits.bytes().all(|sign| sign.is_ascii_digit() || sign == b'.') {
        return None;
    }
    let signed = if negative { format!("-{digits}") } else { digits.clone() };
    if signed.parse::<i64>().is_ok() || (!negative && digits.parse::<u64>().is_ok()) {
        return None;
    }
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let (whole, scale) = (whole.trim_start_matches('0'), fraction.len());
    if !fraction.is_empty() || digits.ends_with('.') {
        let double: f64 = digits.parse().ok()?;
        let short = fraction.trim_end_matches('0');
        let as_written = format!("{}.{}", if whole.is_empty() { "0" } else { whole }, short);
        if format!("{double}") == as_written.trim_end_matches('.') {
            return None;
        }
    }
    let precision = (whole.len() + scale).max(1);
    if precision > DIGITS {
        return None;
    }
    let kind = ExactNumberInfo::PrecisionAndScale(precision as u64, i64::try_from(scale).ok()?);
    Some(cast(text(&digits), DataType::Decimal(kind)))
}

/// Converts a LIKE pattern with another escape character to one with backslashes.
pub(super) fn like(pattern: &Expr, escape: &ValueWithSpan) -> Result<Expr, Error> {
    let Value::SingleQuotedString(sign) = &escape.value else {
        return Err(Error::invalid(format!("ESCAPE {escape}: expected one character in quotes")));
    };
    match pattern {
        Expr::Value(ValueWithSpan { value: Value::SingleQuotedString(pattern), .. }) => {
            Ok(text(&escaped(pattern, sign)?))
        }
        computed => Ok(call(ESCAPED, vec![computed.clone(), text(sign)])),
    }
}

/// Replaces the escape character of a pattern by a backslash.
pub(crate) fn escaped(pattern: &str, escape: &str) -> Result<String, Error> {
    let mut characters = escape.chars();
    let (escape, None) = (characters.next(), characters.next()) else {
        return Err(Error::invalid(format!("ESCAPE '{escape}': expected one character")));
    };
    let (mut plain, mut rest) = (String::with_capacity(pattern.len()), pattern.chars());
    while let Some(next) = rest.next() {
        let meant = if Some(next) == escape {
            let meant = rest.next().filter(|meant| matches!(meant, '%' | '_') || Some(*meant) == escape);
            meant.ok_or_else(|| {
                Error::invalid(format!("LIKE '{pattern}': expected %, _ or {next} after the escape {next}"))
            })?
        } else if next == '\\' {
            next
        } else {
            plain.push(next);
            continue;
        };
        if matches!(meant, '%' | '_' | '\\') {
            plain.push('\\');
        }
        plain.push(meant);
    }
    Ok(plain)
}

/// Refuses a number outside of all types.
pub(super) fn in_range(written: &str) -> Result<(), Error> {
    let infinite = written.replace('_', "").parse::<f64>().is_ok_and(f64::is_infinite);
    match infinite {
        true => Err(Error::invalid(format!("{written} is out of range: a number has 308 digits at most"))),
        false => Ok(()),
    }
}
