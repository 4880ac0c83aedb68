//! Estimates the size of a function's result from its arguments, rather too high than too low.

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, PrimitiveArray},
        compute::cast,
        datatypes::{
            DataType, Int64Type, IntervalMonthDayNano, IntervalMonthDayNanoType, IntervalUnit, TimeUnit,
            TimestampNanosecondType,
        },
    },
    common::{DataFusionError, Result, ScalarValue},
    logical_expr::ColumnarValue,
};

/// The most character comparisons per batch.
const COMPARISONS: u128 = 2_000_000_000;

/// Estimates the bytes that a function produces from these arguments, for this many rows.
pub(super) type Estimate = fn(&[ColumnarValue], usize) -> Result<u128>;

/// The estimate for a function; `None` if its result cannot be much larger than its arguments.
pub(super) fn of(name: &str) -> Option<Estimate> {
    Some(match name {
        "repeat" => repeat,
        "lpad" | "rpad" => pad,
        "replace" => replace,
        "regexp_replace" => regexp_replace,
        "levenshtein" => levenshtein,
        "array_repeat" => array_repeat,
        "array_resize" => array_resize,
        "range" | "generate_series" => series,
        "array_to_string" => array_to_string,
        "string_to_array" | "split" | "to_char" => |args, rows| Ok(8 * together(args, rows)?),
        "encode" | "translate" => |args, rows| Ok(4 * together(args, rows)?),
        "||" | "concat" | "concat_ws" | "overlay" | "make_array" | "array_concat" | "array_append"
        | "array_prepend" | "named_struct" | "struct" | "map" | "map_concat" | "arrays_zip" => together,
        _ => return None,
    })
}

/// An argument; may be one value for all rows.
struct Argument {
    values: ArrayRef,
    single: bool,
}

