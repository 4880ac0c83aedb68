//! Type names in SQL, and maps from entries.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, MapArray, StringArray},
        datatypes::{DataType, Field, TimeUnit},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::simple::{function, text};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        function("typeof", &[1], text, |args, rows| {
            let name = name(&args[0].data_type());
            Ok(Arc::new(StringArray::from(vec![name; rows])))
        }),
        function("map_from_entries", &[1], entries_type, map_from_entries),
    ]
}

/// The name of a type as Spark writes it.
pub(crate) fn name(data_type: &DataType) -> String {
    match data_type {
        DataType::Null => "void".into(),
        DataType::Boolean => "boolean".into(),
        DataType::Int8 => "tinyint".into(),
        DataType::Int16 | DataType::UInt8 => "smallint".into(),
        DataType::Int32 | DataType::UInt16 => "int".into(),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "bigint".into(),
        DataType::Float16 | DataType::Float32 => "float".into(),
        DataType::Float64 => "double".into(),
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("decimal({precision},{scale})"),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "string".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "binary".into(),
        DataType::Date32 | DataType::Date64 => "date".into(),
        DataType::Time32(_) | DataType::Time64(_) => "time".into(),
        DataType::Timestamp(TimeUnit::Second | TimeUnit::Millisecond, _) | DataType::Timestamp(_, None) => {
            "timestamp".into()
        }
        DataType::Timestamp(_, Some(_)) => "timestamp_tz".into(),
        DataType::Interval(_) | DataType::Duration(_) => "interval".into(),
        DataType::List(field) | DataType::LargeList(field) => format!("array<{}>", name(field.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}:{}", field.name(), name(field.data_type()))).collect();
            format!("struct<{}>", fields.join(","))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => {
                format!("map<{},{}>", name(fields[0].data_type()), name(fields[1].data_type()))
            }
            _ => "map".into(),
        },
        DataType::Dictionary(_, values) => name(values),
        other => other.to_string().to_lowercase(),
    }
}

fn entries_type(types: &[DataType]) -> Result<DataType> {
    let entry = match types {
        [DataType::List(item)] => match item.data_type() {
            DataType::Struct(fields) if fields.len() == 2 => Some(fields),
            _ => None,
        },
        _ => None,
    };
    let Some(entry) = entry else { return plan_err!("map_from_entries(): expected a list of pairs") };
    let key = Field::new("key", entry[0].data_type().clone(), false);
    let value = Field::new("value", entry[1].data_type().clone(), true);
    let entries = Field::new("entries", DataType::Struct(vec![key, value].into()), false);
    Ok(DataType::Map(Arc::new(entries), false))
}

fn map_from_entries(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].to_array(rows)?;
    let DataType::Map(field, sorted) = entries_type(&[lists.data_type().clone()])? else {
        return exec_err!("map_from_entries(): expected a list of pairs");
    };
    let lists = lists.as_list::<i32>();
    let pairs = lists.values().as_struct();
    let DataType::Struct(fields) = field.data_type().clone() else {
        return exec_err!("map_from_entries(): expected a list of pairs");
    };
    if pairs.column(0).null_count() > 0 || pairs.null_count() > 0 {
        return exec_err!("map_from_entries(): a key is NULL");
    }
    let entries = datafusion::arrow::array::StructArray::try_new(fields, pairs.columns().to_vec(), None)?;
    let map = MapArray::try_new(field, lists.offsets().clone(), entries, lists.nulls().cloned(), sorted)?;
    Ok(Arc::new(map))
}
