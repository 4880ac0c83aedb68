//! Type names: in result metadata, in vectors, in column lists and of parameters.

use std::sync::Arc;

use sql::arrow::datatypes::{DataType, Field, FieldRef, Fields, TimeUnit};

use super::super::status::EngineError;

/// The most digits that fit the 16 bytes of a DECIMAL128.
const MOST_DIGITS: u8 = 38;

/// The wire type of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    Boolean,
    Byte,
    Short,
    Integer,
    Long,
    Float,
    Double,
    String,
    Binary,
    Date,
    Datetime,
    TimestampTz,
    Decimal128 { scale: i8 },
    Array,
    Map,
    Struct,
    Null,
}

impl Wire {
    /// The wire type of an Arrow type. Unsigned 64-bit numbers are decimals, because not all of them fit a LONG.
    pub(crate) fn of(data_type: &DataType) -> Self {
        match data_type {
            DataType::Null => Self::Null,
            DataType::Boolean => Self::Boolean,
            DataType::Int8 => Self::Byte,
            DataType::Int16 | DataType::UInt8 => Self::Short,
            DataType::Int32 | DataType::UInt16 => Self::Integer,
            DataType::UInt64 => Self::Decimal128 { scale: 0 },
            DataType::Int64 | DataType::UInt32 => Self::Long,
            DataType::Float16 | DataType::Float32 => Self::Float,
            DataType::Float64 => Self::Double,
            DataType::Date32 | DataType::Date64 => Self::Date,
            DataType::Timestamp(_, None) => Self::Datetime,
            DataType::Timestamp(_, Some(_)) => Self::TimestampTz,
            DataType::Decimal32(_, scale)
            | DataType::Decimal64(_, scale)
            | DataType::Decimal128(_, scale) => Self::Decimal128 { scale: *scale },
            DataType::Decimal256(digits, scale) if *digits <= MOST_DIGITS => {
                Self::Decimal128 { scale: *scale }
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::Binary,
            DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_) => Self::Array,
            DataType::Map(_, _) => Self::Map,
            DataType::Struct(_) => Self::Struct,
            DataType::Dictionary(_, values) => Self::of(values),
            DataType::RunEndEncoded(_, values) => Self::of(values.data_type()),
            DataType::Utf8
            | DataType::LargeUtf8
            | DataType::Utf8View
            | DataType::Decimal256(_, _)
            | DataType::Time32(_)
            | DataType::Time64(_)
            | DataType::Duration(_)
            | DataType::Interval(_)
            | DataType::Union(_, _) => Self::String,
        }
    }

    /// The name in result metadata. There is none for a column of only NULL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "BOOLEAN",
            Self::Byte => "BYTE",
            Self::Short => "SHORT",
            Self::Integer => "INTEGER",
            Self::Long => "LONG",
            Self::Float => "FLOAT",
            Self::Double => "DOUBLE",
            Self::String | Self::Null => "STRING",
            Self::Binary => "BINARY",
            Self::Date => "DATE",
            Self::Datetime => "DATETIME",
            Self::TimestampTz => "TIMESTAMP_TZ",
            Self::Decimal128 { .. } => "DECIMAL128",
            Self::Array => "ARRAY",
            Self::Map => "MAP",
            Self::Struct => "STRUCT",
        }
    }

    /// The `VectorType` of its vectors.
    pub(crate) fn vector_type(self) -> i32 {
        match self {
            Self::Binary => 0,
            Self::Boolean => 1,
            Self::Double => 2,
            Self::Float => 3,
            Self::Byte | Self::Short | Self::Integer => 5,
            Self::Long => 6,
            Self::String => 7,
            Self::Date => 8,
            Self::Datetime => 9,
            Self::Struct => 11,
            Self::Map => 12,
            Self::Array => 13,
            Self::Null => 14,
            Self::TimestampTz => 15,
            Self::Decimal128 { .. } => 16,
        }
    }
}

/// The type name in a list of columns, as the SQLAlchemy dialect expects it.
pub(crate) fn field_type(data_type: &DataType) -> String {
    match data_type {
        DataType::UInt64 => "DECIMAL(20,0)".to_owned(),
        DataType::Decimal32(digits, scale)
        | DataType::Decimal64(digits, scale)
        | DataType::Decimal128(digits, scale) => format!("DECIMAL({digits},{scale})"),
        DataType::Decimal256(digits, scale) if *digits <= MOST_DIGITS => {
            format!("DECIMAL({digits},{scale})")
        }
        DataType::Dictionary(_, values) => field_type(values),
        DataType::RunEndEncoded(_, values) => field_type(values.data_type()),
        other => match Wire::of(other) {
            Wire::Byte => "TINYINT",
            Wire::Datetime | Wire::TimestampTz => "TIMESTAMP",
            wire => wire.name(),
        }
        .to_owned(),
    }
}

/// The name of a parameter's type, which [`parameter_type`] reads back.
pub(crate) fn parameter_name(data_type: Option<&DataType>) -> String {
    match data_type {
        None | Some(DataType::Null) => String::new(),
        Some(DataType::Timestamp(_, None)) => "DATETIME".to_owned(),
        Some(DataType::Timestamp(_, Some(_))) => "TIMESTAMP_TZ".to_owned(),
        Some(DataType::Int8) => "BYTE".to_owned(),
        Some(other) => field_type(other),
    }
}

