//! Encodes Arrow record batches for the engine interface: metadata, Thrift chunks and single rows. Pure functions, to
//! be run on the engine's threads.

mod chunk;
mod column;
mod decimal;
mod json;
mod metadata;
mod row;
mod text;
mod types;
mod zone;

use sql::arrow::{array::ArrayRef, compute::cast, datatypes::Schema};

use super::status::{EngineError, Refusal};

pub(crate) use chunk::encode_chunk;
pub(crate) use metadata::encode_metadata;
pub(crate) use row::encode_row;
pub(crate) use types::{Wire, field_type, parameter_name, parameter_type};

/// How the columns of one result are encoded.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// The wire type of each column.
    pub(crate) wires: Vec<Wire>,
    /// Which columns have the same value in every row.
    pub(crate) constants: Vec<bool>,
}

impl Layout {
    /// Creates the layout of a schema and its constant columns.
    pub(crate) fn new(schema: &Schema, constants: &[bool]) -> Self {
        let fields = schema.fields().iter();
        let constant = |index| constants.get(index).copied().unwrap_or(false);
        Self {
            wires: fields.map(|field| Wire::of(field.data_type())).collect(),
            constants: (0..schema.fields().len()).map(constant).collect(),
        }
    }
}

/// Removes dictionaries and runs from an array, at any depth.
fn unpack(array: &ArrayRef) -> Result<ArrayRef, EngineError> {
    match types::unpacked(array.data_type()) {
        None => Ok(ArrayRef::clone(array)),
        Some(flat) => cast(array, &flat).map_err(|error| unrepresentable(error.to_string())),
    }
}

fn unrepresentable(message: impl Into<String>) -> EngineError {
    EngineError::Client(Refusal::Unrepresentable(message.into()))
}

#[cfg(test)]
mod tests;
