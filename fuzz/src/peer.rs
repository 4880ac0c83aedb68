//! A peer that sends anything: valid frames in any order, and invalid bytes.

use crate::{
    frames::*,
    input::Input,
    model::Model,
    nghttp2::{Deflater, Text},
};

/// The next event.
pub(crate) enum Step {
    /// The peer sends this, in parts of this many bytes.
    Say(Vec<u8>, usize),
    /// The peer reads at most this many bytes from now on.
    Room(usize),
    /// The peer sends no more.
    End,
    /// The socket fails.
    Break,
    /// Time passes.
    Time,
    /// The user of the connection does something.
    User(u8),
}

/// The most bytes sent at once by repetition.
const MUCH: usize = 20_000;

pub(crate) struct Peer {
    input: Input,
    is_client: bool,
    /// The id of the next stream it opens.
    next: u32,
    deflater: Deflater,
    said: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(input: Input, is_client: bool) -> Self {
        Self { input, is_client, next: 1, deflater: Deflater::new(), said: Vec::new() }
    }

    /// The start of the connection: mostly valid.
    pub(crate) fn begin(&mut self) -> Vec<u8> {
        let entries: &[(u16, u32)] = match self.input.byte() {
            255 => return self.input.bytes(),
            1 => &[(4, 0)],
            2 => &[(4, 10), (3, 2)],
            3 => &[(4, MAX_WINDOW as u32), (5, 20_000)],
            4 => &[(1, 0)],
            5 => &[(1, 100), (6, 300)],
            6 => &[(3, 0)],
            _ => &[],
        };
        let preface = if self.is_client { PREFACE } else { &[] };
        [preface, &settings(entries)].concat()
    }

    pub(crate) fn step(&mut self, model: &Model) -> Step {
        let what = self.input.byte();
        let said = match what % 40 {
            0..6 => self.headers(),
            6..11 => self.data(model),
            11..14 => self.window(),
            14..16 => frame(RST_STREAM, 0, self.stream(), &self.code().to_be_bytes()),
            16 => self.settings(),
            17 => frame(SETTINGS, 1, 0, &[]),
            18 => self.ping(model),
            19 => [self.last().to_be_bytes(), self.code().to_be_bytes()].concat(),
            20 => frame(PRIORITY, 0, self.stream(), &[0, 0, 0, 1, 7]),
            21 => self.any_frame(),
            22 => self.continued(),
            23 => self.input.bytes(),
            24..27 => {
                // Repeat the last bytes, up to 64 times.
                let times = usize::from(self.input.byte() % 64).min(MUCH / self.said.len().max(1));
                self.said.repeat(times)
            }
            27 => return Step::Room(usize::from(self.input.byte()) * 16),
            28 => return Step::Room(usize::MAX),
            29 if what > 200 => return Step::End,
            30 if what > 200 => return Step::Break,
            31..34 => return Step::Time,
            34 => return Step::User(self.input.byte()),
            _ => self.headers(),
        };
        let said = if what % 40 == 19 { frame(GOAWAY, 0, 0, &said) } else { said };
        if said.len() < MUCH {
            self.said = said.clone();
        }
        let part = if what >= 240 { 1 + usize::from(self.input.byte()) } else { usize::MAX };
        Step::Say(said, part)
    }

    /// A stream that may be open.
    fn stream(&mut self) -> u32 {
        match self.input.byte() {
            byte if byte < 160 => u32::from(byte % 8) * 2 + 1,
            byte if byte < 240 => self.last().saturating_sub(u32::from(byte % 4) * 2),
            byte if byte < 255 => u32::from(byte),
            _ => self.input.number(),
        }
    }

    fn last(&self) -> u32 {
        self.next.saturating_sub(2)
    }

    fn code(&self) -> u32 {
        match self.input.byte() {
            255 => self.input.number(),
            code => (code % 16).into(),
        }
    }

    fn headers(&mut self) -> Vec<u8> {
        let choice = self.input.byte();
        let stream = if self.is_client && choice < 150 {
            self.next += 2;
            self.next - 2
        } else {
            self.stream()
        };
        let block = self.block();
        let end = if choice.is_multiple_of(3) { END_STREAM } else { 0 };
        match choice % 16 {
            15 => {
                let payload = [&[3, 0, 0, 0, 0, 9], block.as_slice(), &[0; 3]].concat();
                frame(HEADERS, end | END_HEADERS | PADDED | HAS_PRIORITY, stream, &payload)
            }
            14 => Self::split(stream, end, &block, 1 + block.len() / 3),
            _ if block.len() > 16_384 => Self::split(stream, end, &block, 16_384),
            _ => frame(HEADERS, end | END_HEADERS, stream, &block),
        }
    }

    fn split(stream: u32, end: u8, block: &[u8], part: usize) -> Vec<u8> {
        let last = block.len().div_ceil(part).max(1) - 1;
        let mut frames = Vec::new();
        for (at, part) in block.chunks(part).enumerate() {
            let (kind, flags) = if at == 0 { (HEADERS, end) } else { (CONTINUATION, 0) };
            frames.extend(frame(kind, if at == last { flags | END_HEADERS } else { flags }, stream, part));
        }
        frames
    }

    fn continued(&mut self) -> Vec<u8> {
        let (stream, block, flags) = (self.stream(), self.block(), self.input.byte());
        let part = 1 + usize::from(self.input.byte());
        [Self::split(stream, flags & END_STREAM, &block, part), frame(CONTINUATION, flags, stream, &[])]
            .concat()
    }

