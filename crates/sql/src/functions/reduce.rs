//! `reduce(list, start, (acc, x) -> …[, acc -> …])`: folds a list into one value, of the type that the accumulator
//! converges to.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, UInt32Array},
        compute::{cast, interleave, take, take_arrays},
        datatypes::{DataType, Field, FieldRef},
    },
    common::{Result, exec_datafusion_err, plan_err},
    logical_expr::{
        ColumnarValue, HigherOrderFunctionArgs, HigherOrderReturnFieldArgs, HigherOrderSignature,
        HigherOrderUDF, HigherOrderUDFImpl, LambdaParametersProgress, ValueOrLambda, Volatility,
        type_coercion::binary::comparison_coercion,
    },
};

/// The most times an accumulator's type may be widened.
const WIDENINGS: usize = 8;

pub(super) fn function() -> Arc<HigherOrderUDF> {
    let signature = HigherOrderSignature::user_defined(Volatility::Immutable);
    Arc::new(HigherOrderUDF::new_from_impl(Reduce { signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Reduce {
    signature: HigherOrderSignature,
}

fn column(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("", data_type, true))
}

fn expected<T>() -> Result<T> {
    plan_err!("reduce(): expected a list, a start, (acc, x) -> … and maybe acc -> …")
}

/// The types of the elements and of the start.
fn values<L>(fields: &[ValueOrLambda<FieldRef, L>]) -> Result<(DataType, DataType)> {
    match fields {
        [ValueOrLambda::Value(list), ValueOrLambda::Value(start), ValueOrLambda::Lambda(_)]
        | [
            ValueOrLambda::Value(list),
            ValueOrLambda::Value(start),
            ValueOrLambda::Lambda(_),
            ValueOrLambda::Lambda(_),
        ] => {
            let DataType::List(item) = list.data_type() else { return expected() };
            Ok((item.data_type().clone(), start.data_type().clone()))
        }
        _ => expected(),
    }
}

/// The common type of an accumulator's start and its next value.
fn wider(start: &DataType, merged: &DataType) -> Result<DataType> {
    if start == merged {
        return Ok(start.clone());
    }
    match comparison_coercion(start, merged) {
        Some(both) => Ok(both),
        None => plan_err!("reduce(): the accumulator begins as {start} and goes on as {merged}"),
    }
}

impl HigherOrderUDFImpl for Reduce {
    fn name(&self) -> &str {
        "reduce"
    }

    fn signature(&self) -> &HigherOrderSignature {
        &self.signature
    }

    fn coerce_value_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [list, start] = types else { return expected() };
        let list = match list {
            DataType::List(_) => list.clone(),
            DataType::LargeList(item) | DataType::FixedSizeList(item, _) | DataType::ListView(item) => {
                DataType::List(Arc::clone(item))
            }
            DataType::Null => DataType::new_list(DataType::Null, true),
            _ => return expected(),
        };
        Ok(vec![list, start.clone()])
    }

    fn lambda_parameters(
        &self,
        step: usize,
        fields: &[ValueOrLambda<FieldRef, Option<FieldRef>>],
    ) -> Result<LambdaParametersProgress> {
        let (item, start) = values(fields)?;
        let merged = match fields.get(2) {
            Some(ValueOrLambda::Lambda(Some(merged))) => Some(merged.data_type().clone()),
            _ => None,
        };
        let kept = match &merged {
            Some(merged) => wider(&start, merged)?,
            None => start,
        };
        let (accumulator, item) = (column(kept.clone()), column(item));
        let merge = vec![Arc::clone(&accumulator), item];
        if merged.as_ref() == Some(&kept) || step >= WIDENINGS {
            let finish = fields.get(3).map(|_| vec![accumulator]);
            return Ok(LambdaParametersProgress::Complete(std::iter::once(merge).chain(finish).collect()));
        }
        let finish = fields.get(3).map(|_| None);
        Ok(LambdaParametersProgress::Partial(std::iter::once(Some(merge)).chain(finish).collect()))
    }

    fn coerce_values_for_lambdas(
        &self,
        fields: &[ValueOrLambda<DataType, DataType>],
    ) -> Result<Option<Vec<DataType>>> {
        let [ValueOrLambda::Value(list), ValueOrLambda::Value(start), ValueOrLambda::Lambda(merged), ..] =
            fields
        else {
            return expected();
        };
        Ok(Some(vec![list.clone(), wider(start, merged)?]))
    }

    fn return_field_from_args(&self, args: HigherOrderReturnFieldArgs) -> Result<FieldRef> {
        let (_, start) = values(args.arg_fields)?;
        match args.arg_fields {
            [.., ValueOrLambda::Lambda(finish)] if args.arg_fields.len() == 4 => {
                Ok(column(finish.data_type().clone()))
            }
            [_, _, ValueOrLambda::Lambda(merged)] => Ok(column(wider(&start, merged.data_type())?)),
            _ => expected(),
        }
    }

    fn invoke_with_args(&self, args: HigherOrderFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let [
            ValueOrLambda::Value(list),
            ValueOrLambda::Value(start),
            ValueOrLambda::Lambda(merge),
            finish @ ..,
        ] = args.args.as_slice()
        else {
            return expected();
        };
        let (lists, mut accumulators) = (list.to_array(rows)?, start.to_array(rows)?);
        if let Some(ValueOrLambda::Lambda(merged)) = args.arg_fields.get(2) {
            let kept = wider(accumulators.data_type(), merged.data_type())?;
            accumulators = cast(&accumulators, &kept)?;
        }
        let kept = accumulators.data_type().clone();
        let lists = lists.as_list::<i32>();
        let row =
            |row: usize| u32::try_from(row).map_err(|_| exec_datafusion_err!("reduce(): too many rows"));
        // The rows with elements left, with their accumulators. Finished rows are set aside.
        let mut active = (0..rows).map(row).collect::<Result<Vec<u32>>>()?;
        let (mut ended, mut places): (Vec<ArrayRef>, Vec<(usize, usize)>) = (Vec::new(), vec![(0, 0); rows]);
        for at in 0.. {
            let mut going = Vec::new();
            for (place, row) in active.iter().enumerate() {
                let row = *row as usize;
                if !lists.is_null(row) && at < lists.value_length(row) {
                    going.push(place as u32);
                } else {
                    places[row] = (ended.len(), place);
                }
            }
            if going.len() < active.len() {
                ended.push(Arc::clone(&accumulators));
                active = going.iter().map(|place| active[*place as usize]).collect();
                accumulators = take(&accumulators, &UInt32Array::from(going), None)?;
            }
            if active.is_empty() {
                break;
            }
            let items: UInt32Array = active
                .iter()
                .map(|row| lists.value_offsets()[*row as usize] as u32 + at as u32)
                .collect::<Vec<_>>()
                .into();
            let items = take(lists.values(), &items, None)?;
            let rows_of = UInt32Array::from(active.clone());
            let (accumulator, item) = (Arc::clone(&accumulators), items);
            let merged = merge
                .evaluate(&[&|| Ok(Arc::clone(&accumulator)), &|| Ok(Arc::clone(&item))], |captured| {
                    Ok(take_arrays(captured, &rows_of, None)?)
                })?;
            accumulators = cast(&merged.into_array(active.len())?, &kept)?;
        }
        let parts: Vec<&dyn Array> = ended.iter().map(AsRef::as_ref).collect();
        let mut result = if rows == 0 { accumulators } else { interleave(&parts, &places)? };
        if let [ValueOrLambda::Lambda(finish)] = finish {
            let own = Arc::clone(&result);
            let finished = finish.evaluate(&[&|| Ok(Arc::clone(&own))], |captured| Ok(captured.to_vec()))?;
            result = finished.into_array(rows)?;
        }
        // A NULL list yields NULL.
        let absent = datafusion::arrow::compute::is_null(lists)?;
        Ok(ColumnarValue::Array(datafusion::arrow::compute::nullif(&result, &absent)?))
    }
}
