use thrift::protocol::{TBinaryOutputProtocol, TFieldIdentifier, TListIdentifier, TOutputProtocol, TType};

use super::{thing::Thing, *};

fn kind(thing: &Thing) -> TType {
    match thing {
        Thing::Bool(_) => TType::Bool,
        Thing::Whole(_) => TType::I64,
        Thing::Real(_) => TType::Double,
        Thing::Bytes(_) => TType::String,
        Thing::List(_) => TType::List,
        Thing::Struct(_) => TType::Struct,
    }
}

fn write(out: &mut TBinaryOutputProtocol<Vec<u8>>, thing: &Thing) {
    match thing {
        Thing::Bool(value) => out.write_bool(*value),
        Thing::Whole(value) => out.write_i64(*value),
        Thing::Real(value) => out.write_double(*value),
        Thing::Bytes(value) => out.write_bytes(value),
        Thing::List(list) => {
            let element_type = list.first().map_or(TType::Bool, kind);
            out.write_list_begin(&TListIdentifier { element_type, size: list.len() as i32 }).unwrap();
            list.iter().for_each(|thing| write(out, thing));
            Ok(())
        }
        Thing::Struct(fields) => {
            for (id, thing) in fields {
                let field = TFieldIdentifier { name: None, field_type: kind(thing), id: Some(*id) };
                out.write_field_begin(&field).unwrap();
                write(out, thing);
            }
            out.write_field_stop()
        }
    }
    .unwrap();
}

fn vector(kind: i64, nulls: &[bool], data: Vec<(i16, Thing)>, is_constant: bool) -> Thing {
    let nulls = nulls.iter().map(|null| Thing::Bool(*null)).collect();
    Thing::Struct(vec![
        (1, Thing::Whole(2)),
        (2, Thing::Whole(kind)),
        (3, Thing::List(nulls)),
        (4, Thing::Struct(data)),
        (5, Thing::Bool(is_constant)),
    ])
}

fn values(id: i16, values: Vec<Thing>) -> Vec<(i16, Thing)> {
    vec![(id, Thing::Struct(vec![(1, Thing::List(values))]))]
}

fn chunk(vectors: Vec<Thing>) -> Vec<u8> {
    let mut out = TBinaryOutputProtocol::new(Vec::new(), true);
    write(&mut out, &Thing::Struct(vec![(1, Thing::Whole(2)), (2, Thing::List(vectors))]));
    out.transport
}

