//! SQL types whose meaning differs from DataFusion's.

use std::sync::Arc;

use datafusion::{
    arrow::datatypes::{DataType, Field, FieldRef, TimeUnit},
    common::{DataFusionError, Result},
    logical_expr::planner::TypePlanner,
    sql::sqlparser::ast::{ArrayElemTypeDef, DataType as SqlType, TimezoneInfo},
};

/// The most elements of a fixed-length array type: a null takes as much memory.
const ELEMENTS: u64 = 1000;

/// Timestamps have microseconds, like results, and so reach from year -290000 to 290000. Those with a time zone are
/// in UTC.
#[derive(Debug)]
pub(super) struct Types;

impl TypePlanner for Types {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let column = |data_type| Ok(Some(Arc::new(Field::new("", data_type, true)) as FieldRef));
        let (precision, zone) = match sql_type {
            // Type names as in lists of columns.
            SqlType::Custom(name, modifiers) if modifiers.is_empty() => {
                return match name.to_string().to_ascii_uppercase().as_str() {
                    "LONG" => column(DataType::Int64),
                    "SHORT" => column(DataType::Int16),
                    "BYTE" => column(DataType::Int8),
                    "VARIANT" => column(DataType::Utf8),
                    "TIMESTAMP_TZ" | "TIMESTAMP_LTZ" | "TIMESTAMPTZ" => {
                        column(DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))
                    }
                    _ => Ok(None),
                };
            }
            SqlType::JSON | SqlType::JSONB => return column(DataType::Utf8),
            SqlType::Varbinary(_) | SqlType::Binary(_) => return column(DataType::Binary),
            SqlType::Timestamp(precision, zone) => {
                (precision, matches!(zone, TimezoneInfo::WithTimeZone | TimezoneInfo::Tz))
            }
            SqlType::TimestampNtz(precision) | SqlType::Datetime(precision) => (precision, false),
            SqlType::Array(ArrayElemTypeDef::SquareBracket(_, Some(length))) if *length > ELEMENTS => {
                let text = format!("{sql_type}: an array type has {ELEMENTS} elements at most");
                return Err(DataFusionError::Plan(text));
            }
            _ => return Ok(None),
        };
        let unit = match precision {
            Some(0) => TimeUnit::Second,
            Some(1..=3) => TimeUnit::Millisecond,
            None | Some(4..=6) => TimeUnit::Microsecond,
            Some(7..=9) => TimeUnit::Nanosecond,
            Some(_) => {
                let text = format!("{sql_type}: a timestamp has 9 digits of a second at most");
                return Err(DataFusionError::Plan(text));
            }
        };
        let zone = zone.then(|| "UTC".into());
        column(DataType::Timestamp(unit, zone))
    }
}
