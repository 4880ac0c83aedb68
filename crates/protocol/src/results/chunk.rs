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
const DECIMAL: i64 = 16;
/// The most digits behind the point.
const SCALE: usize = 38;

/// The first rows of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The number of its rows.
    pub size: usize,
    /// The first ones. Of a batch that is cut off they may have only the first columns.
    pub rows: Vec<Vec<Cell>>,
}

/// How much of a batch is wanted, and how much there is.
#[derive(Clone, Copy)]
struct Extent {
    /// The number of rows in the batch.
    size: usize,
    /// The most rows that are read.
    most: usize,
    is_cut: bool,
}

/// Decodes the rows of a batch.
pub fn read_chunk(bytes: &[u8]) -> Result<Vec<Vec<Cell>>, Unreadable> {
    Ok(read(&Thing::read(bytes)?, usize::MAX, false)?.rows)
}

/// Decodes `most` rows of a batch, or what there is of one whose end `is_cut` off.
pub fn read_batch(bytes: &[u8], most: usize, is_cut: bool) -> Result<Batch, Unreadable> {
    let chunk = if is_cut { Thing::read_start(bytes) } else { Thing::read(bytes) };
    read(&chunk?, most, is_cut)
}

fn read(chunk: &Thing, most: usize, is_cut: bool) -> Result<Batch, Unreadable> {
    let size = chunk.field(SIZE).and_then(Thing::whole).ok_or(Unreadable::Missing("size"))?;
    let size = usize::try_from(size).map_err(|_| Unreadable::Missing("size"))?;
    let vectors = chunk.field(VECTORS).and_then(Thing::list);
    let vectors = if is_cut { Some(vectors.unwrap_or_default()) } else { vectors };
    let vectors = vectors.ok_or(Unreadable::Missing("vectors"))?;
    let extent = Extent { size, most, is_cut };
    let mut columns = Vec::with_capacity(vectors.len());
    for (at, vector) in vectors.iter().enumerate() {
        match column(at, vector, extent) {
            Ok(column) => columns.push(column),
            Err(Unreadable::Missing(_)) if is_cut => break,
            Err(error) => return Err(error),
        }
    }
    // The first column is as long as any.
    let rows = if is_cut { columns.first().map_or(0, Vec::len) } else { size.min(most) };
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    let rows = (0..rows).map(|_| columns.iter_mut().filter_map(Iterator::next).collect()).collect();
    Ok(Batch { size, rows })
}

/// One column, as long as the batch, if that is not longer than wanted, or cut.
fn column(at: usize, vector: &Thing, extent: Extent) -> Result<Vec<Cell>, Unreadable> {
    let Extent { size, most, is_cut } = extent;
    let of = |what, found| Unreadable::Length { column: at, what, found, expected: size };
    let is_length = |found: usize| found == size || (is_cut && found < size);
    let nulls = vector.field(NULLS).and_then(Thing::list).ok_or(Unreadable::Missing("null set"))?;
    let kind = vector.field(TYPE).and_then(Thing::whole).ok_or(Unreadable::Missing("vector type"))?;
    let data = vector.field(DATA).ok_or(Unreadable::Missing("data"))?;
    let is_constant = vector.field(CONSTANT) == Some(&Thing::Bool(true));
    let Thing::Struct(members) = data else { return Err(Unreadable::Missing("data")) };
    let member = members.first().map(|(_, member)| member);
    let scale = member.and_then(|member| member.field(2)).and_then(Thing::whole);
    if is_cut && kind == DECIMAL && scale.is_none() {
        return Err(Unreadable::Missing("scale"));
    }
    let scale = scale.unwrap_or_default();
    let cell = |null: &Thing, value: Option<&Thing>| match (null, value) {
        (Thing::Bool(true), _) => Ok(None),
        (_, Some(value)) => text(kind, value, scale).map(Some).ok_or(Unreadable::Value(at)),
        (_, None) => Ok(None),
    };
    let values = member.and_then(|member| member.field(1));
    if is_constant {
        let null = nulls.first().ok_or_else(|| of("null flags", 0))?;
        return Ok(vec![cell(null, values)?; size.min(most)]);
    }
    if !is_length(nulls.len()) {
        return Err(of("null flags", nulls.len()));
    }
    let nulls = nulls.iter().take(most);
    let Some(values) = values else {
        return if is_cut {
            Err(Unreadable::Missing("list of values"))
        } else {
            nulls.map(|null| cell(null, None)).collect()
        };
    };
    let values = values.list().ok_or(Unreadable::Missing("list of values"))?;
    if !is_length(values.len()) {
        return Err(of("values", values.len()));
    }
    nulls.zip(values).map(|(null, value)| cell(null, Some(value))).collect()
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
        Thing::Bytes(bytes) if kind == DECIMAL => {
            let scale = usize::try_from(scale).ok().filter(|scale| *scale <= SCALE)?;
            decimal(i128::from_be_bytes(bytes.as_slice().try_into().ok()?), scale)
        }
        Thing::Bytes(bytes) => String::from_utf8(bytes.clone()).ok()?,
        Thing::List(_) | Thing::Struct(_) => return None,
    })
}

/// Formats a decimal without trailing zeros.
fn decimal(unscaled: i128, scale: usize) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}
