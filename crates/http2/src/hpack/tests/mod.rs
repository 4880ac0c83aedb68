//! The decoder and the encoder by the examples of the RFC, by each error, by properties, and against h2.

mod errors;
mod peer;
mod properties;
mod rfc;

use bytes::BytesMut;
use http::{HeaderName, HeaderValue};

use super::{DecodeError, Decoder, Encoder, Field, name::Name};

/// A field by its texts.
fn field(name: &str, value: &str) -> Field {
    let name = Name::parse(name.as_bytes());
    name.field(value.as_bytes(), |value| value.to_vec().into()).unwrap_or(Field::Malformed)
}

fn fields(texts: &[(&str, &str)]) -> Vec<Field> {
    texts.iter().map(|(name, value)| field(name, value)).collect()
}

fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
    (name.parse().unwrap(), value.parse().unwrap())
}

/// Parses hexadecimal digits, with spaces between them.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        digits.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// The fields of a block, and their size.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Result<(Vec<Field>, usize), DecodeError> {
    let (mut fields, mut sum) = (vec![], 0);
    decoder.decode(block, |it| {
        fields.push(it.field.clone());
        sum += it.size;
        true
    })?;
    Ok((fields, sum))
}

fn encode(encoder: &mut Encoder, fields: &[Field]) -> BytesMut {
    let mut out = BytesMut::new();
    encoder.begin(&mut out);
    for field in fields {
        let out = &mut out;
        let text = |text| str::from_utf8(text).unwrap();
        match field {
            Field::Authority(value) => encoder.authority(value, false, out),
            Field::Method(method) => encoder.method(method, out),
            Field::Scheme(value) => encoder.scheme(text(value), out),
            Field::Path(value) => encoder.path(text(value), false, out),
            Field::Status(status) => encoder.status(*status, out),
            Field::Header(name, value) => encoder.header(name, value, out),
            Field::Malformed => unreachable!("no test encodes it"),
        }
    }
    out
}
