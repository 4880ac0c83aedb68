//! Header compression against nghttp2's: blocks of any bytes, blocks of nghttp2, and blocks of ours.

use teal_http2::fuzzing::{HeaderDecoder, HeaderEncoder};

use crate::{
    input::Input,
    nghttp2::{Deflater, Inflater, Text, is_name, is_value},
};

/// Names and values that repeat.
const NAMES: [&str; 16] = [
    ":authority",
    ":method",
    ":path",
    ":scheme",
    ":status",
    "te",
    "content-type",
    "grpc-timeout",
    "date",
    "x-a",
    "x-b",
    "cookie",
    "content-length",
    "grpc-status",
    "a",
    "authorization",
];
const VALUES: [&str; 12] = [
    "",
    "GET",
    "POST",
    "/",
    "/a/b",
    "http",
    "https",
    "200",
    "418",
    "trailers",
    "application/grpc",
    "example.com",
];

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let input = Input::new(bytes);
    match input.byte() % 3 {
        0 => any_blocks(&input),
        1 => their_blocks(&input),
        _ => our_blocks(&input),
    }
}

/// Both decoders must accept the same blocks with the same fields, and refuse the same blocks.
fn any_blocks(input: &Input) {
    let (mut ours, mut theirs) = (HeaderDecoder::default(), Inflater::new());
    while !input.is_empty() {
        let block = block(input);
        let (decoded, inflated) = (ours.decode(&block), theirs.inflate(&block));
        match (decoded, inflated) {
            (Ok(decoded), Some(inflated)) => compare(&decoded, &inflated),
            (Err(_), None) => return,
            (decoded, inflated) => panic!("of {block:02x?} we make {decoded:?}, nghttp2 {inflated:?}"),
        }
        compare_tables(&ours, &theirs);
    }
}

/// Also long ones.
fn block(input: &Input) -> Vec<u8> {
    match input.byte() {
        255 => input.take(4000),
        len => input.take(len.into()),
    }
}

fn their_blocks(input: &Input) {
    let (mut ours, mut theirs) = (HeaderDecoder::default(), Deflater::new());
    // It never indexes some values by itself.
    let mut inflater = Inflater::new();
    while !input.is_empty() {
        if input.byte() & 7 == 7 {
            theirs.set_max_size(usize::from(input.byte()) * 20);
        }
        let fields = fields(input);
        let block = theirs.deflate(&fields);
        let inflated = inflater.inflate(&block).expect("nghttp2 made it");
        assert!(
            inflated
                .iter()
                .map(|field| (&field.0, &field.1))
                .eq(fields.iter().map(|field| (&field.0, &field.1)))
        );
        compare(&ours.decode(&block).expect("nghttp2 made it"), &inflated);
        assert_eq!(ours.table().1, theirs.table_size());
    }
}

fn our_blocks(input: &Input) {
    let (mut ours, mut theirs) = (HeaderEncoder::default(), Inflater::new());
    let mut decoder = HeaderDecoder::default();
    while !input.is_empty() {
        for _ in 0..input.byte().saturating_sub(252) {
            let size = usize::from(input.byte()) * 20;
            ours.set_max_size(size);
            theirs.set_max_size(size);
        }
        let (block, fields) = ours.encode(fields(input));
        let inflated = theirs.inflate(&block).expect("we made it");
        assert_eq!(inflated, fields);
        let decoded = decoder.decode(&block).expect("we made it");
        compare(&decoded, &inflated);
        let (entries, size) = theirs.table();
        assert_eq!(ours.extent(), (entries.len(), size));
        compare_tables(&decoder, &theirs);
    }
}

fn fields(input: &Input) -> Vec<Text> {
    let count = input.byte() % 24;
    (0..count).map(|_| field(input)).collect()
}

fn field(input: &Input) -> Text {
    let text = |known: &[&str]| match usize::from(input.byte()) {
        choice if choice < 192 => known[choice % known.len()].into(),
        250.. => vec![b'v'; usize::from(input.byte()) * 20],
        _ => input.bytes(),
    };
    let name = text(&NAMES);
    (name, text(&VALUES), input.byte() > 240)
}

/// Checks that the fields are equal, and that only forbidden fields are reported as such.
fn compare(ours: &[(Option<Text>, usize)], theirs: &[Text]) {
    assert_eq!(ours.len(), theirs.len(), "ours {ours:?}, theirs {theirs:?}");
    for ((field, size), text) in ours.iter().zip(theirs) {
        assert_eq!(*size, text.0.len() + text.1.len() + 32);
        compare_field(field.as_ref(), text);
    }
}

fn compare_field(ours: Option<&Text>, theirs: &Text) {
    let (name, value, is_sensitive) = theirs;
    match ours {
        None => assert!(is_forbidden(name, value), "{theirs:?} is allowed"),
        Some((our_name, our_value, ours)) => {
            assert_eq!((our_name, our_value), (name, value));
            assert!(!is_forbidden(name, value), "{theirs:?} is forbidden");
            assert_eq!(ours, is_sensitive, "{theirs:?}");
        }
    }
}

fn compare_tables(ours: &HeaderDecoder, theirs: &Inflater) {
    let ((ours, size), (theirs, their_size)) = (ours.table(), theirs.table());
    assert_eq!((ours.len(), size), (theirs.len(), their_size));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // Entries of a table are not sensitive, whatever their flags.
        let theirs = (theirs.0.clone(), theirs.1.clone(), false);
        compare_field(ours.as_ref(), &theirs);
    }
}

fn is_forbidden(name: &[u8], value: &[u8]) -> bool {
    let is_token = |text: &[u8]| is_name(&text.to_ascii_lowercase()) && !text.starts_with(b":");
    match name {
        b":authority" | b":path" | b":scheme" => value.iter().any(u8::is_ascii_control),
        b":method" => !is_token(value),
        b":status" => value.len() != 3 || !value.iter().all(u8::is_ascii_digit) || value[0] == b'0',
        _ => name.starts_with(b":") || !is_name(name) || !is_value(value),
    }
}
