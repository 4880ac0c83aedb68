//! Lists, maps and structs as JSON text.

use std::{fmt::Write, ops::Range};

use sql::arrow::{
    array::{Array, AsArray, BooleanArray, GenericListViewArray, OffsetSizeTrait},
    buffer::NullBuffer,
    datatypes::{ArrowNativeType, DataType},
};

use super::{
    super::status::EngineError,
    column::{Floats, Wholes},
    decimal::{Decimals, write_decimal},
    text::Text,
};

/// A column as JSON: prepared once, then written row by row.
pub(super) struct Json<'a> {
    nulls: Option<NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Whole(Wholes<'a>),
    Float(Floats<'a>),
    Decimal(Decimals<'a>, i8),
    Text(Text<'a>),
    List(Ranges<'a>, Box<Json<'a>>),
    Map(&'a [i32], Box<Json<'a>>, Box<Json<'a>>),
    Struct(Vec<(String, Json<'a>)>),
}

/// The range of a row's items.
enum Ranges<'a> {
    Offsets(&'a [i32]),
    LargeOffsets(&'a [i64]),
    Fixed(usize),
    Views(&'a [i32], &'a [i32]),
    LargeViews(&'a [i64], &'a [i64]),
}

impl Ranges<'_> {
    fn get(&self, row: usize) -> Range<usize> {
        match self {
            Self::Offsets(offsets) => offsets[row].as_usize()..offsets[row + 1].as_usize(),
            Self::LargeOffsets(offsets) => offsets[row].as_usize()..offsets[row + 1].as_usize(),
            Self::Fixed(size) => row * size..(row + 1) * size,
            Self::Views(starts, sizes) => viewed(starts, sizes, row),
            Self::LargeViews(starts, sizes) => viewed(starts, sizes, row),
        }
    }
}

fn viewed<O: OffsetSizeTrait>(starts: &[O], sizes: &[O], row: usize) -> Range<usize> {
    let start = starts[row].as_usize();
    start..start + sizes[row].as_usize()
}

impl<'a> Json<'a> {
    /// Prepares a column without dictionaries or runs.
    pub(super) fn of(array: &'a dyn Array) -> Result<Self, EngineError> {
        Ok(Self { nulls: array.logical_nulls(), values: Values::of(array)? })
    }

    /// Appends the value of a row as JSON.
    pub(super) fn write(&self, row: usize, out: &mut String) -> Result<(), EngineError> {
        if self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            out.push_str("null");
            return Ok(());
        }
        match &self.values {
            Values::Null => out.push_str("null"),
            Values::Boolean(array) => out.push_str(if array.value(row) { "true" } else { "false" }),
            // Writing to a string cannot fail, here and below.
            Values::Whole(wholes) => drop(write!(out, "{}", wholes.get(row))),
            Values::Float(floats) => floats.write_json(row, out),
            Values::Decimal(decimals, scale) => write_decimal(out, decimals.get(row)?, *scale),
            Values::Text(text) => write_text(text.get(row, &mut String::new())?, out),
            Values::List(ranges, items) => write_list(items, ranges.get(row), out)?,
            Values::Map(offsets, keys, values) => {
                out.push('{');
                let range = offsets[row].as_usize()..offsets[row + 1].as_usize();
                for index in range.clone() {
                    if index > range.start {
                        out.push(',');
                    }
                    keys.write_key(index, out)?;
                    out.push(':');
                    values.write(index, out)?;
                }
                out.push('}');
            }
            Values::Struct(fields) => {
                out.push('{');
                for (index, (name, values)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(name);
                    out.push(':');
                    values.write(row, out)?;
                }
                out.push('}');
            }
        }
        Ok(())
    }

    /// Writes a key, which is text whatever its type.
    fn write_key(&self, row: usize, out: &mut String) -> Result<(), EngineError> {
        if matches!(self.values, Values::Text(_)) {
            return self.write(row, out);
        }
        let mut key = String::new();
        self.write(row, &mut key)?;
        write_text(&key, out);
        Ok(())
    }
}

impl<'a> Values<'a> {
    fn of(array: &'a dyn Array) -> Result<Self, EngineError> {
        if let Some(wholes) = Wholes::of(array) {
            return Ok(Self::Whole(wholes));
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean(array.as_boolean()),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => match Floats::of(array) {
                Some(floats) => Self::Float(floats),
                None => Self::Text(Text::shown(array)?),
            },
            DataType::UInt64 => Self::decimal(array, 0)?,
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale)
            | DataType::Decimal256(..=38, scale) => Self::decimal(array, *scale)?,
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                Self::list(Ranges::Offsets(list.value_offsets()), list.values())?
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Self::list(Ranges::LargeOffsets(list.value_offsets()), list.values())?
            }
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                Self::list(Ranges::Fixed(size.as_usize()), list.values())?
            }
            DataType::ListView(_) => {
                let list: &GenericListViewArray<i32> = array.as_list_view();
                Self::list(Ranges::Views(list.value_offsets(), list.value_sizes()), list.values())?
            }
            DataType::LargeListView(_) => {
                let list: &GenericListViewArray<i64> = array.as_list_view();
                Self::list(Ranges::LargeViews(list.value_offsets(), list.value_sizes()), list.values())?
            }
            DataType::Map(_, _) => {
                let map = array.as_map();
                let (keys, values) = (Json::of(map.keys())?, Json::of(map.values())?);
                Self::Map(map.value_offsets(), Box::new(keys), Box::new(values))
            }
            DataType::Struct(fields) => {
                let columns = fields.iter().zip(array.as_struct().columns());
                let named = columns.map(|(field, column)| {
                    let mut name = String::new();
                    write_text(field.name(), &mut name);
                    Ok((name, Json::of(column)?))
                });
                Self::Struct(named.collect::<Result<_, EngineError>>()?)
            }
            _ => Self::Text(Text::of(array)?),
        })
    }

    fn list(ranges: Ranges<'a>, items: &'a dyn Array) -> Result<Self, EngineError> {
        Ok(Self::List(ranges, Box::new(Json::of(items)?)))
    }

    fn decimal(array: &'a dyn Array, scale: i8) -> Result<Self, EngineError> {
        Ok(match Decimals::of(array) {
            Some(decimals) => Self::Decimal(decimals, scale),
            None => Self::Text(Text::shown(array)?),
        })
    }
}

fn write_list(items: &Json<'_>, range: Range<usize>, out: &mut String) -> Result<(), EngineError> {
    out.push('[');
    for index in range.clone() {
        if index > range.start {
            out.push(',');
        }
        items.write(index, out)?;
    }
    out.push(']');
    Ok(())
}

/// Appends a JSON string.
fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => drop(write!(out, "\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
    }
    out.push('"');
}