#[test]
fn each_type_is_read_as_text() {
    let decimals = [1250_i128, -5].map(|value| Thing::Bytes(value.to_be_bytes().to_vec())).to_vec();
    let decimals = Thing::Struct(vec![(1, Thing::List(decimals)), (2, Thing::Whole(3))]);
    let bytes = chunk(vec![
        vector(6, &[false, true], values(3, vec![Thing::Whole(7), Thing::Whole(0)]), false),
        vector(7, &[false; 2], values(7, vec![Thing::Bytes(b"a".to_vec()), Thing::Bytes(vec![])]), false),
        vector(2, &[false; 2], values(6, vec![Thing::Real(1.0), Thing::Real(-0.5)]), false),
        vector(8, &[false; 2], values(4, vec![Thing::Whole(0), Thing::Whole(86_400_000_000)]), false),
        vector(9, &[false; 2], values(16, vec![Thing::Whole(1_500_000), Thing::Whole(0)]), false),
        vector(16, &[false; 2], vec![(17, decimals)], false),
        vector(1, &[false], vec![(8, Thing::Struct(vec![(1, Thing::Bool(true))]))], true),
        vector(14, &[true], vec![(10, Thing::Struct(vec![(1, Thing::Whole(0))]))], true),
    ]);
    let rows = read_chunk(&bytes).unwrap();
    let text = |row: &Vec<Cell>| {
        row.iter().map(|cell| cell.clone().unwrap_or_else(|| "null".to_owned())).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(text(&rows[0]), "7 a 1 1970-01-01 1970-01-01T00:00:01.500 1.25 true null");
    assert_eq!(text(&rows[1]), "null  -0.5 1970-01-02 1970-01-01T00:00:00 -0.005 true null");
}

#[test]
fn a_batch_that_contradicts_itself_is_refused() {
    let short = chunk(vec![vector(6, &[false; 2], values(3, vec![Thing::Whole(7)]), false)]);
    assert_eq!(read_chunk(&short).unwrap_err().to_string(), "column 0 has 1 values, and the batch 2 rows");
    let short = chunk(vec![vector(6, &[false], values(3, vec![Thing::Whole(7); 2]), false)]);
    assert!(matches!(read_chunk(&short), Err(Unreadable::Length { what: "null flags", .. })));
    let no_text = chunk(vec![vector(7, &[false; 2], values(7, vec![Thing::Bytes(vec![0xff]); 2]), false)]);
    assert_eq!(read_chunk(&no_text), Err(Unreadable::Value(0)));
}

#[test]
fn invalid_chunks_are_refused() {
    let whole = chunk(vec![vector(6, &[false; 2], values(3, vec![Thing::Whole(7); 2]), false)]);
    for len in 0..whole.len() {
        assert!(read_chunk(&whole[..len]).is_err(), "cut at {len}");
    }
    for bytes in [&b"\x0f\0\x01\x0f\x7f\xff\xff\xff"[..], b"\x0b\0\x01\x7f\xff\xff\xff", b"garbage"] {
        assert!(read_chunk(bytes).is_err(), "{bytes:?}");
    }
}

#[test]
fn metadata_are_read_as_servers_write_them() {
    let bytes = [
        &(-1_i64).to_be_bytes()[..],
        &2_i32.to_be_bytes(),
        b"\0\x02id\0\x04LONG\0\0\0\0",
        "\0\x02é\0\x04DATE\0\x03UTC\0\0".as_bytes(),
    ]
    .concat();
    let columns = [("id", "LONG"), ("é", "DATE")].map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    assert_eq!(read_metadata(&bytes), Ok(Metadata { rows: None, columns: columns.to_vec() }));
    for len in 0..bytes.len() {
        assert_eq!(read_metadata(&bytes[..len]), Err(Unreadable::Metadata), "cut at {len}");
    }
}

/// A batch with one column of whole numbers.
pub(crate) fn longs(numbers: &[i64]) -> Vec<u8> {
    let values = numbers.iter().map(|number| Thing::Whole(*number)).collect();
    let vector = vector(6, &vec![false; numbers.len()], self::values(3, values), false);
    let mut out = TBinaryOutputProtocol::new(Vec::new(), true);
    let size = Thing::Whole(i64::try_from(numbers.len()).unwrap());
    write(&mut out, &Thing::Struct(vec![(1, size), (2, Thing::List(vec![vector]))]));
    out.transport
}

#[test]
fn the_first_rows_of_long_batches_are_read() {
    let bytes = longs(&(0..1000).collect::<Vec<_>>());
    let batch = read_batch(&bytes, 3, false).unwrap();
    let expected: Vec<_> = ["0", "1", "2"].iter().map(|cell| vec![Some((*cell).to_owned())]).collect();
    assert_eq!((batch.size, batch.rows), (1000, expected));
    // A constant of two billion rows is a few bytes.
    let constant = vector(6, &[false], vec![(11, Thing::Struct(vec![(1, Thing::Whole(7))]))], true);
    let mut out = TBinaryOutputProtocol::new(Vec::new(), true);
    let size = Thing::Whole(i64::from(i32::MAX));
    write(&mut out, &Thing::Struct(vec![(1, size), (2, Thing::List(vec![constant]))]));
    assert_eq!(read_batch(&out.transport, 3, false).unwrap().rows.len(), 3);
}

#[test]
fn rows_of_cut_batches_are_read() {
    let texts = ["a", "b"].map(|text| Thing::Bytes(text.into())).to_vec();
    let decimals = [1250_i128, -5].map(|value| Thing::Bytes(value.to_be_bytes().to_vec())).to_vec();
    let decimals = Thing::Struct(vec![(1, Thing::List(decimals)), (2, Thing::Whole(3))]);
    let whole = chunk(vec![
        vector(6, &[false; 2], values(3, vec![Thing::Whole(7), Thing::Whole(8)]), false),
        vector(16, &[false; 2], vec![(17, decimals)], false),
        vector(7, &[false, true], values(7, texts), false),
    ]);
    let all = read_chunk(&whole).unwrap();
    let mut longest = 0;
    for len in 0..whole.len() {
        let Ok(batch) = read_batch(&whole[..len], 100, true) else { continue };
        assert_eq!(batch.size, 2);
        for (row, expected) in batch.rows.iter().zip(&all) {
            assert!(expected.starts_with(row), "{len}: {row:?}");
        }
        let cells = batch.rows.iter().map(Vec::len).sum::<usize>();
        assert!(cells >= longest, "{len}");
        longest = cells;
    }
    assert_eq!(longest, 6, "at the end all cells are there");
}

#[test]
fn lengths_and_scales_that_cannot_be_are_refused() {
    let decimals = Thing::List(vec![Thing::Bytes(vec![0; 16]); 2]);
    let decimals = Thing::Struct(vec![(1, decimals), (2, Thing::Whole(i64::from(i32::MAX)))]);
    let bytes = chunk(vec![vector(16, &[false; 2], vec![(17, decimals)], false)]);
    assert_eq!(read_chunk(&bytes), Err(Unreadable::Value(0)));
    let deep = b"\x0c\0\x01".repeat(100_000);
    assert!(read_batch(&deep, 100, false).is_err() && read_batch(&deep, 100, true).is_err());
}
