//! The Huffman code of strings (RFC 7541, 5.2 and appendix B). It is canonical, so the lengths of its codes define
//! them. Codes of up to ten bits, which cover the common characters, are decoded by one look-up.

use super::DecodeError;

/// The end-of-string symbol, which no string may contain.
const EOS: u16 = 256;

/// Bits of the longest code.
const LONGEST: u32 = 30;

/// Bits of the longest code that is decoded by one look-up.
const QUICK_BITS: u32 = 10;

/// The length of each symbol's code, in bits.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6,
    6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6,
    6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22,
    20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23,
    22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22,
    23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22,
    25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

/// All symbols, sorted by code length and then by value.
const SORTED: [u16; 257] = sorted();

/// The codes of one length, which are consecutive.
#[derive(Clone, Copy)]
struct Run {
    /// The first code.
    first: u32,
    /// The index of its symbol in [`SORTED`].
    place: u32,
    /// The end of the codes, with the highest bit of a code in bit 31.
    end: u64,
}

const RUNS: [Run; LONGEST as usize + 1] = runs();

/// For each ten bits: the length of the code they begin with, and its byte. Length 0 marks a longer code.
static QUICK: [(u8, u8); 1 << QUICK_BITS] = quick();

const fn sorted() -> [u16; 257] {
    let mut sorted = [0; 257];
    let (mut place, mut length) = (0, 0);
    while length <= LONGEST {
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as u32 == length {
                sorted[place] = symbol as u16;
                place += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    sorted
}

const fn runs() -> [Run; LONGEST as usize + 1] {
    let mut runs = [Run { first: 0, place: 0, end: 0 }; LONGEST as usize + 1];
    let (mut code, mut place, mut length) = (0, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        let (first, start) = (code, place);
        while place < SORTED.len() && LENGTHS[SORTED[place] as usize] as u32 == length {
            code += 1;
            place += 1;
        }
        runs[length as usize] = Run { first, place: start as u32, end: (code as u64) << (32 - length) };
        length += 1;
    }
    runs
}

const fn quick() -> [(u8, u8); 1 << QUICK_BITS] {
    let mut quick = [(0, 0); 1 << QUICK_BITS];
    let mut bits = 0;
    while bits < quick.len() {
        let (length, symbol) = search((bits as u64) << (64 - QUICK_BITS), 1);
        if length <= QUICK_BITS {
            quick[bits] = (length as u8, symbol as u8);
        }
        bits += 1;
    }
    quick
}

/// Finds the code that `bits` begin with, of at least `length` bits. Returns its length and symbol.
const fn search(bits: u64, mut length: u32) -> (u32, u16) {
    while bits >> 32 >= RUNS[length as usize].end {
        length += 1;
    }
    let Run { first, place, .. } = RUNS[length as usize];
    let code = (bits >> (64 - length)) as u32;
    (length, SORTED[(place + code - first) as usize])
}

#[inline]
fn next(bits: u64) -> (u32, u16) {
    match QUICK[(bits >> (64 - QUICK_BITS)) as usize] {
        (0, _) => search(bits, QUICK_BITS + 1),
        (length, byte) => (length.into(), byte.into()),
    }
}

/// Decodes `coded` into the start of `out`, which grows as needed and is not cleared.
pub(super) fn decode<'a>(coded: &[u8], out: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
    // The shortest code has five bits.
    let most = coded.len() * 8 / 5;
    if out.len() < most {
        out.resize(most, 0);
    }
    let mut rest = coded;
    // The next bits, most significant first. At least `have` are valid; the bits below are valid or zero.
    let (mut bits, mut have) = (0u64, 0u32);
    let mut len = 0;
    loop {
        if let Some(chunk) = rest.first_chunk() {
            bits |= u64::from_be_bytes(*chunk) >> have;
            let bytes = (63 - have) / 8;
            rest = &rest[bytes as usize..];
            have += bytes * 8;
        } else {
            while have <= 56
                && let Some((byte, behind)) = rest.split_first()
            {
                bits |= u64::from(*byte) << (56 - have);
                rest = behind;
                have += 8;
            }
        }
        while have >= LONGEST {
            let (length, symbol) = next(bits);
            if symbol == EOS {
                return Err(DecodeError::Huffman);
            }
            out[len] = symbol as u8;
            len += 1;
            bits <<= length;
            have -= length;
        }
        if rest.is_empty() {
            break;
        }
    }
    while have > 0 {
        let padded = bits | u64::MAX >> have;
        let (length, symbol) = next(padded);
        if length > have {
            let padding = have < 8 && padded == u64::MAX;
            return if padding { Ok(&out[..len]) } else { Err(DecodeError::Huffman) };
        }
        out[len] = symbol as u8;
        len += 1;
        bits <<= length;
        have -= length;
    }
    Ok(&out[..len])
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Encodes `text`, with padding.
    pub(in crate::hpack) fn encode(text: &[u8]) -> Vec<u8> {
        let mut bits = Vec::new();
        for byte in text {
            let length = u32::from(LENGTHS[*byte as usize]);
            let place = SORTED.iter().position(|symbol| *symbol == u16::from(*byte)).unwrap() as u32;
            let run = RUNS[length as usize];
            let code = run.first + place - run.place;
            bits.extend((0..length).rev().map(|bit| code >> bit & 1));
        }
        while bits.len() % 8 != 0 {
            bits.push(1);
        }
        bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | *bit as u8)).collect()
    }

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, DecodeError> {
        decode(coded, &mut vec![b'?'; 3]).map(<[u8]>::to_vec)
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        for (symbol, code) in [
            (0, 0x1ff8),
            (b' ', 0x14),
            (b'0', 0x0),
            (b'Z', 0xfd),
            (b'\\', 0x7fff0),
            (b'z', 0x7b),
            (b'\n', 0x3ffffffc),
            (249, 0xffffffe),
            (255, 0x3ffffee),
        ] {
            let coded = encode(&[symbol]);
            let bits = coded.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
            let padding = coded.len() * 8 - LENGTHS[symbol as usize] as usize;
            assert_eq!(bits >> padding, code, "{symbol}");
        }
        assert_eq!(RUNS[30].end, 1 << 32);
        assert_eq!(SORTED[256], EOS);
    }

    #[test]
    fn padding_is_at_most_seven_ones() {
        assert_eq!(decoded(&[]), Ok(vec![]));
        // "0" is five zeros.
        assert_eq!(decoded(&[0x07]), Ok(b"0".to_vec()));
        assert_eq!(decoded(&[0x06]), Err(DecodeError::Huffman));
        assert_eq!(decoded(&[0x00]), Err(DecodeError::Huffman));
        assert_eq!(decoded(&[0xff]), Err(DecodeError::Huffman));
        assert_eq!(decoded(&[0x07, 0xff]), Err(DecodeError::Huffman));
        // "X" has eight bits: no padding.
        assert_eq!(decoded(&[0xfc]), Ok(b"X".to_vec()));
    }

    #[test]
    fn eos_is_refused() {
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xff]), Err(DecodeError::Huffman));
        assert_eq!(decoded(&[0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 0, 0]), Err(DecodeError::Huffman));
        assert_eq!(decoded(&[0x07, 0xff, 0xff, 0xff, 0xff, 0x83]), Err(DecodeError::Huffman));
    }

    proptest! {
        #[test]
        fn encoded_input_is_decoded(text: Vec<u8>) {
            prop_assert_eq!(decoded(&encode(&text)), Ok(text));
        }

        #[test]
        fn common_text_is_decoded(text in "[ -~]{0,200}") {
            prop_assert_eq!(decoded(&encode(text.as_bytes())), Ok(text.into_bytes()));
        }

        /// Codes are unique, so decoded text encodes to the same bytes.
        #[test]
        fn any_bytes_are_one_text_or_none(coded: Vec<u8>) {
            if let Ok(text) = decoded(&coded) {
                prop_assert_eq!(encode(&text), coded);
            }
        }
    }
}
