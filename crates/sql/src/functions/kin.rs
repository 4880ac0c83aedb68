//! Functions that depend on the kind of a value: filling NULLs, and comparing with a string.

use std::sync::Arc;

use datafusion::{
    arrow::{
        array::{Array, ArrayRef},
        compute::{
            CastOptions, cast_with_options, is_not_null,
            kernels::{cmp::eq, zip::zip},
        },
        datatypes::DataType,
    },
    common::{Result, plan_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::simple::function;

/// Replaces NULL by a value, if both are of the same kind.
pub(crate) const FILL: &str = "fill_null";
/// Compares a value with its string form; never NULL-safe, and false if the string does not parse.
pub(crate) const TOLD: &str = "is_told_by";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let first = |types: &[DataType]| match types {
        [first, _] => Ok(first.clone()),
        _ => plan_err!("fill_null() takes two values"),
    };
    vec![
        function(FILL, &[2], first, fill),
        function(
            TOLD,
            &[2],
            |_| Ok(DataType::Boolean),
            |args, rows| {
                let (values, texts) = (args[0].to_array(rows)?, args[1].to_array(rows)?);
                let texts = safe(&texts, values.data_type())?;
                Ok(Arc::new(eq(&values, &texts)?))
            },
        ),
    ]
}

fn safe(array: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: true, ..Default::default() };
    Ok(cast_with_options(array, to, &options)?)
}

/// Numbers are filled with numbers, strings with strings, booleans with booleans.
fn fill(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (values, fills) = (args[0].to_array(rows)?, args[1].to_array(rows)?);
    let (own, other) = (values.data_type(), fills.data_type());
    let kin = (own.is_numeric() && other.is_numeric())
        || (own.is_string() && other.is_string())
        || (*own == DataType::Boolean && *other == DataType::Boolean);
    if !kin {
        return Ok(values);
    }
    let fills = safe(&fills, own)?;
    Ok(zip(&is_not_null(&values)?, &values, &fills)?)
}
