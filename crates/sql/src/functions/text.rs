//! Arguments as Arrow arrays.

use datafusion::{
    arrow::{
        array::{Array, AsArray, PrimitiveArray, StringArray},
        compute::cast,
        datatypes::{ArrowPrimitiveType, DataType},
    },
    common::Result,
    logical_expr::ColumnarValue,
};

/// An argument's texts, one for each row.
pub(super) fn strings(value: &ColumnarValue, rows: usize) -> Result<StringArray> {
    let array = value.to_array(rows)?;
    let array = if *array.data_type() == DataType::Utf8 { array } else { cast(&array, &DataType::Utf8)? };
    Ok(array.as_string::<i32>().clone())
}

/// An argument's values of a primitive type, one for each row.
pub(super) fn values<T: ArrowPrimitiveType>(value: &ColumnarValue, rows: usize) -> Result<PrimitiveArray<T>> {
    let array = value.to_array(rows)?;
    let array = if *array.data_type() == T::DATA_TYPE { array } else { cast(&array, &T::DATA_TYPE)? };
    Ok(array.as_primitive::<T>().clone())
}