impl Argument {
    fn of(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Self { values: ArrayRef::clone(array), single: false },
            ColumnarValue::Scalar(value) => Self { values: value.to_array()?, single: true },
        })
    }

    fn at(&self, row: usize) -> usize {
        if self.single { 0 } else { row }
    }

    /// The bytes of a string, or the average bytes of other values.
    fn length(&self, row: usize) -> u128 {
        let row = self.at(row);
        let length = match self.values.data_type() {
            DataType::Utf8 => self.values.as_string::<i32>().value_length(row).unsigned_abs().into(),
            DataType::LargeUtf8 => self.values.as_string::<i64>().value_length(row).unsigned_abs(),
            DataType::Binary => self.values.as_binary::<i32>().value_length(row).unsigned_abs().into(),
            // The low half of a string view is its length.
            DataType::Utf8View => (self.values.as_string_view().views()[row] as u32).into(),
            _ => (bytes(&self.values) / self.values.len().max(1) as u128) as u64,
        };
        length.into()
    }

    /// The number of elements, if it is a list.
    fn elements(&self, row: usize) -> u128 {
        let row = self.at(row);
        let elements = match self.values.data_type() {
            DataType::List(_) => self.values.as_list::<i32>().value_length(row).unsigned_abs().into(),
            DataType::LargeList(_) => self.values.as_list::<i64>().value_length(row).unsigned_abs(),
            DataType::FixedSizeList(_, size) => size.unsigned_abs().into(),
            _ => 1,
        };
        elements.into()
    }

    /// Whole numbers; NULL for other values.
    fn numbers(&self) -> Result<PrimitiveArray<Int64Type>> {
        Ok(cast(&self.values, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
    }
}

fn arguments<const COUNT: usize>(args: &[ColumnarValue]) -> Result<Option<[Argument; COUNT]>> {
    let arguments: Vec<Argument> = args.iter().take(COUNT).map(Argument::of).collect::<Result<_>>()?;
    Ok(arguments.try_into().ok())
}

/// The number of rows to compute: one if all arguments are constants.
fn rows_of(args: &[ColumnarValue], rows: usize) -> usize {
    let varies = args.iter().any(|arg| matches!(arg, ColumnarValue::Array(_)));
    if varies { rows } else { 1 }
}

fn sum(args: &[ColumnarValue], rows: usize, of: impl Fn(usize) -> u128) -> u128 {
    (0..rows_of(args, rows)).fold(0, |sum, row| sum.saturating_add(of(row)))
}

/// The bytes of an array's own slice of its buffers.
pub(crate) fn bytes(array: &dyn Array) -> u128 {
    let size = match array.data_type() {
        DataType::Utf8 => {
            let offsets = array.as_string::<i32>().value_offsets();
            (offsets[array.len()] - offsets[0]) as usize + 4 * array.len()
        }
        DataType::Utf8View => {
            let lengths = array.as_string_view().views().iter().map(|view| *view as u32 as usize);
            lengths.sum::<usize>() + 16 * array.len()
        }
        _ => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
    };
    size as u128
}

/// The size of an array's largest value, in bytes.
pub(crate) fn widest(array: &ArrayRef) -> u128 {
    let varies = matches!(
        array.data_type(),
        DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Binary
            | DataType::List(_)
            | DataType::LargeList(_)
    );
    let rows = array.len();
    if !varies {
        return bytes(array) / rows.max(1) as u128;
    }
    let values = Argument { values: ArrayRef::clone(array), single: false };
    match array.data_type() {
        DataType::List(_) | DataType::LargeList(_) => {
            let elements: Vec<u128> = (0..rows).map(|row| values.elements(row)).collect();
            let all: u128 = elements.iter().sum();
            bytes(array) * elements.into_iter().max().unwrap_or(0) / all.max(1)
        }
        _ => (0..rows).map(|row| values.length(row)).max().unwrap_or(0),
    }
}

/// The size of all arguments, once per row.
fn together(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let rows = rows_of(args, rows) as u128;
    let size = |arg: &ColumnarValue| match arg {
        ColumnarValue::Array(array) => bytes(array),
        ColumnarValue::Scalar(ScalarValue::Utf8(text)) => text.as_ref().map_or(0, String::len) as u128 * rows,
        ColumnarValue::Scalar(value) => value.size() as u128 * rows,
    };
    Ok(args.iter().map(size).sum())
}

fn repeat(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([text, count]) = arguments(args)? else { return Ok(0) };
    let counts = count.numbers()?;
    Ok(sum(args, rows, |row| text.length(row) * number(&counts, count.at(row))))
}

/// A character has at most four bytes.
fn pad(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([_, count]) = arguments(args)? else { return Ok(0) };
    let counts = count.numbers()?;
    Ok(sum(args, rows, |row| 4 * number(&counts, count.at(row))))
}

fn replace(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([text, from, to]) = arguments(args)? else { return Ok(0) };
    Ok(sum(args, rows, |row| {
        let length = text.length(row);
        length + (length / from.length(row).max(1) + 1) * to.length(row)
    }))
}

/// Matches may be empty, so there can be one more than characters. Captured groups add up to the text itself, once
/// per mention of a group.
fn regexp_replace(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([text, _, to]) = arguments(args)? else { return Ok(0) };
    Ok(sum(args, rows, |row| {
        let (length, replacement) = (text.length(row), to.length(row));
        length + (length + 1) * replacement + length * (replacement / 2)
    }))
}

/// The result is small, but each character is compared with each.
fn levenshtein(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([left, right]) = arguments(args)? else { return Ok(0) };
    let pairs = sum(args, rows, |row| left.length(row) * right.length(row));
    if pairs > COMPARISONS {
        let text = format!("levenshtein() would compare {pairs} pairs of characters, at most {COMPARISONS}");
        return Err(DataFusionError::ResourcesExhausted(text));
    }
    Ok(0)
}

fn array_repeat(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([element, count]) = arguments(args)? else { return Ok(0) };
    let counts = count.numbers()?;
    // The intermediate values take as much again, plus an index per element.
    Ok(sum(args, rows, |row| (2 * element.length(row) + 16) * number(&counts, count.at(row))))
}

fn array_resize(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([list, size]) = arguments(args)? else { return Ok(0) };
    let sizes = size.numbers()?;
    let filler = args.get(2).map(Argument::of).transpose()?;
    let added = |row| 16 + filler.as_ref().map_or(0, |filler| filler.length(row));
    Ok(sum(args, rows, |row| list.length(row) + added(row) * number(&sizes, size.at(row))))
}

fn array_to_string(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let Some([list, between]) = arguments(args)? else { return Ok(0) };
    let null = args.get(2).map(Argument::of).transpose()?;
    // A number has at most 25 characters.
    let around = |row| 25 + between.length(row) + null.as_ref().map_or(0, |null| null.length(row));
    let listed =
        if list.single { bytes(&list.values) * rows_of(args, rows) as u128 } else { bytes(&list.values) };
    Ok(listed + sum(args, rows, |row| list.elements(row) * around(row)))
}

/// `range(stop)`, or start, stop and step.
fn series(args: &[ColumnarValue], rows: usize) -> Result<u128> {
    let ends: Vec<Argument> = args.iter().map(Argument::of).collect::<Result<_>>()?;
    let instants = matches!(
        ends.first().map(|end| end.values.data_type()),
        Some(DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))
    );
    let steps: Vec<Vec<i128>> = ends.iter().map(|end| whole(&end.values, instants)).collect::<Result<_>>()?;
    let at = |end: usize, row: usize| steps[end].get(ends[end].at(row)).copied().unwrap_or(0);
    let count = |row| {
        let (start, stop, step) = match ends.len() {
            1 => (0, at(0, row), 1),
            2 => (at(0, row), at(1, row), 1),
            _ => (at(0, row), at(1, row), at(2, row)),
        };
        let towards = (stop - start).signum() * step.signum() >= 0;
        if step == 0 || !towards { 0 } else { (stop - start).unsigned_abs() / step.unsigned_abs() + 1 }
    };
    // The buffer grows by doubling.
    Ok(sum(args, rows, |row| 16 * count(row)))
}

