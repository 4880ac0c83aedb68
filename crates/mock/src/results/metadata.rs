//! `GetResultMetadataResponse.resultMetaData`.

use sql::arrow::datatypes::Schema;

use super::{super::status::cut, types::Wire};

/// Encodes the row count (`None`: not known yet) and the columns: name, type, zone and format of each.
pub(crate) fn encode_metadata(rows: Option<u64>, schema: &Schema, wires: &[Wire]) -> Vec<u8> {
    let mut out = Vec::with_capacity(12 + 32 * wires.len());
    let rows = rows.and_then(|rows| i64::try_from(rows).ok()).unwrap_or(-1);
    out.extend(rows.to_be_bytes());
    out.extend(i32::try_from(wires.len()).unwrap_or(i32::MAX).to_be_bytes());
    for (field, wire) in schema.fields().iter().zip(wires) {
        let zone = if matches!(wire, Wire::Date | Wire::Datetime) { "UTC" } else { "" };
        for text in [field.name(), wire.name(), zone, ""] {
            put(&mut out, text);
        }
    }
    out
}

/// Appends a text after its length in two bytes. Longer text is cut: an expression can be a column's name.
fn put(out: &mut Vec<u8>, text: &str) {
    match u16::try_from(text.len()) {
        Ok(length) => {
            out.extend(length.to_be_bytes());
            out.extend(text.as_bytes());
        }
        Err(_) => {
            let mut text = text.to_owned();
            cut(&mut text, usize::from(u16::MAX));
            put(out, &text);
        }
    }
}

#[cfg(test)]
mod tests {
    use sql::arrow::datatypes::{DataType, Field};

    use super::*;

    #[test]
    fn metadata_is_laid_out_as_clients_read_it() {
        let schema = Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("é", DataType::Date32, true),
        ]);
        let expected: Vec<u8> = [
            &7_i64.to_be_bytes()[..],
            &2_i32.to_be_bytes(),
            b"\0\x02id\0\x04LONG\0\0\0\0",
            "\0\x02é\0\x04DATE\0\x03UTC\0\0".as_bytes(),
        ]
        .concat();
        assert_eq!(encode_metadata(Some(7), &schema, &[Wire::Long, Wire::Date]), expected);
        assert_eq!(encode_metadata(None, &schema, &[])[..8], (-1_i64).to_be_bytes());
    }

    #[test]
    fn names_longer_than_their_field_are_cut() {
        let schema = Schema::new(vec![Field::new("é".repeat(40_000), DataType::Int64, false)]);
        let bytes = encode_metadata(None, &schema, &[Wire::Long]);
        let length = usize::from(u16::from_be_bytes([bytes[12], bytes[13]]));
        assert!(std::str::from_utf8(&bytes[14..14 + length]).unwrap().ends_with("é..."));
        assert_eq!(bytes[14 + length..], b"\0\x04LONG\0\0\0\0"[..]);
    }
}
