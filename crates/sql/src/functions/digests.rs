//! Murmur3 and XXH64, as in Spark.

/// A hash that is seeded with the hash of the previous value.
pub(super) trait Digest {
    fn int(value: i32, seed: i64) -> i64;
    fn long(value: i64, seed: i64) -> i64;
    fn bytes(bytes: &[u8], seed: i64) -> i64;
}

/// 32-bit Murmur3. Bytes after the last group of four are mixed in one by one, sign-extended.
pub(super) struct Murmur;

impl Murmur {
    fn mixed(hash: u32, word: u32) -> u32 {
        let word = word.wrapping_mul(0xcc9e_2d51).rotate_left(15).wrapping_mul(0x1b87_3593);
        (hash ^ word).rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64)
    }

    fn ended(hash: u32, length: usize) -> i64 {
        let hash = hash ^ length as u32;
        let hash = (hash ^ (hash >> 16)).wrapping_mul(0x85eb_ca6b);
        let hash = (hash ^ (hash >> 13)).wrapping_mul(0xc2b2_ae35);
        i64::from((hash ^ (hash >> 16)) as i32)
    }
}

impl Digest for Murmur {
    fn int(value: i32, seed: i64) -> i64 {
        Self::ended(Self::mixed(seed as u32, value as u32), 4)
    }

    fn long(value: i64, seed: i64) -> i64 {
        let low = Self::mixed(seed as u32, value as u32);
        Self::ended(Self::mixed(low, (value >> 32) as u32), 8)
    }

    fn bytes(bytes: &[u8], seed: i64) -> i64 {
        let (words, rest) = bytes.as_chunks::<4>();
        let hash = words.iter().fold(seed as u32, |hash, word| Self::mixed(hash, u32::from_le_bytes(*word)));
        let signed = |byte: &u8| i32::from(*byte as i8) as u32;
        let hash = rest.iter().fold(hash, |hash, byte| Self::mixed(hash, signed(byte)));
        Self::ended(hash, bytes.len())
    }
}

/// XXH64.
pub(super) struct Xx;

const FIRST: u64 = 0x9e37_79b1_85eb_ca87;
const SECOND: u64 = 0xc2b2_ae3d_27d4_eb4f;
const THIRD: u64 = 0x1656_67b1_9e37_79f9;
const FOURTH: u64 = 0x85eb_ca77_c2b2_ae63;
const FIFTH: u64 = 0x27d4_eb2f_1656_67c5;

impl Xx {
    fn round(lane: u64, word: u64) -> u64 {
        lane.wrapping_add(word.wrapping_mul(SECOND)).rotate_left(31).wrapping_mul(FIRST)
    }

    fn eight(hash: u64, word: u64) -> u64 {
        (hash ^ Self::round(0, word)).rotate_left(27).wrapping_mul(FIRST).wrapping_add(FOURTH)
    }

    fn four(hash: u64, word: u32) -> u64 {
        let hash = hash ^ u64::from(word).wrapping_mul(FIRST);
        hash.rotate_left(23).wrapping_mul(SECOND).wrapping_add(THIRD)
    }

    fn ended(hash: u64) -> i64 {
        let hash = (hash ^ (hash >> 33)).wrapping_mul(SECOND);
        let hash = (hash ^ (hash >> 29)).wrapping_mul(THIRD);
        (hash ^ (hash >> 32)) as i64
    }

    /// The hash of whole blocks of 32 bytes.
    fn blocks(blocks: &[[u8; 32]], seed: u64) -> u64 {
        let mut lanes = [
            seed.wrapping_add(FIRST).wrapping_add(SECOND),
            seed.wrapping_add(SECOND),
            seed,
            seed.wrapping_sub(FIRST),
        ];
        for block in blocks {
            for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
                *lane = Self::round(*lane, u64::from_le_bytes(*word));
            }
        }
        let turned = lanes.iter().zip([1, 7, 12, 18]).map(|(lane, by)| lane.rotate_left(by));
        let hash = turned.fold(0_u64, u64::wrapping_add);
        let merged =
            |hash: u64, lane: &u64| (hash ^ Self::round(0, *lane)).wrapping_mul(FIRST).wrapping_add(FOURTH);
        lanes.iter().fold(hash, merged)
    }
}

impl Digest for Xx {
    fn int(value: i32, seed: i64) -> i64 {
        Self::ended(Self::four((seed as u64).wrapping_add(FIFTH).wrapping_add(4), value as u32))
    }

    fn long(value: i64, seed: i64) -> i64 {
        Self::ended(Self::eight((seed as u64).wrapping_add(FIFTH).wrapping_add(8), value as u64))
    }

    fn bytes(bytes: &[u8], seed: i64) -> i64 {
        let (blocks, rest) = bytes.as_chunks::<32>();
        let hash = match blocks {
            [] => (seed as u64).wrapping_add(FIFTH),
            blocks => Self::blocks(blocks, seed as u64),
        };
        let hash = hash.wrapping_add(bytes.len() as u64);
        let (words, rest) = rest.as_chunks::<8>();
        let hash = words.iter().fold(hash, |hash, word| Self::eight(hash, u64::from_le_bytes(*word)));
        let (words, rest) = rest.as_chunks::<4>();
        let hash = words.iter().fold(hash, |hash, word| Self::four(hash, u32::from_le_bytes(*word)));
        let byte = |hash: u64, byte: &u8| {
            (hash ^ u64::from(*byte).wrapping_mul(FIFTH)).rotate_left(11).wrapping_mul(FIRST)
        };
        Self::ended(rest.iter().fold(hash, byte))
    }
}
