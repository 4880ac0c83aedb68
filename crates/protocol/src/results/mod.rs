//! Decodes results: metadata, and batches of rows as Thrift chunks.

mod chunk;
mod thing;

#[cfg(test)]
pub(crate) mod tests;

pub use self::chunk::{Batch, read_batch, read_chunk};

/// A value as text, normalized across types: 1.50 is `1.5`. `None` is null.
pub type Cell = Option<String>;

/// The bytes are not a result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Of the metadata.
    #[error("the result's metadata are cut short")]
    Metadata,
    /// The reason of the decoder.
    #[error("the batch is no Thrift chunk: {0}")]
    Thrift(String),
    /// A field that every batch has.
    #[error("the batch has no {0}")]
    Missing(&'static str),
    /// A column is not as long as the batch.
    #[error("column {column} has {found} {what}, and the batch {expected} rows")]
    Length {
        /// Its number, from 0.
        column: usize,
        /// Values, or null flags.
        what: &'static str,
        /// How many it has.
        found: usize,
        /// The number of rows.
        expected: usize,
    },
    /// The number of its column, from 0.
    #[error("a value of column {0} cannot be read")]
    Value(usize),
}

impl From<thrift::Error> for Unreadable {
    fn from(error: thrift::Error) -> Self {
        Self::Thrift(error.to_string())
    }
}

/// The metadata of a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// The number of rows, if the server knows it.
    pub rows: Option<u64>,
    /// The name and type of each column.
    pub columns: Vec<(String, String)>,
}

/// Decodes `GetResultMetadataResponse.resultMetaData`.
pub fn read_metadata(bytes: &[u8]) -> Result<Metadata, Unreadable> {
    let mut rest = bytes;
    let rows = i64::from_be_bytes(*take(&mut rest)?);
    let columns = i32::from_be_bytes(*take(&mut rest)?);
    let columns = (0..columns).map(|_| {
        let [name, kind, _zone, _format] =
            [text(&mut rest)?, text(&mut rest)?, text(&mut rest)?, text(&mut rest)?];
        Ok((name, kind))
    });
    Ok(Metadata { columns: columns.collect::<Result<_, Unreadable>>()?, rows: u64::try_from(rows).ok() })
}

fn take<'a, const N: usize>(rest: &mut &'a [u8]) -> Result<&'a [u8; N], Unreadable> {
    let (taken, left) = rest.split_first_chunk().ok_or(Unreadable::Metadata)?;
    *rest = left;
    Ok(taken)
}

fn text(rest: &mut &[u8]) -> Result<String, Unreadable> {
    let len = u16::from_be_bytes(*take(rest)?);
    let (text, left) = rest.split_at_checked(len.into()).ok_or(Unreadable::Metadata)?;
    *rest = left;
    String::from_utf8(text.to_vec()).map_err(|_| Unreadable::Metadata)
}
