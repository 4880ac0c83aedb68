//! Concatenation of maps, and zipping of lists.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, Int32Array, ListArray, MapArray, StructArray},
        buffer::{NullBuffer, OffsetBuffer},
        compute::{interleave, take},
        datatypes::{DataType, Field, Fields},
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::simple::function;

/// The most arguments.
const MOST: usize = 32;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let counts: Vec<usize> = (1..=MOST).collect();
    let first = |types: &[DataType]| match types {
        [first @ DataType::Map(..), rest @ ..] if rest.iter().all(|other| other == first) => {
            Ok(first.clone())
        }
        _ => plan_err!("map_concat() takes maps of one type"),
    };
    vec![
        function("map_concat", &counts, first, map_concat),
        function("arrays_zip", &counts, zipped_type, arrays_zip),
    ]
}

fn zipped_fields(types: &[DataType]) -> Result<Fields> {
    let field = |(at, kind): (usize, &DataType)| match kind {
        DataType::List(item) => Ok(Field::new(at.to_string(), item.data_type().clone(), true)),
        _ => plan_err!("arrays_zip() takes lists"),
    };
    types.iter().enumerate().map(field).collect()
}

fn zipped_type(types: &[DataType]) -> Result<DataType> {
    Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Struct(zipped_fields(types)?), true))))
}

/// A list of structs with the fields `0`, `1` …; shorter lists are padded with NULLs.
fn arrays_zip(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let arrays = args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
    let lists: Vec<&ListArray> = arrays.iter().map(|array| array.as_list()).collect();
    let nulls = lists.iter().fold(None, |nulls, list| NullBuffer::union(nulls.as_ref(), list.nulls()));
    let longest = |row: usize| match &nulls {
        Some(nulls) if nulls.is_null(row) => 0,
        _ => lists.iter().map(|list| list.value_length(row)).max().unwrap_or(0),
    };
    let lengths: Vec<i32> = (0..rows).map(longest).collect();
    let column = |list: &&ListArray| {
        let one = |row: usize| {
            let (start, own) = (list.value_offsets()[row], list.value_length(row));
            (0..lengths[row]).map(move |at| (at < own).then_some(start + at))
        };
        take(list.values(), &(0..rows).flat_map(one).collect::<Int32Array>(), None)
    };
    let columns = lists.iter().map(column).collect::<Result<Vec<_>, _>>()?;
    let types: Vec<DataType> = arrays.iter().map(|array| array.data_type().clone()).collect();
    let structs = StructArray::try_new(zipped_fields(&types)?, columns, None)?;
    let field = Arc::new(Field::new_list_field(structs.data_type().clone(), true));
    let offsets = OffsetBuffer::from_lengths(lengths.iter().map(|length| *length as usize));
    Ok(Arc::new(ListArray::try_new(field, offsets, Arc::new(structs), nulls)?))
}

/// The entries of all maps. A duplicate key is an error, as in Spark.
fn map_concat(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let arrays = args.iter().map(|arg| arg.to_array(rows)).collect::<Result<Vec<_>>>()?;
    let maps: Vec<&MapArray> = arrays.iter().map(|array| array.as_map()).collect();
    let (mut from, mut lengths) = (Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        let before = from.len();
        if maps.iter().all(|map| map.is_valid(row)) {
            for (at, map) in maps.iter().enumerate() {
                let range = map.value_offsets()[row]..map.value_offsets()[row + 1];
                from.extend(range.map(|entry| (at, entry as usize)));
            }
        }
        let mut keys = HashSet::new();
        for (at, entry) in &from[before..] {
            let key = ScalarValue::try_from_array(maps[*at].keys(), *entry)?;
            if maps.len() > 1 && keys.contains(&key) {
                return exec_err!("map_concat(): the key {key} is there twice");
            }
            keys.insert(key);
        }
        lengths.push(from.len() - before);
    }
    let DataType::Map(field, sorted) = arrays[0].data_type() else { return exec_err!("expected maps") };
    let columns = (0..2).map(|column| {
        let sources: Vec<&dyn Array> = maps.iter().map(|map| map.entries().column(column).as_ref()).collect();
        interleave(&sources, &from)
    });
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let DataType::Struct(fields) = field.data_type() else { return exec_err!("expected maps") };
    let entries = StructArray::try_new(fields.clone(), columns, None)?;
    let nulls = maps.iter().fold(None, |nulls, map| NullBuffer::union(nulls.as_ref(), map.nulls()));
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(field), offsets, entries, nulls, *sorted)?))
}
