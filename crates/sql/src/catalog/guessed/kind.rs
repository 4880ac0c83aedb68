//! The types of generated columns, and inference from a name alone.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, TimeUnit};

use super::key::is_key;
use crate::catalog::column::map_type;

/// The type of a generated column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Long,
    Decimal,
    Double,
    Date,
    Timestamp,
    Text,
    List,
    Map,
}

impl Kind {
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Boolean => DataType::Boolean,
            Self::Long => DataType::Int64,
            Self::Decimal => DataType::Decimal128(18, 2),
            Self::Double => DataType::Float64,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Text => DataType::Utf8,
            Self::List => DataType::List(Arc::new(Field::new("item", DataType::Utf8, true))),
            Self::Map => map_type(),
        }
    }

    /// Infers the type from a name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let lower = name.to_lowercase();
        if let Some(time) = Self::time_named(&lower) {
            return Some(time);
        }
        match lower.as_str() {
            "amount" => Some(Self::Double),
            _ if lower.starts_with("is_") || lower.starts_with("has_") => Some(Self::Boolean),
            _ if is_key(name) => Some(Self::Long),
            _ => None,
        }
    }

    /// Infers DATE or TIMESTAMP from a lower-case name.
    pub(crate) fn time_named(lower: &str) -> Option<Self> {
        let ends = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
        if ends(&["_at", "_ts", "_time", "timestamp", "datetime"]) {
            return Some(Self::Timestamp);
        }
        let other = ends(&["update", "candidate", "mandate", "validate"]);
        (ends(&["date", "_dt", "_day"]) && !other).then_some(Self::Date)
    }
}
