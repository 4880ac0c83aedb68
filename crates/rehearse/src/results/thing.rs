//! Decodes any Thrift value in the binary protocol.

use thrift::protocol::{TBinaryInputProtocol, TInputProtocol, TType};

/// The deepest nesting of a chunk.
const DEPTH: u8 = 8;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Thing {
    Bool(bool),
    Whole(i64),
    Real(f64),
    Bytes(Vec<u8>),
    List(Vec<Thing>),
    Struct(Vec<(i16, Thing)>),
}

impl Thing {
    /// Decodes the struct of a chunk.
    pub(super) fn read(bytes: &[u8]) -> thrift::Result<Self> {
        read(&mut TBinaryInputProtocol::new(bytes, true), TType::Struct, DEPTH)
    }

    pub(super) fn field(&self, id: i16) -> Option<&Self> {
        let Self::Struct(fields) = self else { return None };
        fields.iter().find_map(|(field, value)| (*field == id).then_some(value))
    }

    pub(super) fn list(&self) -> Option<&[Self]> {
        if let Self::List(list) = self { Some(list) } else { None }
    }

    pub(super) fn whole(&self) -> Option<i64> {
        if let Self::Whole(whole) = self { Some(*whole) } else { None }
    }
}

fn read(from: &mut TBinaryInputProtocol<&[u8]>, kind: TType, depth: u8) -> thrift::Result<Thing> {
    let Some(depth) = depth.checked_sub(1) else { return Err("it is nested too deeply".into()) };
    Ok(match kind {
        TType::Bool => Thing::Bool(from.read_bool()?),
        TType::I08 => Thing::Whole(from.read_i8()?.into()),
        TType::I16 => Thing::Whole(from.read_i16()?.into()),
        TType::I32 => Thing::Whole(from.read_i32()?.into()),
        TType::I64 => Thing::Whole(from.read_i64()?),
        TType::Double => Thing::Real(from.read_double()?),
        TType::String => Thing::Bytes(from.read_bytes()?),
        TType::List => {
            let list = from.read_list_begin()?;
            Thing::List(
                (0..list.size).map(|_| read(from, list.element_type, depth)).collect::<Result<_, _>>()?,
            )
        }
        TType::Struct => {
            let mut fields = Vec::new();
            from.read_struct_begin()?;
            loop {
                let field = from.read_field_begin()?;
                if field.field_type == TType::Stop {
                    break;
                }
                let value = read(from, field.field_type, depth)?;
                fields.push((field.id.unwrap_or_default(), value));
            }
            Thing::Struct(fields)
        }
        other => return Err(format!("it has a field of type {other}").into()),
    })
}
