//! One batch as a Thrift `Chunk`, column at a time, without a heap allocation per value.

use sql::arrow::array::{Array, RecordBatch};
use thrift::protocol::{
    TBinaryOutputProtocol, TFieldIdentifier, TListIdentifier, TOutputProtocol, TStructIdentifier, TType,
};

use super::{
    super::status::EngineError,
    Layout,
    column::{Column, Values},
    types::Wire,
    unpack,
    zone::Micros,
};

impl From<thrift::Error> for EngineError {
    fn from(_: thrift::Error) -> Self {
        Self::Bug("a chunk could not be written")
    }
}

/// Encodes a batch of at least one row as a `Chunk`.
pub(crate) fn encode_chunk(batch: &RecordBatch, layout: &Layout) -> Result<Vec<u8>, EngineError> {
    let rows = batch.num_rows();
    let mut writer = Writer::new(batch);
    writer.structure(|writer| {
        writer.field(TType::I32, 1)?;
        writer.out.write_i32(size(rows)?)?;
        writer.field(TType::List, 2)?;
        writer.list(TType::Struct, batch.num_columns())?;
        for ((array, wire), constant) in batch.columns().iter().zip(&layout.wires).zip(&layout.constants) {
            let array = unpack(array)?;
            let constant = *constant || *wire == Wire::Null;
            writer.vector(&Column::new(&array, *wire)?, *wire, rows, constant)?;
        }
        Ok(())
    })?;
    Ok(writer.out.transport)
}

fn size(rows: usize) -> Result<i32, EngineError> {
    i32::try_from(rows).map_err(|_| EngineError::Bug("a batch has more rows than a chunk can hold"))
}

struct Writer {
    out: TBinaryOutputProtocol<Vec<u8>>,
    scratch: String,
}

impl Writer {
    fn new(batch: &RecordBatch) -> Self {
        let sizes = batch.columns().iter().map(|array| array.to_data().get_slice_memory_size().unwrap_or(0));
        let bytes = sizes.sum::<usize>() + batch.num_columns() * (batch.num_rows() * 5 + 100);
        Self { out: TBinaryOutputProtocol::new(Vec::with_capacity(bytes), true), scratch: String::new() }
    }

    fn field(&mut self, kind: TType, id: i16) -> Result<(), EngineError> {
        Ok(self.out.write_field_begin(&TFieldIdentifier { name: None, field_type: kind, id: Some(id) })?)
    }

    fn list(&mut self, kind: TType, length: usize) -> Result<(), EngineError> {
        Ok(self.out.write_list_begin(&TListIdentifier { element_type: kind, size: size(length)? })?)
    }

    fn structure(
        &mut self,
        fields: impl FnOnce(&mut Self) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.out.write_struct_begin(&TStructIdentifier { name: String::new() })?;
        fields(self)?;
        self.out.write_field_stop()?;
        Ok(self.out.write_struct_end()?)
    }

    /// Writes a `Vector`. If the column is constant, reads only its first row.
    fn vector(
        &mut self,
        column: &Column<'_>,
        wire: Wire,
        rows: usize,
        constant: bool,
    ) -> Result<(), EngineError> {
        let written = if constant { 1 } else { rows };
        self.structure(|writer| {
            writer.field(TType::I32, 1)?;
            writer.out.write_i32(size(rows)?)?;
            writer.field(TType::I32, 2)?;
            writer.out.write_i32(wire.vector_type())?;
            writer.field(TType::List, 3)?;
            writer.list(TType::Bool, written)?;
            for row in 0..written {
                writer.out.write_bool(wire == Wire::Null || column.is_null(row))?;
            }
            writer.field(TType::Struct, 4)?;
            writer.structure(|writer| match constant {
                true => writer.constant(column),
                false => writer.values(column, wire, rows),
            })?;
            writer.field(TType::Bool, 5)?;
            writer.out.write_bool(constant)?;
            writer.field(TType::String, 6)?;
            writer.out.write_string(if matches!(wire, Wire::Date | Wire::Datetime) { "UTC" } else { "" })?;
            writer.field(TType::String, 7)?;
            Ok(writer.out.write_string("")?)
        })
    }

