//! `GetNextResultRowResponse.resultRow`: one row at a time, for clients of the first generation.

use sql::arrow::array::RecordBatch;

use super::{
    super::status::EngineError,
    Layout,
    column::{Column, Values},
    decimal::write_decimal,
    types::Wire,
    unpack, unrepresentable,
};

/// Encodes one row, column after column: a byte that is 0 for null, then the value by its metadata type.
///
/// The format has no TIMESTAMP_TZ, so DATETIME is used.
pub(crate) fn encode_row(batch: &RecordBatch, row: usize, layout: &Layout) -> Result<Vec<u8>, EngineError> {
    let mut out = Vec::new();
    let mut scratch = String::new();
    for (array, wire) in batch.slice(row, 1).columns().iter().zip(&layout.wires) {
        let array = unpack(array)?;
        let column = Column::new(&array, *wire)?;
        let present = !column.is_null(0) && *wire != Wire::Null;
        out.push(u8::from(present));
        if present {
            put(&mut out, &column.values, *wire, &mut scratch)?;
        }
    }
    Ok(out)
}

fn put(out: &mut Vec<u8>, values: &Values<'_>, wire: Wire, scratch: &mut String) -> Result<(), EngineError> {
    match values {
        Values::Null => {}
        Values::Boolean(array) => out.push(u8::from(array.value(0))),
        Values::Whole(wholes) => put_whole(out, wholes.get(0), wire),
        #[allow(clippy::cast_possible_truncation)]
        Values::Float(floats) if wire == Wire::Float => out.extend((floats.get(0) as f32).to_be_bytes()),
        Values::Float(floats) => out.extend(floats.get(0).to_be_bytes()),
        Values::Micros(micros) | Values::ZonedMicros(micros, _) => out.extend(micros.get(0)?.to_be_bytes()),
        Values::Decimal(decimals, scale) => {
            scratch.clear();
            write_decimal(scratch, decimals.get(0)?, *scale);
            put_text(out, scratch)?;
        }
        Values::Text(text) => put_text(out, text.get(0, scratch)?)?,
    }
    Ok(())
}

/// Appends the low bytes of a number, as many as its type has.
fn put_whole(out: &mut Vec<u8>, value: i64, wire: Wire) {
    let width = match wire {
        Wire::Byte => 1,
        Wire::Short => 2,
        Wire::Integer => 4,
        _ => 8,
    };
    out.extend(&value.to_be_bytes()[8 - width..]);
}

fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), EngineError> {
    let length = u16::try_from(text.len()).map_err(|_| {
        let length = text.len();
        unrepresentable(format!(
            "a text of {length} bytes is too long for a row (65535): fetch batches instead"
        ))
    })?;
    out.extend(length.to_be_bytes());
    out.extend(text.as_bytes());
    Ok(())
}
