//! The time of entries.

use std::time::SystemTime;

use super::few::{Few, delimited};

/// The most bytes of a time with its key.
const STAMP: usize = 24;

/// A time, encoded once for all entries of that time.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    pub(super) field: [u8; STAMP],
    pub(super) len: usize,
}

impl Stamp {
    /// The present.
    pub fn now() -> Self {
        SystemTime::now().into()
    }
}

impl From<SystemTime> for Stamp {
    /// A time before 1970 becomes its beginning.
    fn from(at: SystemTime) -> Self {
        let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        // Its length is known afterwards.
        let mut time = Few { len: 2, ..Few::default() };
        time.number(1, at.as_secs());
        time.number(2, at.subsec_nanos().into());
        time.bytes[..2].copy_from_slice(&[delimited(1), (time.len - 2) as u8]);
        Self { field: time.bytes, len: time.len }
    }
}
