//! Encodes header blocks (RFC 7541, 3 and 6).

use std::{
    fmt,
    hash::{BuildHasher, Hasher},
    sync::LazyLock,
};

use bytes::{BufMut, BytesMut};
use foldhash::fast::FixedState;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::{DEFAULT_TABLE_SIZE, OVERHEAD, integer, ring::Ring, static_table};

const AUTHORITY: usize = 1;
const METHOD: usize = 2;
const METHOD_POST: usize = 3;
const PATH: usize = 4;
const PATH_INDEX: usize = 5;
const SCHEME: usize = 6;
const SCHEME_HTTPS: usize = 7;
const STATUS: usize = 8;

/// A literal that is never indexed (RFC 7541, 6.2.3).
const NEVER: u8 = 0x10;

/// Collisions only cost compression, so a fixed seed is safe.
const HASHER: FixedState = FixedState::with_seed(0);

/// Names whose values change with each message, and are not worth a table entry.
const VOLATILE: [&str; 12] = [
    "age",
    "content-length",
    "cookie",
    "date",
    "etag",
    "grpc-message",
    "grpc-timeout",
    "location",
    "set-cookie",
    "traceparent",
    "tracestate",
    "x-request-id",
];

/// The encoder of one connection. Blocks must be sent in the order they were encoded.
///
/// Strings are never Huffman-coded: between nearby machines the saved bytes are worth less than the time. A field
/// that is sent a second time on a connection becomes an index, unless it is sensitive, takes more than three
/// quarters of the table, or has a volatile value. The first field with a volatile name is indexed if that puts its
/// name into the table.
pub(crate) struct Encoder {
    table: Ring,
    /// The smallest table size since the last block, if it changed.
    resized: Option<usize>,
}

impl Encoder {
    /// Sets the peer's SETTINGS_HEADER_TABLE_SIZE, in bytes, of which at most 4096 are used. The next block announces
    /// the change; if the size was smaller in between, it announces that first (RFC 7541, 4.2).
    pub(crate) fn set_max_size(&mut self, size: usize) {
        let size = size.min(DEFAULT_TABLE_SIZE);
        if size != self.table.max_size() {
            self.table.resize(size);
            self.resized = Some(self.resized.map_or(size, |smallest| smallest.min(size)));
        }
    }

    /// Starts a block. Call it before the first field.
    pub(crate) fn begin(&mut self, out: &mut BytesMut) {
        let Some(smallest) = self.resized.take() else { return };
        let size = self.table.max_size();
        if smallest < size {
            integer::encode(smallest, 0x20, 5, out);
        }
        integer::encode(size, 0x20, 5, out);
    }

    /// Appends `:method`.
    pub(crate) fn method(&mut self, method: &Method, out: &mut BytesMut) {
        match method.as_str() {
            "GET" => indexed(METHOD, out),
            "POST" => indexed(METHOD_POST, out),
            other => self.pseudo(":method", METHOD, other.as_bytes(), out),
        }
    }

    /// Appends `:scheme`.
    pub(crate) fn scheme(&mut self, scheme: &str, out: &mut BytesMut) {
        match scheme {
            "http" => indexed(SCHEME, out),
            "https" => indexed(SCHEME_HTTPS, out),
            other => self.pseudo(":scheme", SCHEME, other.as_bytes(), out),
        }
    }

    /// Appends `:authority`, marked as never indexed if so requested.
    pub(crate) fn authority(&mut self, authority: &[u8], never_indexed: bool, out: &mut BytesMut) {
        match never_indexed {
            true => literal(NEVER, 4, AUTHORITY, ":authority", authority, out),
            false => self.pseudo(":authority", AUTHORITY, authority, out),
        }
    }

    /// Appends `:path`, marked as never indexed if so requested.
    pub(crate) fn path(&mut self, path: &str, never_indexed: bool, out: &mut BytesMut) {
        match path {
            _ if never_indexed => literal(NEVER, 4, PATH, ":path", path.as_bytes(), out),
            "/" => indexed(PATH, out),
            "/index.html" => indexed(PATH_INDEX, out),
            other => self.pseudo(":path", PATH, other.as_bytes(), out),
        }
    }

    /// Appends `:status`.
    pub(crate) fn status(&mut self, status: StatusCode, out: &mut BytesMut) {
        match status.as_u16() {
            200 => indexed(STATUS, out),
            204 => indexed(STATUS + 1, out),
            206 => indexed(STATUS + 2, out),
            304 => indexed(STATUS + 3, out),
            400 => indexed(STATUS + 4, out),
            404 => indexed(STATUS + 5, out),
            500 => indexed(STATUS + 6, out),
            _ => self.pseudo(":status", STATUS, status.as_str().as_bytes(), out),
        }
    }

    /// Appends a header or trailer. A sensitive value is marked as never indexed (RFC 7541, 7.1.3).
    pub(crate) fn header(&mut self, name: &HeaderName, value: &HeaderValue, out: &mut BytesMut) {
        let (name, sensitive, value) = (name.as_str(), value.is_sensitive(), value.as_bytes());
        let hashes = Hashes::of(name, value);
        if sensitive {
            let index = Known::of(name, &hashes).index;
            literal(NEVER, 4, self.name(index, name, &hashes), name, value, out);
        } else if let Some(index) = self.find(name, value, &hashes) {
            indexed(index, out);
        } else {
            self.unseen(name, value, Known::of(name, &hashes), &hashes, out);
        }
    }

