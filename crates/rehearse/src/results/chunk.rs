//! Decodes a Thrift `Chunk` as rows of text.

use chrono::DateTime;

use super::{Cell, Unreadable, thing::Thing};

/// Field numbers of `Chunk`, `Vector`, and the members of `Data` by vector type: values, and the constant.
const SIZE: i16 = 1;
const VECTORS: i16 = 2;
const TYPE: i16 = 2;
const NULLS: i16 = 3;
const DATA: i16 = 4;
const CONSTANT: i16 = 5;

const DATE: i64 = 8;
const TIMES: [i64; 2] = [9, 15];

/// Decodes the rows of a batch.
pub(crate) fn read_chunk(bytes: &[u8]) -> Result<Vec<Vec<Cell>>, Unreadable> {
    let chunk = Thing::read(bytes)?;
    let rows = chunk.field(SIZE).and_then(Thing::whole).ok_or(Unreadable::Missing("size"))?;
    let rows = usize::try_from(rows).map_err(|_| Unreadable::Missing("size"))?;
    let vectors = chunk.field(VECTORS).and_then(Thing::list).ok_or(Unreadable::Missing("vectors"))?;
    let columns = vectors.iter().enumerate().map(|(at, vector)| column(at, vector, rows));
    let mut columns =
        columns.map(|column| Ok(column?.into_iter())).collect::<Result<Vec<_>, Unreadable>>()?;
    Ok((0..rows).map(|_| columns.iter_mut().filter_map(Iterator::next).collect()).collect())
}

/// One column, as long as the batch.
fn column(at: usize, vector: &Thing, rows: usize) -> Result<Vec<Cell>, Unreadable> {
    let of = |what, found| Unreadable::Length { column: at, what, found, expected: rows };
    let nulls = vector.field(NULLS).and_then(Thing::list).ok_or(Unreadable::Missing("null set"))?;
    let kind = vector.field(TYPE).and_then(Thing::whole).ok_or(Unreadable::Missing("vector type"))?;
    let is_constant = vector.field(CONSTANT) == Some(&Thing::Bool(true));
    let data = vector.field(DATA).ok_or(Unreadable::Missing("data"))?;
    let Thing::Struct(members) = data else { return Err(Unreadable::Missing("data")) };
    let member = members.first().map(|(_, member)| member);
    let scale = member.and_then(|member| member.field(2)).and_then(Thing::whole).unwrap_or_default();
    let cell = |null: &Thing, value: Option<&Thing>| match (null, value) {
        (Thing::Bool(true), _) => Ok(None),
        (_, Some(value)) => text(kind, value, scale).map(Some).ok_or(Unreadable::Value(at)),
        (_, None) => Ok(None),
    };
    let values = member.and_then(|member| member.field(1));
    if is_constant {
        let null = nulls.first().ok_or_else(|| of("null flags", 0))?;
        return Ok(vec![cell(null, values)?; rows]);
    }
    if nulls.len() != rows {
        return Err(of("null flags", nulls.len()));
    }
    let Some(values) = values else { return nulls.iter().map(|null| cell(null, None)).collect() };
    let values = values.list().ok_or(Unreadable::Missing("list of values"))?;
    if values.len() != rows {
        return Err(of("values", values.len()));
    }
    nulls.iter().zip(values).map(|(null, value)| cell(null, Some(value))).collect()
}

fn text(kind: i64, value: &Thing, scale: i64) -> Option<String> {
    Some(match value {
        Thing::Bool(value) => value.to_string(),
        Thing::Real(value) => value.to_string(),
        Thing::Whole(value) if kind == DATE => {
            DateTime::from_timestamp_micros(*value)?.format("%Y-%m-%d").to_string()
        }
        Thing::Whole(value) if TIMES.contains(&kind) => {
            DateTime::from_timestamp_micros(*value)?.format("%Y-%m-%dT%H:%M:%S%.f").to_string()
        }
        Thing::Whole(value) => value.to_string(),
        Thing::Bytes(bytes) if kind == 16 => {
            decimal(i128::from_be_bytes(bytes.as_slice().try_into().ok()?), u32::try_from(scale).ok()?)
        }
        Thing::Bytes(bytes) => String::from_utf8(bytes.clone()).ok()?,
        Thing::List(_) | Thing::Struct(_) => return None,
    })
}

/// Formats a decimal without trailing zeros.
fn decimal(unscaled: i128, scale: u32) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let fraction = fraction.trim_end_matches('0');
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
