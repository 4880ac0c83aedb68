//! Bodies whose every byte can be told.

use bytes::Bytes;

/// Bytes repeat after so many: prime to the sizes of frames and buffers.
const PERIOD: usize = 251;

/// What a sender has said of a body, for its reader to compare.
#[derive(Debug, Default)]
pub(crate) struct Body {
    salt: u8,
    /// Who may leave it before its end while somebody keeps the rest of the stream. Of a call's bodies, one may be
    /// left by its writer and the other by its reader: where both writers left, both readers would wait for ever, and
    /// where both readers left, both writers.
    pub(crate) leaver: Leaver,
    pub(crate) sent: usize,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Leaver {
    /// Where the peer is no user.
    #[default]
    Both,
    Writer,
    Reader,
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
    pub(crate) fn new(salt: u8, leaver: Leaver) -> Self {
        Self { salt, leaver, ..Self::default() }
    }

    /// So many bytes from a place on.
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

    /// Fails unless these are the bytes at a place.
    pub(crate) fn check(&self, at: usize, data: &[u8]) {
        assert!(at + data.len() <= self.sent, "{} bytes of {}", at + data.len(), self.sent);
        assert!(data == self.bytes(at, data.len()), "other bytes than were sent, after {at}");
    }
}