    fn pseudo(&mut self, name: &str, index: usize, value: &[u8], out: &mut BytesMut) {
        let hashes = Hashes::of(name, value);
        match self.find(name, value, &hashes) {
            Some(index) => indexed(index, out),
            None => self.unseen(name, value, Known { index, volatile: false }, &hashes, out),
        }
    }

    /// The number of entries in the dynamic table, and their size in bytes.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn extent(&self) -> (usize, usize) {
        self.table.extent()
    }

    /// The index of a dynamic entry.
    #[inline]
    fn find(&self, name: &str, value: &[u8], hashes: &Hashes) -> Option<usize> {
        let age = self
            .table
            .find(hashes.field, |its_name, its_value| its_value == value && its_name == name.as_bytes())?;
        Some(static_table::LEN + 1 + age)
    }

    /// The index of an entry with this name, whose static index is `index`; 0 if there is none.
    fn name(&self, index: usize, name: &str, hashes: &Hashes) -> usize {
        if index != 0 {
            return index;
        }
        let age = self.table.find(hashes.name, |its_name, _| its_name == name.as_bytes());
        age.map_or(0, |age| static_table::LEN + 1 + age)
    }

    /// Encodes a field that is not in the dynamic table.
    fn unseen(&mut self, name: &str, value: &[u8], known: Known, hashes: &Hashes, out: &mut BytesMut) {
        if known.index != 0 && static_table::TEXTS[known.index - 1].1.as_bytes() == value {
            return indexed(known.index, out);
        }
        let index = self.name(known.index, name, hashes);
        let big = name.len() + value.len() + OVERHEAD > self.table.max_size() / 4 * 3;
        if big || known.volatile && index != 0 {
            return literal(0x00, 4, index, name, value, out);
        }
        literal(0x40, 6, index, name, value, out);
        // Names of the static table are never looked up in the dynamic one.
        let hashes = [hashes.field, hashes.name];
        self.table.insert(name.as_bytes(), value, if known.index == 0 { &hashes } else { &hashes[..1] });
    }
}

impl Default for Encoder {
    /// Creates an encoder with 4096 bytes, which is allowed until the peer's settings arrive.
    fn default() -> Self {
        Self { table: Ring::new(DEFAULT_TABLE_SIZE), resized: None }
    }
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (entries, size) = self.table.extent();
        f.debug_struct("Encoder")
            .field("entries", &entries)
            .field("size", &size)
            .field("max_size", &self.table.max_size())
            .field("resized", &self.resized)
            .finish()
    }
}

/// The hash of a name, and the hash of the name with its value.
struct Hashes {
    name: u64,
    field: u64,
}

impl Hashes {
    #[inline]
    fn of(name: &str, value: &[u8]) -> Self {
        let mut hasher = HASHER.build_hasher();
        hasher.write(name.as_bytes());
        let name = hasher.finish();
        hasher.write(value);
        Self { name, field: hasher.finish() }
    }
}

/// Static knowledge about a name.
#[derive(Clone, Copy, Default)]
struct Known {
    /// Its first index in the static table, or 0.
    index: usize,
    volatile: bool,
}

/// An open-addressing hash table of known names, at a quarter of its capacity.
static KNOWN: LazyLock<[(&str, Known); 256]> = LazyLock::new(|| {
    let mut places = [("", Known::default()); 256];
    let fixed = static_table::TEXTS.iter().zip(1..).map(|((name, _), index)| (*name, index));
    for (name, index) in fixed.chain(VOLATILE.map(|name| (name, 0))) {
        let mut place = Hashes::of(name, b"").name as usize % places.len();
        while !["", name].contains(&places[place].0) {
            place = (place + 1) % places.len();
        }
        if places[place].0.is_empty() {
            places[place] = (name, Known { index, volatile: VOLATILE.contains(&name) });
        }
    }
    places
});

impl Known {
    fn of(name: &str, hashes: &Hashes) -> Self {
        let mut place = hashes.name as usize % KNOWN.len();
        loop {
            match KNOWN[place] {
                (known, it) if known == name || known.is_empty() => return it,
                _ => place = (place + 1) % KNOWN.len(),
            }
        }
    }
}

#[inline]
fn indexed(index: usize, out: &mut BytesMut) {
    integer::encode(index, 0x80, 7, out);
}

/// Encodes a literal whose name has an index, or 0. `pattern` and `prefix` select the kind of literal (RFC 7541,
/// 6.2).
fn literal(pattern: u8, prefix: u32, index: usize, name: &str, value: &[u8], out: &mut BytesMut) {
    out.reserve(name.len() + value.len() + 16);
    integer::encode(index, pattern, prefix, out);
    if index == 0 {
        string(name.as_bytes(), out);
    }
    string(value, out);
}

fn string(text: &[u8], out: &mut BytesMut) {
    integer::encode(text.len(), 0x00, 7, out);
    out.put_slice(text);
}
