//! List functions with Spark's treatment of NULL, and the parts of `explode` and its variants.

use std::{cmp::Ordering, sync::Arc};

use datafusion::{
    arrow::{
        array::{
            Array, ArrayRef, AsArray, BooleanArray, DynComparator, Int32Array, Int64Array, ListArray,
            make_comparator, new_null_array,
        },
        buffer::OffsetBuffer,
        compute::{SortOptions, cast, concat, take},
        datatypes::{DataType, Field},
    },
    common::{Result, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarUDF, type_coercion::binary::comparison_coercion},
};

use super::simple::function;

/// The position of an element, from 1; 0 if it is not in the list.
const POSITION: &str = "position_in_list";
/// The positions of a list's elements, from 0.
pub(crate) const POSITIONS: &str = "positions_of_list";
/// The list, or a list of one NULL if it is NULL or empty.
pub(crate) const FILLED: &str = "list_or_null";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    let same = |types: &[DataType]| match types {
        [DataType::List(item)] => Ok(DataType::List(Arc::new(item.as_ref().clone().with_nullable(true)))),
        _ => plan_err!("explode_outer() and similar functions take a list"),
    };
    vec![
        function("array_contains", &[2], |_| Ok(DataType::Boolean), contains),
        function("arrays_overlap", &[2], |_| Ok(DataType::Boolean), overlap),
        function(POSITION, &[2], |_| Ok(DataType::Int64), position),
        function(POSITIONS, &[1], positions_type, positions),
        function(FILLED, &[1], same, filled),
    ]
}

/// Lists and the values to compare their elements with, cast to one type.
struct Pair {
    lists: ListArray,
    compare: DynComparator,
    others: ArrayRef,
}

impl Pair {
    fn of(lists: &ArrayRef, others: &ArrayRef) -> Result<Self> {
        let Some(lists) = lists.as_list_opt::<i32>() else { return exec_err!("expected a list") };
        let (own, other) = (lists.values().data_type(), others.data_type());
        let common = match (own, other) {
            (DataType::Null, other) => other.clone(),
            (own, other) => match comparison_coercion(own, other) {
                Some(common) => common,
                None => {
                    let (own, other) = (super::type_name(own), super::type_name(other));
                    return exec_err!("elements of type {own} can't be compared with {other}");
                }
            },
        };
        let values = cast(lists.values(), &common)?;
        let field = Arc::new(Field::new_list_field(common.clone(), true));
        let (_, offsets, _, nulls) = lists.clone().into_parts();
        let others = cast(others, &common)?;
        let compare = make_comparator(&values, &others, SortOptions::default())?;
        Ok(Self { lists: ListArray::new(field, offsets, values, nulls), compare, others })
    }

    /// The position of the first equal element, from 0, and whether a NULL comes before it.
    fn find(&self, row: usize, other: usize) -> (Option<usize>, bool) {
        let (start, mut null) = (self.lists.value_offsets()[row] as usize, false);
        for at in start..self.lists.value_offsets()[row + 1] as usize {
            if self.lists.values().is_null(at) {
                null = true;
            } else if (self.compare)(at, other) == Ordering::Equal {
                return (Some(at - start), null);
            }
        }
        (None, null)
    }
}

/// NULL if the element is NULL, or if only a NULL in the list might equal it.
fn contains(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (lists, others) = (args[0].to_array(rows)?, args[1].to_array(rows)?);
    if *lists.data_type() == DataType::Null {
        return Ok(new_null_array(&DataType::Boolean, rows));
    }
    let pair = Pair::of(&lists, &others)?;
    let one = |row: usize| {
        if pair.lists.is_null(row) || pair.others.is_null(row) {
            return None;
        }
        match pair.find(row, row) {
            (Some(_), _) => Some(true),
            (None, null) => (!null).then_some(false),
        }
    };
    Ok(Arc::new((0..rows).map(one).collect::<BooleanArray>()))
}

