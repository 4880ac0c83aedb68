//! Functions with a lambda of two arguments: `zip_with`, and `map_filter`, `transform_keys`, `transform_values` of
//! maps.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, ListArray, MapArray, StructArray, UInt32Array},
        buffer::{NullBuffer, OffsetBuffer},
        compute::{filter, prep_null_mask_filter, take, take_arrays},
        datatypes::{DataType, Field, FieldRef, Fields},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{
        ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
        HigherOrderUDF, HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda, Volatility,
    },
};

pub(super) fn functions() -> Vec<Arc<HigherOrderUDF>> {
    let own = |does: Does| {
        let signature = HigherOrderSignature::user_defined(Volatility::Immutable);
        Arc::new(HigherOrderUDF::new_from_impl(Pairs { does, signature }))
    };
    [Does::Zip, Does::Filter, Does::Keys, Does::Values].map(own).into()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Does {
    Zip,
    Filter,
    Keys,
    Values,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Pairs {
    does: Does,
    signature: HigherOrderSignature,
}

/// The flattened pairs of a column of lists or maps.
struct Flat {
    firsts: ArrayRef,
    seconds: ArrayRef,
    /// The row of each pair.
    rows: UInt32Array,
    lengths: Vec<usize>,
    nulls: NullBuffer,
}

impl Pairs {
    fn expected<T>(&self) -> Result<T> {
        match self.does {
            Does::Zip => plan_err!("zip_with(): expected two lists and (x, y) -> …"),
            _ => plan_err!("{}(): expected a map and (key, value) -> …", self.name()),
        }
    }

    /// The types of the lambda's arguments.
    fn types(&self, values: &[DataType]) -> Result<[DataType; 2]> {
        match (self.does, values) {
            (Does::Zip, [DataType::List(first), DataType::List(second)]) => {
                Ok([first.data_type().clone(), second.data_type().clone()])
            }
            (Does::Filter | Does::Keys | Does::Values, [DataType::Map(entries, _)]) => {
                match entries.data_type() {
                    DataType::Struct(fields) if fields.len() == 2 => {
                        Ok([fields[0].data_type().clone(), fields[1].data_type().clone()])
                    }
                    _ => self.expected(),
                }
            }
            _ => self.expected(),
        }
    }

    fn values<L>(&self, fields: &[ValueOrLambda<FieldRef, L>]) -> Result<[DataType; 2]> {
        let Some((ValueOrLambda::Lambda(_), values)) = fields.split_last() else { return self.expected() };
        let one = |field: &ValueOrLambda<FieldRef, L>| match field {
            ValueOrLambda::Value(field) => Some(field.data_type().clone()),
            ValueOrLambda::Lambda(_) => None,
        };
        match values.iter().map(one).collect::<Option<Vec<_>>>() {
            Some(values) => self.types(&values),
            None => self.expected(),
        }
    }

    fn flat(&self, values: &[ArrayRef]) -> Result<Flat> {
        let rows = values[0].len();
        let (mut first, mut second): (Vec<Option<u32>>, Vec<Option<u32>>) = (Vec::new(), Vec::new());
        let (mut of, mut lengths, mut valid) =
            (Vec::new(), Vec::with_capacity(rows), Vec::with_capacity(rows));
        let (firsts, seconds, offsets): (ArrayRef, ArrayRef, [&[i32]; 2]) = match values {
            [one, other] => {
                let (one, other) = (one.as_list::<i32>(), other.as_list::<i32>());
                (
                    Arc::clone(one.values()),
                    Arc::clone(other.values()),
                    [one.value_offsets(), other.value_offsets()],
                )
            }
            _ => {
                let map = values[0].as_map();
                (Arc::clone(map.keys()), Arc::clone(map.values()), [map.value_offsets(), map.value_offsets()])
            }
        };
        for row in 0..rows {
            let there = values.iter().all(|array| array.is_valid(row));
            let [one, other] = offsets.map(|offsets| offsets[row]..offsets[row + 1]);
            let length = if there { one.len().max(other.len()) } else { 0 };
            for at in 0..length {
                first.push(one.clone().nth(at).map(|at| at as u32));
                second.push(other.clone().nth(at).map(|at| at as u32));
                of.push(row as u32);
            }
            lengths.push(length);
            valid.push(there);
        }
        let firsts = take(&firsts, &UInt32Array::from(first), None)?;
        let seconds = take(&seconds, &UInt32Array::from(second), None)?;
        Ok(Flat { firsts, seconds, rows: of.into(), lengths, nulls: valid.into() })
    }
}

impl HigherOrderUDFImpl for Pairs {
    fn name(&self) -> &str {
        match self.does {
            Does::Zip => "zip_with",
            Does::Filter => "map_filter",
            Does::Keys => "transform_keys",
            Does::Values => "transform_values",
        }
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let list = |data_type: &DataType| match data_type {
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) => DataType::List(Arc::clone(item)),
            DataType::Null if self.does == Does::Zip => DataType::new_list(DataType::Null, true),
            other => other.clone(),
        };
        let types: Vec<DataType> = types.iter().map(list).collect();
        self.types(&types)?;
        Ok(types)
    }

    fn lambda_parameters(
        &self,
        _: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let params = self.values(fields)?.map(|data_type| Arc::new(Field::new("", data_type, true)));
        Ok(LambdaParametersProgress::Complete(vec![params.into()]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let [key, value] = self.values(args.arg_fields)?;
        let Some(ValueOrLambda::Lambda(result)) = args.arg_fields.last() else { return self.expected() };
        let result = result.data_type().clone();
        let data_type = match self.does {
            Does::Zip => DataType::new_list(result, true),
            Does::Filter if !matches!(result, DataType::Boolean | DataType::Null) => {
                return plan_err!("map_filter(): the lambda is true or false, this one is {result}");
            }
            Does::Filter => map(key, value),
            Does::Keys => map(result, value),
            Does::Values => map(key, result),
        };
        Ok(Arc::new(Field::new("", data_type, true)))
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let Some((ValueOrLambda::Lambda(lambda), values)) = args.args.split_last() else {
            return self.expected();
        };
        let array = |value: &ValueOrLambda<ColumnarValue, _>| match value {
            ValueOrLambda::Value(value) => value.to_array(args.number_rows),
            ValueOrLambda::Lambda(_) => self.expected(),
        };
        let values = values.iter().map(array).collect::<Result<Vec<_>>>()?;
        let Flat { firsts, seconds, rows, mut lengths, nulls } = self.flat(&values)?;
        let result = lambda
            .evaluate(&[&|| Ok(Arc::clone(&firsts)), &|| Ok(Arc::clone(&seconds))], |captured| {
                Ok(take_arrays(captured, &rows, None)?)
            })?;
        let result = result.into_array(rows.len())?;
        let (keys, values) = match self.does {
            Does::Zip => {
                let DataType::List(item) = args.return_field.data_type() else { return self.expected() };
                let offsets = OffsetBuffer::from_lengths(lengths);
                let list = ListArray::try_new(Arc::clone(item), offsets, result, Some(nulls))?;
                return Ok(ColumnarValue::Array(Arc::new(list)));
            }
            Does::Filter => {
                let kept =
                    ColumnarValue::Array(result).cast_to(&DataType::Boolean, None)?.into_array(rows.len())?;
                let kept = match kept.null_count() {
                    0 => kept.as_boolean().clone(),
                    _ => prep_null_mask_filter(kept.as_boolean()),
                };
                lengths.fill(0);
                for (row, kept) in rows.values().iter().zip(kept.values()) {
                    lengths[*row as usize] += usize::from(kept);
                }
                (filter(&firsts, &kept)?, filter(&seconds, &kept)?)
            }
            Does::Keys => {
                different(&result, &rows)?;
                (result, seconds)
            }
            Does::Values => (firsts, result),
        };
        let DataType::Map(entries, sorted) = args.return_field.data_type() else { return self.expected() };
        let DataType::Struct(fields) = entries.data_type() else { return self.expected() };
        let pairs = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
        let offsets = OffsetBuffer::from_lengths(lengths);
        let map = MapArray::try_new(Arc::clone(entries), offsets, pairs, Some(nulls), *sorted)?;
        Ok(ColumnarValue::Array(Arc::new(map)))
    }
}

fn map(key: DataType, value: DataType) -> DataType {
    let fields = Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)]);
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields), false)), false)
}

/// Checks that the keys of each map are distinct and not NULL.
fn different(keys: &ArrayRef, rows: &UInt32Array) -> Result<()> {
    let mut seen = HashSet::with_capacity(keys.len());
    for at in 0..keys.len() {
        if keys.is_null(at) {
            return exec_err!("transform_keys(): a key is NULL");
        }
        if !seen.insert((rows.value(at), ScalarValue::try_from_array(keys, at)?)) {
            return exec_err!("transform_keys(): two keys of a map are equal");
        }
    }
    Ok(())
}
