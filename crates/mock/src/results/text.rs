//! Columns whose values are sent as text.

use std::fmt::Write;

use sql::arrow::{
    array::{
        Array, AsArray, BinaryArray, BinaryViewArray, FixedSizeBinaryArray, LargeBinaryArray,
        LargeStringArray, StringArray, StringViewArray,
    },
    datatypes::DataType,
    util::display::{ArrayFormatter, DurationFormat, FormatOptions},
};

use super::{super::status::EngineError, json::Json, unrepresentable};

/// The format of times, intervals, durations, and types without a wire form of their own.
const SHOWN: FormatOptions<'static> =
    FormatOptions::new().with_display_error(false).with_duration_format(DurationFormat::Pretty);

/// A column of text, or of values that are formatted as text.
pub(super) enum Text<'a> {
    Utf8(&'a StringArray),
    LargeUtf8(&'a LargeStringArray),
    Utf8View(&'a StringViewArray),
    Binary(&'a BinaryArray),
    LargeBinary(&'a LargeBinaryArray),
    BinaryView(&'a BinaryViewArray),
    FixedSizeBinary(&'a FixedSizeBinaryArray),
    Json(Box<Json<'a>>),
    Shown(ArrayFormatter<'a>),
}

impl<'a> Text<'a> {
    /// Reads any column as text; lists, maps and structs as JSON.
    pub(super) fn of(array: &'a dyn Array) -> Result<Self, EngineError> {
        Ok(match array.data_type() {
            DataType::Utf8 => Self::Utf8(array.as_string::<i32>()),
            DataType::LargeUtf8 => Self::LargeUtf8(array.as_string::<i64>()),
            DataType::Utf8View => Self::Utf8View(array.as_string_view()),
            DataType::Binary => Self::Binary(array.as_binary::<i32>()),
            DataType::LargeBinary => Self::LargeBinary(array.as_binary::<i64>()),
            DataType::BinaryView => Self::BinaryView(array.as_binary_view()),
            DataType::FixedSizeBinary(_) => Self::FixedSizeBinary(array.as_fixed_size_binary()),
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Map(_, _)
            | DataType::Struct(_) => Self::Json(Box::new(Json::of(array)?)),
            _ => Self::shown(array)?,
        })
    }

    /// Reads a column as Arrow formats it.
    pub(super) fn shown(array: &'a dyn Array) -> Result<Self, EngineError> {
        let formatter = ArrayFormatter::try_new(array, &SHOWN);
        Ok(Self::Shown(formatter.map_err(|error| unrepresentable(error.to_string()))?))
    }

    /// The text of a row that is not null, written to `scratch` if needed.
    pub(super) fn get<'b>(&'b self, row: usize, scratch: &'b mut String) -> Result<&'b str, EngineError> {
        Ok(match self {
            Self::Utf8(array) => array.value(row),
            Self::LargeUtf8(array) => array.value(row),
            Self::Utf8View(array) => array.value(row),
            Self::Binary(array) => utf8_or_hex(array.value(row), scratch),
            Self::LargeBinary(array) => utf8_or_hex(array.value(row), scratch),
            Self::BinaryView(array) => utf8_or_hex(array.value(row), scratch),
            Self::FixedSizeBinary(array) => utf8_or_hex(array.value(row), scratch),
            Self::Json(json) => {
                scratch.clear();
                json.write(row, scratch)?;
                scratch
            }
            Self::Shown(formatter) => {
                scratch.clear();
                write!(scratch, "{}", formatter.value(row))
                    .map_err(|_| unrepresentable("a value is out of the range that can be shown"))?;
                scratch
            }
        })
    }
}

/// UTF-8 bytes unchanged, others as lower-case hex, because clients decode them as UTF-8.
fn utf8_or_hex<'b>(bytes: &'b [u8], scratch: &'b mut String) -> &'b str {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            scratch.clear();
            for byte in bytes {
                scratch.push(char::from(DIGITS[usize::from(byte >> 4)]));
                scratch.push(char::from(DIGITS[usize::from(byte & 15)]));
            }
            scratch
        }
    }
}
