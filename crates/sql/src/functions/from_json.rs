//! `from_json(text, schema)`: parses JSON into values of the types in a schema text.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, MapArray, StringArray,
            StructArray,
        },
        buffer::{NullBuffer, OffsetBuffer},
        compute::{CastOptions, cast_with_options, concat},
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
        TypeSignature, Volatility,
    },
};
use serde_json::Value;

use super::{schemas::parsed, text::strings};

const NAME: &str = "from_json";
/// The most bytes of text parsed at once, except for a longer first text.
const PARSED: i32 = 1 << 20;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    // Spark's options are accepted and ignored.
    let counts = vec![TypeSignature::Any(2), TypeSignature::Any(3)];
    let signature = Signature::one_of(counts, Volatility::Immutable);
    vec![Arc::new(ScalarUDF::new_from_impl(FromJson { signature }))]
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct FromJson {
    signature: Signature,
}

impl ScalarUDFImpl for FromJson {
    fn name(&self) -> &'static str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        plan_err!("from_json() needs a schema in quotes")
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let schema = args.scalar_arguments.get(1).copied().flatten();
        let Some(schema) = schema.and_then(|schema| schema.try_as_str().flatten()) else {
            return plan_err!("from_json() needs a schema in quotes");
        };
        Ok(Arc::new(Field::new(NAME, parsed(schema)?, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let texts = strings(&args.args[0], args.number_rows)?;
        let kind = args.return_field.data_type();
        // Invalid JSON becomes a struct of NULLs, not NULL.
        let value = |text: &str| match serde_json::from_str::<Value>(text) {
            Ok(value) => value,
            Err(_) if matches!(kind, DataType::Struct(_)) => Value::Object(serde_json::Map::new()),
            Err(_) => Value::Null,
        };
        // Parsed JSON takes many times the memory of its text.
        let (mut parts, mut from) = (Vec::new(), 0);
        while from < texts.len() || parts.is_empty() {
            let mut bytes = 0;
            let rows = (from..texts.len()).take_while(|row| {
                bytes += if *row > from { texts.value_length(*row) } else { 0 };
                bytes < PARSED
            });
            let to = from + rows.count();
            let values: Vec<Option<Value>> =
                (from..to).map(|row| texts.is_valid(row).then(|| value(texts.value(row)))).collect();
            let values: Vec<Option<&Value>> = values.iter().map(Option::as_ref).collect();
            parts.push(array(&values, kind)?);
            from = to;
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

/// Converts values to an array; values of another type become NULL.
fn array(values: &[Option<&Value>], kind: &DataType) -> Result<ArrayRef> {
    let each = values.iter().copied();
    Ok(match kind {
        DataType::Boolean => Arc::new(each.map(|value| value?.as_bool()).collect::<BooleanArray>()),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            safe(Arc::new(each.map(|value| value?.as_i64()).collect::<Int64Array>()), kind)?
        }
        DataType::Float32 | DataType::Float64 => {
            safe(Arc::new(each.map(|value| value?.as_f64()).collect::<Float64Array>()), kind)?
        }
        DataType::Utf8 => Arc::new(each.map(|value| text(value?)).collect::<StringArray>()),
        DataType::Date32 | DataType::Timestamp(..) | DataType::Decimal128(..) => {
            safe(Arc::new(each.map(|value| text(value?)).collect::<StringArray>()), kind)?
        }
        DataType::Struct(fields) => {
            let objects: Vec<_> = each.map(|value| value?.as_object()).collect();
            let column = |field: &FieldRef| {
                let own: Vec<_> = objects.iter().map(|object| (*object)?.get(field.name())).collect();
                array(&own, field.data_type())
            };
            let columns = fields.iter().map(column).collect::<Result<Vec<_>>>()?;
            let nulls: NullBuffer = objects.iter().map(Option::is_some).collect();
            Arc::new(StructArray::try_new_with_length(fields.clone(), columns, Some(nulls), values.len())?)
        }
        DataType::List(field) => {
            let lists: Vec<_> = each.map(|value| value?.as_array()).collect();
            let all: Vec<_> = lists.iter().flatten().flat_map(|list| list.iter().map(Some)).collect();
            let offsets = OffsetBuffer::from_lengths(lists.iter().map(|list| list.map_or(0, Vec::len)));
            let nulls: NullBuffer = lists.iter().map(Option::is_some).collect();
            let items = array(&all, field.data_type())?;
            Arc::new(ListArray::try_new(Arc::clone(field), offsets, items, Some(nulls))?)
        }
        DataType::Map(field, sorted) => {
            let DataType::Struct(entry) = field.data_type() else { return exec_err!("expected a map") };
            let maps: Vec<_> = each.map(|value| value?.as_object()).collect();
            let names: Vec<Value> =
                maps.iter().flatten().flat_map(|map| map.keys().map(|key| key.as_str().into())).collect();
            let keys = array(&names.iter().map(Some).collect::<Vec<_>>(), &DataType::Utf8)?;
            let keys = safe(keys, entry[0].data_type())?;
            if keys.null_count() > 0 {
                return exec_err!("from_json(): a key is no {}", super::type_name(entry[0].data_type()));
            }
            let all: Vec<_> = maps.iter().flatten().flat_map(|map| map.values().map(Some)).collect();
            let items = array(&all, entry[1].data_type())?;
            let offsets =
                OffsetBuffer::from_lengths(maps.iter().map(|map| map.map_or(0, serde_json::Map::len)));
            let nulls: NullBuffer = maps.iter().map(Option::is_some).collect();
            let entries = StructArray::try_new(entry.clone(), vec![keys, items], None)?;
            Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, Some(nulls), *sorted)?)
        }
        other => return exec_err!("from_json(): {} is not supported", super::type_name(other)),
    })
}

/// A string as it is, other values as JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn safe(array: ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..Default::default() };
    Ok(cast_with_options(&array, to, &options)?)
}
