//! Columns of generated tables: a name, a type, and a generator of values.

use std::sync::Arc;

use datafusion::arrow::{
    array::{
        ArrayRef, ArrowPrimitiveType, BinaryArray, BooleanArray, Decimal128Array, Float32Array, Float64Array,
        IntervalMonthDayNanoArray, ListArray, MapArray, PrimitiveArray, StringArray, StructArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{
        DataType, Date32Type, DurationMillisecondType, Field, FieldRef, Fields, Int8Type, Int16Type,
        Int32Type, Int64Type, IntervalMonthDayNano, IntervalUnit, Time64MicrosecondType, TimeUnit,
        TimestampMicrosecondType, UInt64Type,
    },
};

use super::random::Random;

/// How the values of a column are generated.
pub(super) enum Make {
    /// Counts up from a number.
    Serial(i128),
    /// Uniform between two numbers, in the unit of the type (days, microseconds, hundredths …).
    Between(i128, i128),
    /// Uniform between two amounts, in hundredths.
    Amount(i128, i128),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Text from the row number.
    Text(fn(usize, &mut Random) -> String),
    /// Bytes, mostly not UTF-8.
    Bytes(usize),
    /// A list of up to this many values.
    List(Box<Column>, usize),
    /// A map with up to one entry per key.
    Map(&'static [&'static str], &'static [&'static str]),
    /// A struct with one value per field.
    Struct(Vec<Column>),
    /// An interval of months, days and seconds.
    Interval,
}

/// A column of a generated table.
pub(super) struct Column {
    name: &'static str,
    data_type: DataType,
    make: Make,
    nulls: u8,
}

impl Column {
    pub(super) fn new(name: &'static str, data_type: DataType, make: Make) -> Self {
        Self { name, data_type, make, nulls: 0 }
    }

    /// Sets the percentage of nulls.
    pub(super) fn nulls(mut self, percent: u8) -> Self {
        self.nulls = percent;
        self
    }

    pub(super) fn field(&self) -> Field {
        Field::new(self.name, self.data_type.clone(), self.nulls > 0)
    }

    /// Generates `rows` values, always the same for the same `owner`.
    pub(super) fn values(&self, owner: &[&str], rows: usize) -> ArrayRef {
        let mut random = Random::named(&[owner, &[self.name]].concat());
        self.array(&mut random, rows)
    }

    fn array(&self, random: &mut Random, rows: usize) -> ArrayRef {
        let nulls: Vec<bool> = (0..rows).map(|_| !random.percent(self.nulls)).collect();
        let valid = NullBuffer::from(nulls);
        match &self.make {
            Make::Serial(first) => self.numbers(&valid, |row| first + row as i128),
            Make::Between(low, high) => {
                let (low, high) = (*low, *high);
                self.numbers(&valid, |_| random.between(low, high))
            }
            Make::Amount(low, high) => self.numbers(&valid, |_| random.between(*low, *high)),
            Make::Choice(words) => self.texts(&valid, |_| random.pick(words).to_owned()),
            Make::Text(make) => self.texts(&valid, |row| make(row, random)),
            Make::Bytes(length) => {
                let make = |_| (0..*length).map(|_| random.next().to_le_bytes()[0]).collect::<Vec<u8>>();
                Arc::new(optional(&valid, make).collect::<BinaryArray>())
            }
            Make::List(item, most) => list(item, *most, random, valid),
            Make::Map(keys, values) => map(keys, values, random, valid),
            Make::Struct(columns) => {
                let fields: Fields = columns.iter().map(Column::field).collect();
                let arrays = columns.iter().map(|column| column.array(random, rows)).collect();
                Arc::new(StructArray::new(fields, arrays, Some(valid)))
            }
            Make::Interval => Arc::new(
                optional(&valid, |_| {
                    let months = i32::try_from(random.index(4)).unwrap_or(0);
                    let days = i32::try_from(random.index(28)).unwrap_or(0);
                    IntervalMonthDayNano::new(months, days, random.index(86_400) as i64 * 1_000_000_000)
                })
                .collect::<IntervalMonthDayNanoArray>(),
            ),
        }
    }

    fn texts(&self, valid: &NullBuffer, make: impl FnMut(usize) -> String) -> ArrayRef {
        Arc::new(optional(valid, make).collect::<StringArray>())
    }

    /// Generates whole numbers in the column's type.
    fn numbers(&self, valid: &NullBuffer, make: impl FnMut(usize) -> i128) -> ArrayRef {
        let values = optional(valid, make);
        match &self.data_type {
            DataType::Boolean => {
                Arc::new(values.map(|value| value.map(|n| n % 2 == 0)).collect::<BooleanArray>())
            }
            DataType::Int8 => primitive::<Int8Type>(values, |n| n as i8),
            DataType::Int16 => primitive::<Int16Type>(values, |n| n as i16),
            DataType::Int32 => primitive::<Int32Type>(values, |n| n as i32),
            DataType::UInt64 => primitive::<UInt64Type>(values, |n| n as u64),
            DataType::Date32 => primitive::<Date32Type>(values, |n| n as i32),
            DataType::Time64(_) => primitive::<Time64MicrosecondType>(values, |n| n as i64),
            DataType::Duration(_) => primitive::<DurationMillisecondType>(values, |n| n as i64),
            DataType::Float32 => {
                Arc::new(values.map(|n| n.map(|n| n as f32 / 100.0)).collect::<Float32Array>())
            }
            DataType::Float64 => {
                Arc::new(values.map(|n| n.map(|n| n as f64 / 100.0)).collect::<Float64Array>())
            }
            DataType::Timestamp(_, zone) => Arc::new(
                values
                    .map(|n| n.map(|n| n as i64))
                    .collect::<PrimitiveArray<TimestampMicrosecondType>>()
                    .with_timezone_opt(zone.clone()),
            ),
            DataType::Decimal128(..) => {
                Arc::new(values.collect::<Decimal128Array>().with_data_type(self.data_type.clone()))
            }
            _ => primitive::<Int64Type>(values, |n| n as i64),
        }
    }
}