/// Converts numbers as they are, timestamps and intervals to nanoseconds.
fn whole(array: &ArrayRef, instants: bool) -> Result<Vec<i128>> {
    const DAY: i128 = 86_400_000_000_000;
    if !instants {
        let numbers = cast(array, &DataType::Int64)?;
        return Ok(numbers.as_primitive::<Int64Type>().iter().map(|n| n.unwrap_or(0).into()).collect());
    }
    Ok(match array.data_type() {
        DataType::Interval(_) => {
            let intervals = cast(array, &DataType::Interval(IntervalUnit::MonthDayNano))?;
            let nanos = |interval: IntervalMonthDayNano| {
                (i128::from(interval.months) * 28 + i128::from(interval.days)) * DAY
                    + i128::from(interval.nanoseconds)
            };
            let intervals = intervals.as_primitive::<IntervalMonthDayNanoType>();
            intervals.iter().map(|interval| interval.map_or(0, nanos)).collect()
        }
        DataType::Date32 | DataType::Date64 => {
            let days = cast(&cast(array, &DataType::Date32)?, &DataType::Int32)?;
            whole(&days, false)?.into_iter().map(|days| days * DAY).collect()
        }
        DataType::Timestamp(_, _) => {
            let nanos = cast(array, &DataType::Timestamp(TimeUnit::Nanosecond, None))?;
            let nanos = nanos.as_primitive::<TimestampNanosecondType>();
            nanos.iter().map(|nanos| nanos.unwrap_or(0).into()).collect()
        }
        _ => vec![0; array.len()],
    })
}

fn number(numbers: &PrimitiveArray<Int64Type>, row: usize) -> u128 {
    if numbers.is_null(row) { 0 } else { numbers.value(row).max(0).unsigned_abs().into() }
}