    /// Writes the member of `Data` for a list of values. Null rows hold a filler.
    fn values(&mut self, column: &Column<'_>, wire: Wire, rows: usize) -> Result<(), EngineError> {
        match &column.values {
            Values::Null => Ok(()),
            Values::Boolean(array) => self
                .member(1, TType::Bool, rows, |writer, row| Ok(writer.out.write_bool(array.value(row))?)),
            Values::Whole(wholes) if wire == Wire::Long => {
                self.member(3, TType::I64, rows, |writer, row| Ok(writer.out.write_i64(wholes.get(row))?))
            }
            #[allow(clippy::cast_possible_truncation)] // The type has 32 bits at most.
            Values::Whole(wholes) => self.member(2, TType::I32, rows, |writer, row| {
                Ok(writer.out.write_i32(wholes.get(row) as i32)?)
            }),
            Values::Float(floats) => {
                let id = if wire == Wire::Float { 5 } else { 6 };
                self.member(id, TType::Double, rows, |writer, row| {
                    Ok(writer.out.write_double(floats.get(row))?)
                })
            }
            Values::Micros(micros) => {
                let id = if wire == Wire::Date { 4 } else { 16 };
                self.member(id, TType::I64, rows, |writer, row| {
                    let value = if column.is_null(row) { 0 } else { micros.get(row)? };
                    Ok(writer.out.write_i64(value)?)
                })
            }
            Values::ZonedMicros(micros, zone) => {
                let micros = |row| {
                    if column.is_null(row) { Ok(0) } else { micros.get(row) }
                };
                self.field(TType::Struct, 16)?;
                self.structure(|writer| {
                    writer.elements(1, TType::I64, rows, |writer, row| {
                        Ok(writer.out.write_i64(micros(row)?)?)
                    })?;
                    writer.elements(2, TType::String, rows, |writer, row| {
                        let offset = zone.offset(micros(row)?, &mut writer.scratch);
                        Ok(writer.out.write_string(offset)?)
                    })
                })
            }
            Values::Decimal(decimals, scale) => {
                self.field(TType::Struct, 17)?;
                self.structure(|writer| {
                    writer.elements(1, TType::String, rows, |writer, row| {
                        let value = if column.is_null(row) { 0 } else { decimals.get(row)? };
                        Ok(writer.out.write_bytes(&value.to_be_bytes())?)
                    })?;
                    writer.field(TType::I32, 2)?;
                    Ok(writer.out.write_i32((*scale).into())?)
                })
            }
            Values::Text(text) => self.member(7, TType::String, rows, |writer, row| {
                let value = if column.is_null(row) { "" } else { text.get(row, &mut writer.scratch)? };
                Ok(writer.out.write_string(value)?)
            }),
        }
    }

    /// Writes the member of `Data` for a value that is the same in every row. A null is written as a filler of its
    /// type.
    fn constant(&mut self, column: &Column<'_>) -> Result<(), EngineError> {
        let null = column.is_null(0);
        match &column.values {
            Values::Null => self.single(10, TType::I08, |writer| Ok(writer.out.write_i8(0)?)),
            Values::Boolean(array) => {
                self.single(8, TType::Bool, |writer| Ok(writer.out.write_bool(!null && array.value(0))?))
            }
            Values::Whole(wholes) => {
                self.single(11, TType::I64, |writer| Ok(writer.out.write_i64(wholes.get(0))?))
            }
            Values::Float(floats) => {
                self.single(12, TType::Double, |writer| Ok(writer.out.write_double(floats.get(0))?))
            }
            Values::Micros(micros) => {
                let value = if null { 0 } else { micros.get(0)? };
                let id = if matches!(micros, Micros::Days(_) | Micros::DateMillis(_)) { 9 } else { 14 };
                self.single(id, TType::I64, |writer| Ok(writer.out.write_i64(value)?))
            }
            Values::ZonedMicros(micros, zone) => {
                let value = if null { 0 } else { micros.get(0)? };
                self.single(14, TType::I64, |writer| {
                    writer.out.write_i64(value)?;
                    writer.field(TType::String, 2)?;
                    let offset = zone.offset(value, &mut writer.scratch);
                    Ok(writer.out.write_string(offset)?)
                })
            }
            Values::Decimal(decimals, scale) => self.single(18, TType::String, |writer| {
                let value = if null { 0 } else { decimals.get(0)? };
                writer.out.write_bytes(&value.to_be_bytes())?;
                writer.field(TType::I32, 2)?;
                Ok(writer.out.write_i32((*scale).into())?)
            }),
            Values::Text(text) => self.single(15, TType::String, |writer| {
                let value = if null { "" } else { text.get(0, &mut writer.scratch)? };
                Ok(writer.out.write_string(value)?)
            }),
        }
    }

    /// Writes a member whose struct is one list.
    fn member(
        &mut self,
        id: i16,
        kind: TType,
        rows: usize,
        value: impl FnMut(&mut Self, usize) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.field(TType::Struct, id)?;
        self.structure(|writer| writer.elements(1, kind, rows, value))
    }

    /// Writes a field that is a list.
    fn elements(
        &mut self,
        id: i16,
        kind: TType,
        rows: usize,
        mut value: impl FnMut(&mut Self, usize) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.field(TType::List, id)?;
        self.list(kind, rows)?;
        (0..rows).try_for_each(|row| value(self, row))
    }

    /// Writes a member whose struct begins with one value.
    fn single(
        &mut self,
        id: i16,
        kind: TType,
        value: impl FnOnce(&mut Self) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.field(TType::Struct, id)?;
        self.structure(|writer| {
            writer.field(kind, 1)?;
            value(writer)
        })
    }
}
