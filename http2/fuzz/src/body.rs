//! Bodies whose every byte can be told.

use bytes::Bytes;

/// What a sender has said of a body, for its reader to compare.
#[derive(Debug, Default)]
pub(crate) struct Body {
    salt: u8,
    pub(crate) sent: usize,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// More may come, or it was broken off.
    #[default]
    Open,
    Data,
    Trailers,
}

impl Body {
    pub(crate) fn new(salt: u8) -> Self {
        Self { salt, ..Self::default() }
    }

    /// The byte at a place: 251 is prime to the sizes of frames and buffers.
    fn byte(&self, at: usize) -> u8 {
        (at % 251) as u8 ^ self.salt
    }

    /// The next bytes.
    pub(crate) fn next(&mut self, len: usize) -> Bytes {
        let data = (self.sent..self.sent + len).map(|at| self.byte(at)).collect();
        self.sent += len;
        data
    }

    /// Fails unless these are the bytes at a place.
    pub(crate) fn check(&self, at: usize, data: &[u8]) {
        assert!(at + data.len() <= self.sent, "{} bytes of {}", at + data.len(), self.sent);
        let is_right = data.iter().zip(at..).all(|(byte, at)| *byte == self.byte(at));
        assert!(is_right, "other bytes than were sent, after {at}");
    }
}
