//! Functions of dates and timestamps: units between two of them, and local times.

use std::{str::FromStr, sync::Arc};

use chrono::{DateTime, Datelike, Duration, NaiveDateTime, Offset, TimeZone};
use datafusion::{
    arrow::{
        array::{Array, ArrayRef, Int64Array, TimestampMicrosecondArray, timezone::Tz},
        datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
    },
    common::{Result, exec_datafusion_err, exec_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::{
    simple::function,
    text::{strings, values},
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let instant = |_: &[DataType]| Ok(DataType::Timestamp(TimeUnit::Microsecond, None));
    vec![
        function("units_between", &[3], |_| Ok(DataType::Int64), units_between),
        function("from_utc_timestamp", &[2], instant, |args, rows| zoned(args, rows, from_utc)),
        function("to_utc_timestamp", &[2], instant, |args, rows| zoned(args, rows, to_utc)),
        function("months_between", &[2], |_| Ok(DataType::Float64), months_between),
    ]
}

fn instants(arg: &ColumnarValue, rows: usize) -> Result<TimestampMicrosecondArray> {
    values::<TimestampMicrosecondType>(arg, rows)
}

fn naive(micros: i64) -> Result<NaiveDateTime> {
    let instant = DateTime::from_timestamp_micros(micros);
    instant
        .map(|instant| instant.naive_utc())
        .ok_or_else(|| exec_datafusion_err!("a timestamp is out of range"))
}

/// The number of whole units between two timestamps.
fn units_between(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let units = strings(&args[0], rows)?;
    let (starts, ends) = (instants(&args[1], rows)?, instants(&args[2], rows)?);
    let mut counts = Vec::with_capacity(rows);
    for row in 0..rows {
        if units.is_null(row) || starts.is_null(row) || ends.is_null(row) {
            counts.push(None);
            continue;
        }
        let (start, end) = (starts.value(row), ends.value(row));
        let micros = i128::from(end) - i128::from(start);
        let whole = |unit: i128| i64::try_from(micros / unit).unwrap_or(i64::MAX);
        counts.push(Some(match units.value(row) {
            "microsecond" => whole(1),
            "millisecond" => whole(1_000),
            "second" => whole(1_000_000),
            "minute" => whole(60_000_000),
            "hour" => whole(3_600_000_000),
            "day" => whole(86_400_000_000),
            "week" => whole(7 * 86_400_000_000),
            "month" => months(naive(start)?, naive(end)?),
            "quarter" => months(naive(start)?, naive(end)?) / 3,
            "year" => months(naive(start)?, naive(end)?) / 12,
            other => return exec_err!("{other} is not a unit of time"),
        }));
    }
    Ok(Arc::new(Int64Array::from(counts)))
}

/// The number of whole months between two timestamps, negative if the second is earlier.
fn months(start: NaiveDateTime, end: NaiveDateTime) -> i64 {
    if end < start {
        return -months(end, start);
    }
    let index = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
    let whole = (start.day(), start.time()) <= (end.day(), end.time());
    index(end) - index(start) - i64::from(!whole)
}

/// As in Spark: whole months between equal or last days of months, else fractions of 31-day months.
fn months_between(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (ends, starts) = (instants(&args[0], rows)?, instants(&args[1], rows)?);
    let last = |at: NaiveDateTime| (at + Duration::days(1)).month() != at.month();
    let one = |(end, start): (Option<i64>, Option<i64>)| {
        let (Some(end), Some(start)) = (end, start) else { return Ok(None) };
        let (end, start) = (naive(end)?, naive(start)?);
        let index = |at: NaiveDateTime| f64::from(at.year()) * 12.0 + f64::from(at.month0());
        let whole = index(end) - index(start);
        if end.day() == start.day() || (last(end) && last(start)) {
            return Ok(Some(whole));
        }
        let seconds = |at: NaiveDateTime| {
            let midnight = at.date().and_time(chrono::NaiveTime::MIN);
            f64::from(at.day()) * 86_400.0 + (at - midnight).num_seconds() as f64
        };
        let months = whole + (seconds(end) - seconds(start)) / (31.0 * 86_400.0);
        Ok(Some((months * 1e8).round() / 1e8))
    };
    let all = ends.iter().zip(starts.iter()).map(one).collect::<Result<Vec<Option<f64>>>>()?;
    Ok(Arc::new(datafusion::arrow::array::Float64Array::from(all)))
}

/// A part of the local time in a zone.
fn zoned(args: &[ColumnarValue], rows: usize, of: fn(NaiveDateTime, Tz) -> i32) -> Result<ArrayRef> {
    let (instants, zones) = (instants(&args[0], rows)?, strings(&args[1], rows)?);
    let one = |(instant, zone): (Option<i64>, Option<&str>)| {
        let (Some(instant), Some(zone)) = (instant, zone) else { return Ok(None) };
        let parsed = Tz::from_str(zone).map_err(|_| exec_datafusion_err!("{zone} is not a time zone"))?;
        Ok(Some(instant + i64::from(of(naive(instant)?, parsed)) * 1_000_000))
    };
    let all = instants.iter().zip(zones.iter()).map(one).collect::<Result<Vec<Option<i64>>>>()?;
    Ok(Arc::new(TimestampMicrosecondArray::from(all)))
}

fn from_utc(instant: NaiveDateTime, zone: Tz) -> i32 {
    zone.offset_from_utc_datetime(&instant).fix().local_minus_utc()
}

fn to_utc(clock: NaiveDateTime, zone: Tz) -> i32 {
    let offset = zone.offset_from_local_datetime(&clock).earliest();
    // A local time that is skipped uses the offset before the change.
    let offset = offset.unwrap_or_else(|| zone.offset_from_utc_datetime(&(clock - Duration::hours(3))));
    -offset.fix().local_minus_utc()
}
