//! Frames on the wire. Implemented again here, so that a target does not judge the crate by its own code.

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// Also ACK.
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;
pub(crate) const HAS_PRIORITY: u8 = 32;

pub(crate) const MAX_WINDOW: i64 = (1 << 31) - 1;

pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The number at the start of the payload.
    pub(crate) fn number(&self) -> u32 {
        self.payload.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes))
    }

    /// The payload without padding and priority; `None` if they are invalid.
    pub(crate) fn content(&self) -> Option<&[u8]> {
        let mut content = self.payload.as_slice();
        if self.has(PADDED) {
            let (padding, rest) = content.split_first()?;
            content = rest.get(..rest.len().checked_sub((*padding).into())?)?;
        }
        if self.kind == HEADERS && self.has(HAS_PRIORITY) {
            content = content.get(5..)?;
        }
        Some(content)
    }

    /// The entries of a SETTINGS frame.
    pub(crate) fn settings(&self) -> Vec<(u16, u32)> {
        let entry = |entry: &[u8; 6]| {
            let [a, b, value @ ..] = *entry;
            (u16::from_be_bytes([a, b]), u32::from_be_bytes(value))
        };
        self.payload.as_chunks::<6>().0.iter().map(entry).collect()
    }
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in entries {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

/// Splits bytes into frames, however they arrive.
#[derive(Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    start: usize,
}

impl Frames {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..std::mem::take(&mut self.start));
        self.bytes.extend(bytes);
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    /// Skips an expected start, once it has arrived. Returns whether it had.
    pub(crate) fn skip(&mut self, first: &[u8]) -> bool {
        let is_there = self.rest().starts_with(first);
        self.start += if is_there { first.len() } else { 0 };
        is_there
    }

    pub(crate) fn next(&mut self) -> Option<Frame> {
        let [a, b, c, kind, flags, stream @ ..] = *self.rest().first_chunk::<9>()?;
        let len = u32::from_be_bytes([0, a, b, c]) as usize;
        let payload = self.rest().get(9..9 + len)?.to_vec();
        self.start += 9 + len;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & MAX_WINDOW as u32, payload })
    }
}