    /// The fields of a head or of trailers, valid or not.
    fn block(&mut self) -> Vec<u8> {
        let choice = self.input.byte();
        if choice == 255 {
            return self.input.bytes();
        }
        let request =
            [(":method", "POST"), (":scheme", "http"), (":authority", "fuzz.test"), (":path", "/call")];
        let (mut fields, rest): (Vec<(&str, &str)>, u8) = match (choice % 4, self.is_client) {
            (0..3, true) => (request.into(), choice / 4),
            (0..3, false) => (vec![(":status", "200")], choice / 4),
            _ => (vec![("x-end", "1")], choice / 4),
        };
        match rest {
            32 => fields.push(("content-length", "5")),
            33 => fields.push(("content-length", "20000")),
            34 => fields.push(("content-length", "5,5")),
            35 => fields.push(("connection", "close")),
            36 => fields.push(("X-Capital", "a")),
            37 => fields.push((":path", "/again")),
            38 => fields.push(("host", "other.test")),
            39 => fields[0].1 = "HEAD",
            40 => fields[0].1 = "103",
            41 => fields[0].1 = "204",
            42 => fields[0].1 = "CONNECT",
            43 => drop(fields.pop()),
            44 => fields = [(":method", "CONNECT"), (":authority", "fuzz.test:1")].into(),
            45 => fields.push(("te", "gzip")),
            46 => fields.push(("x-blank", " a ")),
            47 => fields.push((":status", "200")),
            48 => fields[0].1 = "304",
            49 => fields.push(("x-line", "a\nb")),
            50 => fields.insert(2.min(fields.len()), (":authority", "user@fuzz.test:1")),
            51 => fields.push(("cookie", "a=b")),
            _ => {}
        }
        let text = |(name, value): (&str, &str)| -> Text { (name.into(), value.into(), false) };
        let mut fields: Vec<Text> = fields.into_iter().map(text).collect();
        match rest {
            52 => fields.push(("x-long".into(), vec![b'v'; 30_000], false)),
            53 => fields.extend((0..3).map(|_| ("x-too-long".into(), vec![b'v'; 30_000], false))),
            54 => fields.extend((0..2_000).map(|_| ("a".into(), Vec::new(), false))),
            55 => fields.push((self.input.bytes(), self.input.bytes(), false)),
            56 => self.deflater.set_max_size(usize::from(self.input.byte()) * 16),
            57 => fields.push(("x-secret".into(), vec![choice], true)),
            58..62 => fields.push(("x-other".into(), vec![b'a' + self.input.byte() % 26; 4], false)),
            _ => {}
        }
        self.deflater.deflate(&fields)
    }

    /// Mostly within the windows.
    fn data(&mut self, model: &Model) -> Vec<u8> {
        let (stream, choice) = (self.stream(), self.input.byte());
        let len = match self.input.byte() {
            size if size < 100 => size.into(),
            size if size < 200 => usize::from(size - 99) * 162,
            size => usize::from(size) * 64,
        };
        let allowed = model.may_come(stream);
        let len = if choice < 240 { len.min(allowed) } else { len };
        let end = if choice % 8 == 7 { END_STREAM } else { 0 };
        if choice % 16 == 3 && allowed > 20 {
            let len = len.min(allowed - 20);
            let payload = [&[choice / 16], vec![choice; len].as_slice(), &[0; 9]].concat();
            return frame(DATA, end | PADDED, stream, &payload);
        }
        frame(DATA, end, stream, &vec![choice; len])
    }

    fn window(&mut self) -> Vec<u8> {
        let more = match self.input.byte() {
            size if size < 64 => u32::from(size),
            size if size < 250 => u32::from(size) * 500,
            250 => MAX_WINDOW as u32,
            251 => MAX_WINDOW as u32 - 65_535,
            _ => self.input.number(),
        };
        let stream = if self.input.byte() < 100 { 0 } else { self.stream() };
        frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
    }

    fn settings(&mut self) -> Vec<u8> {
        let count = self.input.byte() % 5;
        let entry = || {
            let choice = self.input.byte();
            let value = match (choice % 8, self.input.byte()) {
                (_, 255) => self.input.number(),
                (1, size) => u32::from(size) * 20,
                (2, size) => (size / 250).into(),
                (3, size) => (size / 8).into(),
                (4, size) if size > 250 => MAX_WINDOW as u32,
                (4, size) => u32::from(size) * u32::from(size) * 2,
                (5, size) => 16_384 + u32::from(size) * u32::from(size / 8),
                (6, size) => u32::from(size) * 64,
                (_, size) => size.into(),
            };
            (u16::from(choice % 8), value)
        };
        let entries: Vec<_> = (0..count).map(|_| entry()).collect();
        settings(&entries)
    }

    /// A PING, or the acknowledgement of the last one.
    fn ping(&mut self, model: &Model) -> Vec<u8> {
        match (self.input.byte(), &model.asked) {
            (0..128, Some(asked)) => frame(PING, 1, 0, asked),
            (255, _) => frame(PING, 0, 0, &self.input.bytes()),
            (byte, _) => frame(PING, 0, 0, &[byte; 8]),
        }
    }

    fn any_frame(&mut self) -> Vec<u8> {
        let (kind, flags) = (self.input.byte() % 12, self.input.byte());
        let stream = self.stream();
        frame(kind, flags, stream, &self.input.bytes())
    }
}
