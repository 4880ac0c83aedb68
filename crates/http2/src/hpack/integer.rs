//! Prefix-coded integers (RFC 7541, 5.1).

use bytes::{BufMut, BytesMut};

use super::DecodeError;

/// The most bits in the bytes after the prefix: five bytes of seven bits.
const BITS: u32 = 35;

/// Decodes the integer that begins in the low `prefix` bits of `first`, and takes its further bytes off `block`.
#[inline]
pub(super) fn decode(first: u8, prefix: u32, block: &mut &[u8]) -> Result<usize, DecodeError> {
    let mask = u8::MAX >> (8 - prefix);
    let start = first & mask;
    if start < mask { Ok(start.into()) } else { continued(mask, block) }
}

fn continued(start: u8, block: &mut &[u8]) -> Result<usize, DecodeError> {
    let mut value = u64::from(start);
    for shift in (0..BITS).step_by(7) {
        let (byte, rest) = block.split_first().ok_or(DecodeError::Truncated)?;
        *block = rest;
        value += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).map(|value| value as usize).map_err(|_| DecodeError::Integer);
        }
    }
    Err(DecodeError::Integer)
}

/// Appends `value`. Its first byte has the high bits of `pattern`, and the start of the value in the low `prefix`
/// bits.
#[inline]
pub(super) fn encode(value: usize, pattern: u8, prefix: u32, out: &mut BytesMut) {
    let mask = (1 << prefix) - 1;
    if value < mask {
        out.put_u8(pattern | value as u8);
        return;
    }
    out.put_u8(pattern | mask as u8);
    let mut value = value - mask;
    while value >= 0x80 {
        out.put_u8(value as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: usize, prefix: u32) -> Vec<u8> {
        let mut out = BytesMut::new();
        encode(value, 0, prefix, &mut out);
        out.to_vec()
    }

    fn decoded(coded: &[u8], prefix: u32) -> Result<(usize, usize), DecodeError> {
        let (first, mut rest) = coded.split_first().unwrap();
        decode(*first, prefix, &mut rest).map(|value| (value, rest.len()))
    }

    #[test]
    fn appendix_c_1_integers() {
        for (value, prefix, coded) in [(10, 5, &[0x0a][..]), (1337, 5, &[0x1f, 0x9a, 0x0a]), (42, 8, &[0x2a])]
        {
            assert_eq!(encoded(value, prefix), coded);
            assert_eq!(decoded(coded, prefix), Ok((value, 0)));
        }
    }

    #[test]
    fn other_bits_are_kept_and_ignored() {
        let mut out = BytesMut::new();
        encode(1337, 0xe0, 5, &mut out);
        assert_eq!(out[..], [0xff, 0x9a, 0x0a]);
        assert_eq!(decoded(&out, 5), Ok((1337, 0)));
    }

    #[test]
    fn integers_around_each_length_are_read_back() {
        for prefix in 4..=7 {
            for value in (0..32).flat_map(|bits| [(1 << bits) - 1, 1 << bits, (1 << bits) + 31]) {
                assert_eq!(decoded(&encoded(value, prefix), prefix), Ok((value, 0)));
            }
        }
    }

    #[test]
    fn an_integer_has_32_bits() {
        let max = u32::MAX as usize;
        assert_eq!(decoded(&encoded(max, 5), 5), Ok((max, 0)));
        assert_eq!(decoded(&encoded(max + 1, 5), 5), Err(DecodeError::Integer));
        assert_eq!(decoded(&[0x1f, 0xff, 0xff, 0xff, 0xff, 0x7f], 5), Err(DecodeError::Integer));
    }

    #[test]
    fn an_integer_has_five_bytes_after_its_prefix() {
        assert_eq!(decoded(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x00, 0xaa], 5), Ok((31, 1)));
        assert_eq!(decoded(&[0x1f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 5), Err(DecodeError::Integer));
    }

    #[test]
    fn an_integer_ends_in_its_block() {
        assert_eq!(decoded(&[0x1f], 5), Err(DecodeError::Truncated));
        assert_eq!(decoded(&[0x1f, 0x80, 0x80], 5), Err(DecodeError::Truncated));
    }
}
