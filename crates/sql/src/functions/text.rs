//! Conversion of arguments to Arrow arrays.

use datafusion::{
    arrow::{
        array::{Array, AsArray, PrimitiveArray, StringArray},
        compute::cast,
        datatypes::{ArrowPrimitiveType, DataType},
    },
    common::Result,
    logical_expr::ColumnarValue,
};

/// The strings of an argument, one per row.
pub(super) fn strings(value: &ColumnarValue, rows: usize) -> Result<StringArray> {
    let array = value.to_array(rows)?;
    let array = if *array.data_type() == DataType::Utf8 { array } else { cast(&array, &DataType::Utf8)? };
    Ok(array.as_string::<i32>().clone())
}

/// The values of an argument of a primitive type, one per row.
pub(super) fn values<T: ArrowPrimitiveType>(value: &ColumnarValue, rows: usize) -> Result<PrimitiveArray<T>> {
    let array = value.to_array(rows)?;
    let array = if *array.data_type() == T::DATA_TYPE { array } else { cast(&array, &T::DATA_TYPE)? };
    Ok(array.as_primitive::<T>().clone())
}
