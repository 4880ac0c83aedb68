//! Maps put together.

use std::{collections::HashSet, sync::Arc};

use datafusion::{
    arrow::{
        array::{Array, ArrayRef, AsArray, MapArray, StructArray},
        buffer::{NullBuffer, OffsetBuffer},
        compute::interleave,
        datatypes::DataType,
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarUDF},
};

use super::simple::function;

/// Arguments at most.
const MOST: usize = 32;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let counts: Vec<usize> = (1..=MOST).collect();
    let first = |types: &[DataType]| match types {
        [first @ DataType::Map(..), rest @ ..] if rest.iter().all(|other| other == first) => {
            Ok(first.clone())
        }
        _ => plan_err!("map_concat() takes maps of one type"),
    };
    vec![function("map_concat", &counts, first, map_concat)]
}

/// The entries of all maps. A key that is in two of them is an error, as in Spark.
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
