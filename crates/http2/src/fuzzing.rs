//! Internals of this crate for `fuzz/`.

use bytes::BytesMut;
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::hpack::{self, DEFAULT_TABLE_SIZE, Field};
pub use crate::inspect::{Inspector, Snapshot, StreamSnapshot};

/// A field as texts: its name, its value, and whether it must never be indexed.
pub type Text = (Vec<u8>, Vec<u8>, bool);

/// The decoder of header blocks, with texts instead of types.
#[derive(Debug)]
pub struct HeaderDecoder(hpack::Decoder);

impl Default for HeaderDecoder {
    fn default() -> Self {
        Self(hpack::Decoder::new(DEFAULT_TABLE_SIZE))
    }
}

impl HeaderDecoder {
    /// Decodes a block. Returns each field with its size: name, value and 32 bytes. `None` stands for a field that
    /// HTTP/2 forbids.
    ///
    /// # Errors
    /// The block cannot be decoded, and neither can later ones.
    pub fn decode(&mut self, block: &[u8]) -> Result<Vec<(Option<Text>, usize)>, String> {
        let mut fields = Vec::new();
        self.0
            .decode(block, |it| {
                fields.push((
                    text(it.field).map(|(name, value, _)| (name, value, it.is_never_indexed)),
                    it.size,
                ));
                true
            })
            .map_err(|error| error.to_string())?;
        Ok(fields)
    }

    /// The dynamic table's entries from the newest, and their size in bytes.
    pub fn table(&self) -> (Vec<Option<Text>>, usize) {
        let (entries, size) = self.0.dynamic();
        (entries.iter().map(text).collect(), size)
    }
}

/// The encoder of header blocks, with texts instead of types.
#[derive(Debug, Default)]
pub struct HeaderEncoder(hpack::Encoder);

impl HeaderEncoder {
    /// Sets the peer's SETTINGS_HEADER_TABLE_SIZE, in bytes.
    pub fn set_max_size(&mut self, size: usize) {
        self.0.set_max_size(size);
    }

    /// Encodes a block. Also returns the fields it holds: those that HTTP/2 allows.
    pub fn encode(&mut self, fields: Vec<Text>) -> (BytesMut, Vec<Text>) {
        let mut out = BytesMut::new();
        self.0.begin(&mut out);
        let mut written = Vec::new();
        for (name, value, is_sensitive) in fields {
            // The other pseudo-headers have well-known values.
            let may_be = !matches!(name.as_slice(), b":method" | b":scheme" | b":status");
            let field = (name, value, is_sensitive && may_be);
            if self.field(&field, &mut out).is_some() {
                written.push(field);
            }
        }
        (out, written)
    }

    fn field(&mut self, (name, value, is_sensitive): &Text, out: &mut BytesMut) -> Option<()> {
        let text =
            || str::from_utf8(value).ok().filter(|text| !text.contains(|c: char| c.is_ascii_control()));
        match name.as_slice() {
            b":authority" => self.0.authority(text()?.as_bytes(), *is_sensitive, out),
            b":method" => self.0.method(&Method::from_bytes(value).ok()?, out),
            b":path" => self.0.path(text()?, *is_sensitive, out),
            b":scheme" => self.0.scheme(text()?, out),
            b":status" => self.0.status(StatusCode::from_bytes(value).ok()?, out),
            name => {
                let name = HeaderName::from_lowercase(name).ok()?;
                let mut value = HeaderValue::from_bytes(value).ok()?;
                value.set_sensitive(*is_sensitive);
                self.0.header(&name, &value, out);
            }
        }
        Some(())
    }

    /// The number of entries in the dynamic table, and their size in bytes.
    pub fn extent(&self) -> (usize, usize) {
        self.0.extent()
    }
}

fn text(field: &Field) -> Option<Text> {
    let (name, value, is_sensitive) = match field {
        Field::Authority(value) => (":authority", value.as_ref(), false),
        Field::Method(method) => (":method", method.as_str().as_bytes(), false),
        Field::Scheme(value) => (":scheme", value.as_ref(), false),
        Field::Path(value) => (":path", value.as_ref(), false),
        Field::Status(status) => (":status", status.as_str().as_bytes(), false),
        Field::Header(name, value) => (name.as_str(), value.as_bytes(), value.is_sensitive()),
        Field::Malformed => return None,
    };
    Some((name.into(), value.into(), is_sensitive))
}
