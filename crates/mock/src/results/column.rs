//! One column of a batch, prepared for reading value by value without allocations.

use std::fmt::Write;

use sql::arrow::{
    array::{
        Array, AsArray, BooleanArray, Float16Array, Float32Array, Float64Array, Int8Array, Int16Array,
        Int32Array, Int64Array, UInt8Array, UInt16Array, UInt32Array,
    },
    buffer::NullBuffer,
    datatypes::{
        DataType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        UInt8Type, UInt16Type, UInt32Type,
    },
};

use super::{
    super::status::EngineError,
    decimal::Decimals,
    text::Text,
    types::Wire,
    zone::{Micros, Zone},
};

/// A column without dictionaries or runs, read as its wire type.
pub(super) struct Column<'a> {
    nulls: Option<NullBuffer>,
    pub(super) values: Values<'a>,
}

/// The values of a column, by type.
pub(super) enum Values<'a> {
    Null,
    Boolean(&'a BooleanArray),
    Whole(Wholes<'a>),
    Float(Floats<'a>),
    Micros(Micros<'a>),
    ZonedMicros(Micros<'a>, Zone),
    Decimal(Decimals<'a>, i8),
    Text(Text<'a>),
}

impl<'a> Column<'a> {
    /// Reads an unpacked array as a wire type.
    pub(super) fn new(array: &'a dyn Array, wire: Wire) -> Result<Self, EngineError> {
        let values = match wire {
            Wire::Null => Some(Values::Null),
            Wire::Boolean => array.as_boolean_opt().map(Values::Boolean),
            Wire::Byte | Wire::Short | Wire::Integer | Wire::Long => Wholes::of(array).map(Values::Whole),
            Wire::Float | Wire::Double => Floats::of(array).map(Values::Float),
            Wire::Date | Wire::Datetime => Micros::of(array).map(Values::Micros),
            Wire::TimestampTz => {
                Micros::of(array).map(|micros| Values::ZonedMicros(micros, Zone::of(array.data_type())))
            }
            Wire::Decimal128 { scale } => {
                Decimals::of(array).map(|decimals| Values::Decimal(decimals, scale))
            }
            Wire::String | Wire::Binary | Wire::Array | Wire::Map | Wire::Struct => {
                Some(Values::Text(Text::of(array)?))
            }
        };
        let values = values.ok_or(EngineError::Bug("a batch does not have the types of its schema"))?;
        Ok(Self { nulls: array.logical_nulls(), values })
    }

    /// Returns whether the value of a row is null.
    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.as_ref().is_some_and(|nulls| nulls.is_null(row))
    }
}

/// Whole numbers that fit a signed 64-bit integer.
#[derive(Debug)]
pub(super) enum Wholes<'a> {
    I8(&'a Int8Array),
    I16(&'a Int16Array),
    I32(&'a Int32Array),
    I64(&'a Int64Array),
    U8(&'a UInt8Array),
    U16(&'a UInt16Array),
    U32(&'a UInt32Array),
}

impl<'a> Wholes<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Int8 => Self::I8(array.as_primitive::<Int8Type>()),
            DataType::Int16 => Self::I16(array.as_primitive::<Int16Type>()),
            DataType::Int32 => Self::I32(array.as_primitive::<Int32Type>()),
            DataType::Int64 => Self::I64(array.as_primitive::<Int64Type>()),
            DataType::UInt8 => Self::U8(array.as_primitive::<UInt8Type>()),
            DataType::UInt16 => Self::U16(array.as_primitive::<UInt16Type>()),
            DataType::UInt32 => Self::U32(array.as_primitive::<UInt32Type>()),
            _ => return None,
        })
    }

    pub(super) fn get(&self, row: usize) -> i64 {
        match self {
            Self::I8(array) => array.value(row).into(),
            Self::I16(array) => array.value(row).into(),
            Self::I32(array) => array.value(row).into(),
            Self::I64(array) => array.value(row),
            Self::U8(array) => array.value(row).into(),
            Self::U16(array) => array.value(row).into(),
            Self::U32(array) => array.value(row).into(),
        }
    }
}

/// Floating-point numbers.
#[derive(Debug)]
pub(super) enum Floats<'a> {
    F16(&'a Float16Array),
    F32(&'a Float32Array),
    F64(&'a Float64Array),
}

impl<'a> Floats<'a> {
    pub(super) fn of(array: &'a dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Float16 => Self::F16(array.as_primitive::<Float16Type>()),
            DataType::Float32 => Self::F32(array.as_primitive::<Float32Type>()),
            DataType::Float64 => Self::F64(array.as_primitive::<Float64Type>()),
            _ => return None,
        })
    }

    pub(super) fn get(&self, row: usize) -> f64 {
        match self {
            Self::F16(array) => array.value(row).to_f64(),
            Self::F32(array) => array.value(row).into(),
            Self::F64(array) => array.value(row),
        }
    }

    /// Writes a JSON number with no more digits than the width needs; NaN and the infinities, which JSON lacks, as
    /// text.
    pub(super) fn write_json(&self, row: usize, out: &mut String) {
        let value = self.get(row);
        // Writing to a string cannot fail.
        let _ = match self {
            _ if !value.is_finite() => write!(out, "\"{value}\""),
            Self::F32(array) => write!(out, "{:?}", array.value(row)),
            _ => write!(out, "{value:?}"),
        };
    }
}