/// The type that a parameter's text is cast to. `Ok(None)` leaves it to the plan.
pub(crate) fn parameter_type(name: &str, value: &str) -> Result<Option<DataType>, EngineError> {
    let (word, arguments) = name.split_once('(').unwrap_or((name, ""));
    let data_type = match word.trim().to_ascii_uppercase().as_str() {
        "" | "NULL" => return Ok(None),
        "BOOLEAN" | "BOOL" => DataType::Boolean,
        "BYTE" | "TINYINT" => DataType::Int8,
        "SHORT" | "SMALLINT" => DataType::Int16,
        "INTEGER" | "INT" => DataType::Int32,
        "LONG" | "BIGINT" => DataType::Int64,
        "FLOAT" | "REAL" => DataType::Float32,
        "DOUBLE" => DataType::Float64,
        "STRING" | "VARCHAR" | "CHAR" | "TEXT" => DataType::Utf8,
        "BINARY" => DataType::Binary,
        "DATE" => DataType::Date32,
        "DATETIME" | "TIMESTAMP" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "TIMESTAMP_TZ" => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
        "DECIMAL128" | "DECIMAL" | "NUMERIC" => decimal(name, arguments, value)?,
        _ => return Err(EngineError::invalid(format!("unknown parameter type '{name}'"))),
    };
    Ok(Some(data_type))
}

/// `DECIMAL(p,s)`; without arguments the scale is that of the value.
fn decimal(name: &str, arguments: &str, value: &str) -> Result<DataType, EngineError> {
    let invalid = || EngineError::invalid(format!("parameter type '{name}': expected DECIMAL(1..38,scale)"));
    let arguments = arguments.trim().trim_end_matches(')').trim();
    if arguments.is_empty() {
        let fraction = value.trim().split_once('.').map_or(0, |(_, digits)| digits.len());
        let scale = i8::try_from(fraction).ok().filter(|scale| *scale <= 38).ok_or_else(invalid)?;
        return Ok(DataType::Decimal128(MOST_DIGITS, scale));
    }
    let (digits, scale) = arguments.split_once(',').unwrap_or((arguments, "0"));
    let digits: u8 = digits.trim().parse().map_err(|_| invalid())?;
    let scale: i8 = scale.trim().parse().map_err(|_| invalid())?;
    if !(1..=MOST_DIGITS).contains(&digits) || scale.unsigned_abs() > digits {
        return Err(invalid());
    }
    Ok(DataType::Decimal128(digits, scale))
}

/// The type without dictionaries and runs, at any depth; `None` if it has none.
pub(super) fn unpacked(data_type: &DataType) -> Option<DataType> {
    let inside = |field: &FieldRef| unpacked_field(field).map(Arc::new);
    match data_type {
        DataType::Dictionary(_, values) => Some(unpacked(values).unwrap_or_else(|| values.as_ref().clone())),
        DataType::RunEndEncoded(_, values) => {
            Some(unpacked(values.data_type()).unwrap_or_else(|| values.data_type().clone()))
        }
        DataType::List(field) => inside(field).map(DataType::List),
        DataType::LargeList(field) => inside(field).map(DataType::LargeList),
        DataType::ListView(field) => inside(field).map(DataType::ListView),
        DataType::LargeListView(field) => inside(field).map(DataType::LargeListView),
        DataType::FixedSizeList(field, size) => {
            inside(field).map(|field| DataType::FixedSizeList(field, *size))
        }
        DataType::Map(entries, sorted) => inside(entries).map(|entries| DataType::Map(entries, *sorted)),
        DataType::Struct(fields) if fields.iter().any(|field| unpacked(field.data_type()).is_some()) => {
            let flat = |field: &FieldRef| inside(field).unwrap_or_else(|| Arc::clone(field));
            Some(DataType::Struct(fields.iter().map(flat).collect::<Fields>()))
        }
        _ => None,
    }
}

fn unpacked_field(field: &Field) -> Option<Field> {
    Some(field.clone().with_data_type(unpacked(field.data_type())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn column_lists_use_the_dialects_type_names() {
        for (data_type, name) in [
            (DataType::Int8, "TINYINT"),
            (DataType::Int64, "LONG"),
            (DataType::UInt64, "DECIMAL(20,0)"),
            (DataType::Decimal128(10, 2), "DECIMAL(10,2)"),
            (DataType::Decimal256(50, 2), "STRING"),
            (DataType::Timestamp(TimeUnit::Nanosecond, None), "TIMESTAMP"),
            (DataType::Timestamp(TimeUnit::Second, Some("UTC".into())), "TIMESTAMP"),
            (DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8)), "STRING"),
            (DataType::Time64(TimeUnit::Nanosecond), "STRING"),
            (DataType::Null, "STRING"),
        ] {
            assert_eq!(field_type(&data_type), name, "{data_type}");
        }
    }

    #[test]
    fn parameter_types_ignore_case() {
        for (name, value, expected) in [
            ("", "1", None),
            ("long", "1", Some(DataType::Int64)),
            ("Int", "1", Some(DataType::Int32)),
            ("DECIMAL128(10, 2)", "1", Some(DataType::Decimal128(10, 2))),
            ("decimal(10)", "1", Some(DataType::Decimal128(10, 0))),
            ("DECIMAL", "1.250", Some(DataType::Decimal128(38, 3))),
            ("TIMESTAMP_TZ", "", Some(DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())))),
        ] {
            assert_eq!(parameter_type(name, value).unwrap(), expected, "{name}");
        }
        for name in ["QUUX", "DECIMAL(0,0)", "DECIMAL(39,1)", "DECIMAL(5,x)", "DECIMAL(5,6)"] {
            assert!(parameter_type(name, "1").is_err(), "{name}");
        }
    }

    #[test]
    fn dictionaries_are_unpacked_at_any_depth() {
        let packed = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Utf8));
        let list = |item: DataType| DataType::List(Arc::new(Field::new("item", item, true)));
        assert_eq!(unpacked(&packed), Some(DataType::Utf8));
        assert_eq!(unpacked(&list(list(packed))), Some(list(list(DataType::Utf8))));
        assert_eq!(unpacked(&list(DataType::Int8)), None);
    }
}
