//! Inference from literals that columns are compared with.

use datafusion::sql::sqlparser::ast::{DataType, Expr, TypedString, UnaryOperator, Value};

use super::evidence::{BOOLEAN, EXACT, INTEGER, INTERVAL, MOMENT, NUMBER, TEXT, TIME, Uses};

pub(super) fn number(digits: &str) -> Uses {
    match digits.bytes().all(|digit| digit.is_ascii_digit()) {
        true => INTEGER,
        false => EXACT,
    }
}

pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::EscapedStringLiteral(text) => Some(text.clone()),
        _ => None,
    }
}

pub(super) fn text(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if text_of(&value.value).is_some())
}

/// The uses implied by the type of a cast or a literal.
pub(super) fn typed(data_type: &DataType) -> Uses {
    match data_type {
        DataType::Date | DataType::Date32 => TIME,
        DataType::Datetime(_) | DataType::Timestamp(..) | DataType::TimestampNtz(..) => TIME | MOMENT,
        DataType::Boolean | DataType::Bool => BOOLEAN,
        other => {
            let name = other.to_string().to_uppercase();
            let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
            match () {
                () if starts(&["INTERVAL"]) => INTERVAL,
                () if starts(&["TIMESTAMP", "DATETIME"]) => TIME | MOMENT,
                () if starts(&["BIGINT", "INT", "SMALLINT", "TINYINT", "LONG", "SHORT", "BYTE"]) => INTEGER,
                () if starts(&["DOUBLE", "FLOAT", "REAL"]) => NUMBER,
                () if starts(&["DEC", "NUMERIC", "NUMBER"]) => EXACT,
                () if starts(&["VARCHAR", "CHAR", "STRING", "TEXT", "NVARCHAR"]) => TEXT,
                () => 0,
            }
        }
    }
}

/// The value of a literal, or of a similar constant.
pub(super) fn literal(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, _) => Some(digits.clone()),
            other => text_of(other),
        },
        Expr::TypedString(TypedString { value, .. }) => text_of(&value.value),
        Expr::Nested(inner) | Expr::Cast { expr: inner, .. } => literal(inner),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => literal(expr).map(|digits| format!("-{digits}")),
        _ => None,
    }
}
