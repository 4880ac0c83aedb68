//! A small random generator with the same numbers on every start (SplitMix64).

pub(super) struct Random(u64);

impl Random {
    /// Seeds a generator from a name (FNV-1a), so that each column has its own numbers.
    pub(super) fn named(parts: &[&str]) -> Self {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for byte in parts.iter().flat_map(|part| part.bytes().chain([b'.'])) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Self(hash)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: i128, high: i128) -> i128 {
        let wide = (u128::from(self.next()) << 64) | u128::from(self.next());
        let span = (high.wrapping_sub(low) as u128).saturating_add(1);
        low.wrapping_add_unsigned(wide % span)
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.next() % length.max(1) as u64).unwrap_or(0)
    }

    pub(super) fn pick<'a>(&mut self, values: &[&'a str]) -> &'a str {
        values[self.index(values.len())]
    }

    pub(super) fn percent(&mut self, share: u8) -> bool {
        self.next() % 100 < u64::from(share)
    }
}
