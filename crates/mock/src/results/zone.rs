//! Timestamps as microseconds since the epoch, and time zone offsets as text.

use std::fmt::Write;

use chrono::{DateTime, Offset, TimeZone};
use sql::arrow::{
    array::{
        Array, AsArray, Date32Array, Date64Array, TimestampMicrosecondArray, TimestampMillisecondArray,
        TimestampNanosecondArray, TimestampSecondArray, timezone::Tz,
    },
    datatypes::{
        DataType, Date32Type, Date64Type, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};

use super::{super::status::EngineError, unrepresentable};

const DAY: i64 = 86_400_000_000;

/// A column of dates or timestamps.
#[derive(Debug)]
pub(super) enum Micros<'a> {
    Days(&'a Date32Array),
    DateMillis(&'a Date64Array),
    Seconds(&'a TimestampSecondArray),
    Millis(&'a TimestampMillisecondArray),
    Plain(&'a TimestampMicrosecondArray),
    Nanos(&'a TimestampNanosecondArray),
}

impl<'a> Micros<'a> {
    /// Reads a column; `None` if it holds no dates or timestamps.
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Date32 => Self::Days(array.as_primitive::<Date32Type>()),
            DataType::Date64 => Self::DateMillis(array.as_primitive::<Date64Type>()),
            DataType::Timestamp(TimeUnit::Second, _) => {
                Self::Seconds(array.as_primitive::<TimestampSecondType>())
            }
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                Self::Millis(array.as_primitive::<TimestampMillisecondType>())
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                Self::Plain(array.as_primitive::<TimestampMicrosecondType>())
            }
            DataType::Timestamp(TimeUnit::Nanosecond, _) => {
                Self::Nanos(array.as_primitive::<TimestampNanosecondType>())
            }
            _ => return None,
        })
    }

    /// Microseconds since the epoch, rounded down; a date counts as its midnight.
    pub(super) fn get(&self, row: usize) -> Result<i64, EngineError> {
        let (value, unit) = match self {
            Self::Days(array) => (i64::from(array.value(row)), DAY),
            Self::DateMillis(array) => (array.value(row).div_euclid(DAY / 1000), DAY),
            Self::Seconds(array) => (array.value(row), 1_000_000),
            Self::Millis(array) => (array.value(row), 1000),
            Self::Plain(array) => return Ok(array.value(row)),
            Self::Nanos(array) => return Ok(array.value(row).div_euclid(1000)),
        };
        value
            .checked_mul(unit)
            .ok_or_else(|| unrepresentable("a date or timestamp is out of range for microseconds in 64 bits"))
    }
}

/// A time zone.
#[derive(Debug)]
pub(super) enum Zone {
    /// One offset for all time, as text.
    Fixed(String),
    /// A named zone, whose offset depends on the time.
    Named(Tz),
}

impl Zone {
    /// The time zone of a column. An unknown name falls back to UTC, which keeps the point in time right.
    pub(super) fn of(data_type: &DataType) -> Self {
        let zone = match data_type {
            DataType::Timestamp(_, Some(name)) => name.parse::<Tz>().ok().map(|zone| (name, zone)),
            _ => None,
        };
        match zone {
            None => Self::Fixed("+00:00".to_owned()),
            Some((name, zone)) if name.starts_with(['+', '-']) => {
                let mut text = String::new();
                Self::Fixed(Self::write(&zone, 0, &mut text).to_owned())
            }
            Some((_, zone)) => Self::Named(zone),
        }
    }

    /// The offset at a time, such as `+05:30`.
    pub(super) fn offset<'b>(&'b self, micros: i64, scratch: &'b mut String) -> &'b str {
        match self {
            Self::Fixed(text) => text,
            Self::Named(zone) => Self::write(zone, micros, scratch),
        }
    }

    fn write<'b>(zone: &Tz, micros: i64, text: &'b mut String) -> &'b str {
        let offset = DateTime::from_timestamp_micros(micros)
            .map_or(0, |time| zone.offset_from_utc_datetime(&time.naive_utc()).fix().local_minus_utc());
        let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
        text.clear();
        // Writing to a string cannot fail.
        let _ = write!(text, "{sign}{:02}:{:02}", minutes / 60, minutes % 60);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(name: &str, micros: i64) -> String {
        let zone = Zone::of(&DataType::Timestamp(TimeUnit::Second, Some(name.into())));
        zone.offset(micros, &mut String::new()).to_owned()
    }

    #[test]
    fn a_named_zone_follows_the_season() {
        assert_eq!(offset("Europe/Berlin", 0), "+01:00");
        assert_eq!(offset("Europe/Berlin", 1_720_000_000_000_000), "+02:00");
        assert_eq!(offset("America/St_Johns", 0), "-03:30");
        assert_eq!(offset("UTC", i64::MAX), "+00:00");
    }

    #[test]
    fn a_fixed_offset_stays() {
        assert_eq!(offset("+05:30", 1_720_000_000_000_000), "+05:30");
        assert_eq!(offset("-0800", 0), "-08:00");
        assert_eq!(offset("Nowhere/Land", 0), "+00:00");
    }

    #[test]
    fn times_are_rounded_down_and_never_wrap() {
        let nanos = TimestampNanosecondArray::from(vec![-1, 1999]);
        let micros = Micros::of(&nanos).unwrap();
        assert_eq!((micros.get(0).unwrap(), micros.get(1).unwrap()), (-1, 1));
        let days = Date32Array::from(vec![-1, i32::MAX]);
        let micros = Micros::of(&days).unwrap();
        assert_eq!(micros.get(0).unwrap(), -DAY);
        assert!(micros.get(1).is_err());
    }
}
