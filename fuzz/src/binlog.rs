//! The reader of recordings.

use prost::Message;
use teal_binlog::{Assembler, Located, ReadError, Reader};

/// Reads bytes as a recording, and writes and reads again what was in them.
pub fn run(data: &[u8]) {
    let Ok(read) = read(data) else { return };
    let mut assembler = Assembler::new(true);
    let mut calls = 0;
    for located in &read {
        calls += usize::from(assembler.push(located.entry.clone()).is_some());
    }
    calls += assembler.finish().count();
    assert!(calls <= read.len(), "more calls than entries");
    // Of an entry with unknown fields alone nothing is left, and an empty one is none.
    let read: Vec<_> = read.into_iter().filter(|located| located.entry.encoded_len() > 0).collect();
    for is_varint in [false, true] {
        let mut written = Vec::new();
        for Located { entry, .. } in &read {
            match is_varint {
                true => entry.encode_length_delimited(&mut written).expect("vectors take all"),
                false => {
                    written.extend((entry.encoded_len() as u32).to_be_bytes());
                    entry.encode(&mut written).expect("vectors take all");
                }
            }
        }
        let again = self::read(&written).expect("an entry was the first before");
        let entries = |of: &[Located]| of.iter().map(|located| located.entry.clone()).collect::<Vec<_>>();
        assert!(entries(&again) == entries(&read), "other entries");
    }
}

/// The entries before the first error.
fn read(data: &[u8]) -> Result<Vec<Located>, ReadError> {
    let mut reader = Reader::new(data).inspect_err(|error| assert_eq!(error.offset, 0))?;
    let (mut entries, mut next) = (Vec::new(), 0);
    while let Some(entry) = reader.next() {
        let offset = entry.as_ref().map_or_else(|error| error.offset, |located| located.offset);
        assert!(offset >= next && offset <= data.len() as u64, "{offset} is not in the file");
        next = offset + 1;
        match entry {
            Ok(located) => entries.push(located),
            Err(_) => assert!(reader.next().is_none(), "it goes on after an error"),
        }
    }
    Ok(entries)
}