fn optional<T>(valid: &NullBuffer, mut make: impl FnMut(usize) -> T) -> impl Iterator<Item = Option<T>> {
    // Nulls draw a value too, so that the percentage of nulls does not change other values.
    valid.iter().enumerate().map(move |(row, valid)| {
        let value = make(row);
        valid.then_some(value)
    })
}

fn primitive<T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<i128>>,
    narrow: fn(i128) -> T::Native,
) -> ArrayRef {
    Arc::new(values.map(|value| value.map(narrow)).collect::<PrimitiveArray<T>>())
}

fn list(item: &Column, most: usize, random: &mut Random, valid: NullBuffer) -> ArrayRef {
    let lengths: Vec<usize> =
        valid.iter().map(|valid| if valid { random.index(most + 1) } else { 0 }).collect();
    let values = item.array(random, lengths.iter().sum());
    let field = Arc::new(item.field());
    Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, Some(valid)))
}

fn map(keys: &[&str], words: &[&str], random: &mut Random, valid: NullBuffer) -> ArrayRef {
    let mut entries = (Vec::new(), Vec::new());
    let mut lengths = Vec::with_capacity(valid.len());
    for valid in valid.iter() {
        let before = entries.0.len();
        for key in keys {
            if valid && random.percent(60) {
                entries.0.push(*key);
                entries.1.push((!random.percent(10)).then(|| random.pick(words)));
            }
        }
        lengths.push(entries.0.len() - before);
    }
    let DataType::Map(field, _) = map_type() else { unreachable!("map_type is a map") };
    let DataType::Struct(fields) = field.data_type().clone() else { unreachable!("entries are structs") };
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(entries.0)), Arc::new(StringArray::from(entries.1))];
    let entries = StructArray::new(fields, columns, None);
    Arc::new(MapArray::new(field, OffsetBuffer::from_lengths(lengths), entries, Some(valid), false))
}

/// The type of a map from text to text.
pub(super) fn map_type() -> DataType {
    let key = Field::new("keys", DataType::Utf8, false);
    let value = Field::new("values", DataType::Utf8, true);
    let entries = DataType::Struct(Fields::from(vec![key, value]));
    DataType::Map(Arc::new(Field::new("entries", entries, false)), false)
}

/// Short constructors of columns, by type.
pub(super) mod of {
    use super::*;

    pub(in super::super) fn long(name: &'static str, make: Make) -> Column {
        Column::new(name, DataType::Int64, make)
    }

    pub(in super::super) fn int(name: &'static str, make: Make) -> Column {
        Column::new(name, DataType::Int32, make)
    }

    pub(in super::super) fn double(name: &'static str, low: i128, high: i128) -> Column {
        Column::new(name, DataType::Float64, Make::Amount(low, high))
    }

    pub(in super::super) fn decimal(
        name: &'static str,
        precision: u8,
        scale: i8,
        low: i128,
        high: i128,
    ) -> Column {
        Column::new(name, DataType::Decimal128(precision, scale), Make::Between(low, high))
    }

    pub(in super::super) fn boolean(name: &'static str) -> Column {
        Column::new(name, DataType::Boolean, Make::Between(0, 1))
    }

    pub(in super::super) fn choice(name: &'static str, words: &'static [&'static str]) -> Column {
        Column::new(name, DataType::Utf8, Make::Choice(words))
    }

    pub(in super::super) fn text(name: &'static str, make: fn(usize, &mut Random) -> String) -> Column {
        Column::new(name, DataType::Utf8, Make::Text(make))
    }

    pub(in super::super) fn bytes(name: &'static str, length: usize) -> Column {
        Column::new(name, DataType::Binary, Make::Bytes(length))
    }

    /// Dates from 2023 to 2025.
    pub(in super::super) fn date(name: &'static str) -> Column {
        Column::new(name, DataType::Date32, Make::Between(19_358, 20_453))
    }

    /// Timestamps in 2024 and 2025.
    pub(in super::super) fn instant(name: &'static str, zone: Option<&str>) -> Column {
        let unit = DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
        Column::new(name, unit, Make::Between(1_704_067_200_000_000, 1_767_225_599_999_999))
    }

    pub(in super::super) fn time(name: &'static str) -> Column {
        Column::new(name, DataType::Time64(TimeUnit::Microsecond), Make::Between(0, 86_399_999_999))
    }

    /// Durations of up to three hours.
    pub(in super::super) fn duration(name: &'static str) -> Column {
        Column::new(name, DataType::Duration(TimeUnit::Millisecond), Make::Between(0, 10_800_000))
    }

    pub(in super::super) fn interval(name: &'static str) -> Column {
        Column::new(name, DataType::Interval(IntervalUnit::MonthDayNano), Make::Interval)
    }

    pub(in super::super) fn list(name: &'static str, item: Column, most: usize) -> Column {
        let field: FieldRef = Arc::new(item.field());
        Column::new(name, DataType::List(field), Make::List(Box::new(item), most))
    }

    pub(in super::super) fn map(
        name: &'static str,
        keys: &'static [&'static str],
        words: &'static [&'static str],
    ) -> Column {
        Column::new(name, map_type(), Make::Map(keys, words))
    }

    pub(in super::super) fn structure(name: &'static str, columns: Vec<Column>) -> Column {
        let fields = columns.iter().map(Column::field).collect();
        Column::new(name, DataType::Struct(fields), Make::Struct(columns))
    }
}
