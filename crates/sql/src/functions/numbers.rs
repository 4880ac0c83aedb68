//! Numbers: division, formatting, seeded random numbers, and conversion from strings.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, Float64Array, StringArray},
        compute::{CastOptions, cast_with_options},
        datatypes::{DataType, Float64Type, Int64Type},
    },
    common::{Result, exec_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::{
    simple::{function, text},
    text::{strings, values},
};

/// A number, or a string parsed as one; NULL otherwise.
pub(crate) const AS_DOUBLE: &str = "as_double";
/// A random number from 0 to 1 for each pair of seed and row number.
const SEEDED: &str = "seeded_random";
/// The most digits after the decimal point.
const DIGITS: i64 = 100;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let double = |_: &[DataType]| Ok(DataType::Float64);
    vec![
        function(AS_DOUBLE, &[1], double, as_double),
        function(SEEDED, &[2], double, seeded),
        function("format_number", &[2], text, format_number),
    ]
}

/// `/` between whole numbers.
pub(crate) fn divide() -> Arc<ScalarUDF> {
    function("/", &[2], |_| Ok(DataType::Float64), divided)
}

fn divided(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (left, right) = (values::<Float64Type>(&args[0], rows)?, values::<Float64Type>(&args[1], rows)?);
    let one = |(left, right): (Option<f64>, Option<f64>)| match (left, right) {
        (Some(_), Some(0.0)) => exec_err!("Divide by zero error"),
        (Some(left), Some(right)) => Ok(Some(left / right)),
        _ => Ok(None),
    };
    let all = left.iter().zip(right.iter()).map(one).collect::<Result<Vec<Option<f64>>>>()?;
    Ok(Arc::new(Float64Array::from(all)))
}

fn as_double(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let array = args[0].to_array(rows)?;
    let kind = array.data_type();
    if !(kind.is_numeric() || kind.is_string()) {
        return Ok(datafusion::arrow::array::new_null_array(&DataType::Float64, rows));
    }
    let safe = CastOptions { safe: true, ..Default::default() };
    Ok(cast_with_options(&array, &DataType::Float64, &safe)?)
}

/// The bits of splitmix64.
fn seeded(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (seeds, numbers) = (values::<Int64Type>(&args[0], rows)?, values::<Int64Type>(&args[1], rows)?);
    let mixed = |bits: u64| {
        let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    };
    let one = |(seed, number): (Option<i64>, Option<i64>)| {
        let bits = mixed(mixed(seed.unwrap_or_default() as u64) ^ number.unwrap_or_default() as u64);
        Some((bits >> 11) as f64 / (1_u64 << 53) as f64)
    };
    Ok(Arc::new(seeds.iter().zip(numbers.iter()).map(one).collect::<Float64Array>()))
}

/// Formats as `12,332.12`, rounding half to even, as in Spark.
fn format_number(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let array = args[0].to_array(rows)?;
    let digits = values::<Int64Type>(&args[1], rows)?;
    let exact = array.data_type().is_integer() || array.data_type().is_decimal();
    let shown = strings(&ColumnarValue::Array(Arc::clone(&array)), rows)?;
    let doubles = if exact { None } else { Some(values::<Float64Type>(&args[0], rows)?) };
    let one = |row: usize| {
        if array.is_null(row) || digits.is_null(row) || digits.value(row) < 0 {
            return None;
        }
        let digits = usize::try_from(digits.value(row).min(DIGITS)).unwrap_or_default();
        let number = match &doubles {
            Some(doubles) if !doubles.value(row).is_finite() => return Some(doubles.value(row).to_string()),
            // The shortest digits of the number, so that only a number written as a half rounds as one.
            Some(doubles) => format!("{}", doubles.value(row)),
            None => shown.value(row).to_owned(),
        };
        Some(grouped(&rounded(&number, digits)))
    };
    Ok(Arc::new((0..rows).map(one).collect::<StringArray>()))
}

/// Rounds a decimal number to this many digits after the point.
fn rounded(number: &str, digits: usize) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |number| ("-", number));
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut kept: Vec<u8> = whole.bytes().chain(fraction.bytes().take(digits)).collect();
    kept.resize(whole.len() + digits, b'0');
    let rest = fraction.get(digits..).unwrap_or_default();
    let odd = kept.last().is_some_and(|digit| digit % 2 == 1);
    let up = match rest.as_bytes() {
        [b'5', more @ ..] => odd || more.iter().any(|digit| *digit != b'0'),
        [first, ..] => *first > b'5',
        [] => false,
    };
    if up {
        let nines = kept.iter().rev().take_while(|digit| **digit == b'9').count();
        let last = kept.len() - nines;
        kept[last..].fill(b'0');
        match last.checked_sub(1) {
            Some(at) => kept[at] += 1,
            None => kept.insert(0, b'1'),
        }
    }
    let kept = String::from_utf8_lossy(&kept).into_owned();
    let (whole, fraction) = kept.split_at(kept.len() - digits);
    let sign = if kept.bytes().all(|digit| digit == b'0') { "" } else { sign };
    if digits == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Groups the digits before the point by three, with commas.
fn grouped(number: &str) -> String {
    let (whole, fraction) = number.split_at(number.find('.').unwrap_or(number.len()));
    let (sign, whole) = whole.strip_prefix('-').map_or(("", whole), |whole| ("-", whole));
    let mut grouped = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}
