//! Bodies in which every byte is predictable.

use bytes::Bytes;

/// The period of the bytes, coprime to the sizes of frames and buffers.
const PERIOD: usize = 251;

/// What a sender has sent of a body, for its reader to compare.
#[derive(Debug, Default)]
pub(crate) struct Body {
    salt: u8,
    /// Which side may leave it before its end while the rest of the stream is kept. Of a call's bodies, the writer
    /// may leave one and the reader the other: if both writers left, both readers would wait forever, and if both
    /// readers left, both writers.
    pub(crate) leaver: Leaver,
    pub(crate) sent: usize,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// The peer is not a user.
    #[default]
    Both,
    Writer,
    Reader,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    /// More may follow, or it was cut short.
    #[default]
    Open,
    Data,
    Trailers,
}

impl Body {
    pub(crate) fn new(salt: u8, leaver: Leaver) -> Self {
        Self { salt, leaver, ..Self::default() }
    }

    /// `len` bytes from a position.
    fn bytes(&self, at: usize, len: usize) -> Vec<u8> {
        let period: [u8; PERIOD] = std::array::from_fn(|at| at as u8 ^ self.salt);
        let mut bytes = Vec::with_capacity(len + 2 * PERIOD);
        bytes.extend_from_slice(&period[at % PERIOD..]);
        while bytes.len() < len {
            bytes.extend_from_slice(&period);
        }
        bytes.truncate(len);
        bytes
    }

    /// The next bytes.
    pub(crate) fn next(&mut self, len: usize) -> Bytes {
        let data = self.bytes(self.sent, len);
        self.sent += len;
        data.into()
    }

    /// Fails unless these are the bytes at a position.
    pub(crate) fn check(&self, at: usize, data: &[u8]) {
        assert!(at + data.len() <= self.sent, "{} bytes of {}", at + data.len(), self.sent);
        assert!(data == self.bytes(at, data.len()), "other bytes than were sent, after {at}");
    }
}