/// The list may be the first or the second argument.
fn position(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (mut lists, mut others) = (args[0].to_array(rows)?, args[1].to_array(rows)?);
    if !matches!(lists.data_type(), DataType::List(_)) {
        std::mem::swap(&mut lists, &mut others);
    }
    if *lists.data_type() == DataType::Null {
        return Ok(new_null_array(&DataType::Int64, rows));
    }
    let pair = Pair::of(&lists, &others)?;
    let one = |row: usize| {
        let there = !pair.lists.is_null(row) && !pair.others.is_null(row);
        there.then(|| pair.find(row, row).0.map_or(0, |at| at as i64 + 1))
    };
    Ok(Arc::new((0..rows).map(one).collect::<Int64Array>()))
}

/// NULL if only a NULL might be in both.
fn overlap(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let (lists, others) = (args[0].to_array(rows)?, args[1].to_array(rows)?);
    let Some(others) = others.as_list_opt::<i32>() else {
        return exec_err!("arrays_overlap() takes two lists");
    };
    let pair = Pair::of(&lists, others.values())?;
    let one = |row: usize| {
        if pair.lists.is_null(row) || others.is_null(row) {
            return None;
        }
        let range = others.value_offsets()[row] as usize..others.value_offsets()[row + 1] as usize;
        let (mut null, empty) = (false, range.is_empty() || pair.lists.value_length(row) == 0);
        for other in range {
            if pair.others.is_null(other) {
                null = true;
                continue;
            }
            match pair.find(row, other) {
                (Some(_), _) => return Some(true),
                (None, beside) => null |= beside,
            }
        }
        let start = pair.lists.value_offsets()[row] as usize;
        let own = pair.lists.values().slice(start, pair.lists.value_length(row) as usize);
        (empty || !(null || own.null_count() > 0)).then_some(false)
    };
    Ok(Arc::new((0..rows).map(one).collect::<BooleanArray>()))
}

fn positions_type(types: &[DataType]) -> Result<DataType> {
    match types {
        [DataType::List(_)] => Ok(DataType::List(Arc::new(Field::new_list_field(DataType::Int32, true)))),
        _ => plan_err!("posexplode() takes a list"),
    }
}

fn positions(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].to_array(rows)?;
    let lists = lists.as_list::<i32>();
    let lengths = |row: usize| if lists.is_null(row) { 0 } else { lists.value_length(row) };
    let numbers: Int32Array = (0..rows).flat_map(|row| 0..lengths(row)).collect();
    let offsets = OffsetBuffer::from_lengths((0..rows).map(|row| lengths(row) as usize));
    let field = Arc::new(Field::new_list_field(DataType::Int32, true));
    Ok(Arc::new(ListArray::new(field, offsets, Arc::new(numbers), lists.nulls().cloned())))
}

fn filled(args: &[ColumnarValue], rows: usize) -> Result<ArrayRef> {
    let lists = args[0].to_array(rows)?;
    let lists = lists.as_list::<i32>();
    let DataType::List(field) = lists.data_type() else { return exec_err!("expected a list") };
    // The added NULL comes after all elements.
    let null = new_null_array(field.data_type(), 1);
    let values = concat(&[lists.values().as_ref(), null.as_ref()])?;
    let (mut from, mut lengths) = (Vec::new(), Vec::with_capacity(rows));
    for row in 0..rows {
        let range = match lists.is_null(row) {
            true => 0..0,
            false => lists.value_offsets()[row]..lists.value_offsets()[row + 1],
        };
        lengths.push(range.len().max(1));
        if range.is_empty() { from.push(values.len() as i32 - 1) } else { from.extend(range) }
    }
    let values = take(&values, &Int32Array::from(from), None)?;
    let field = Arc::new(field.as_ref().clone().with_nullable(true));
    Ok(Arc::new(ListArray::new(field, OffsetBuffer::from_lengths(lengths), values, None)))
}
