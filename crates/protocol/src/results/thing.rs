//! Decodes any Thrift value in the binary protocol.

use thrift::{
    TConfiguration,
    protocol::{TBinaryInputProtocol, TInputProtocol, TType},
};

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
        Reader::new(bytes, false)?.read(TType::Struct, DEPTH)
    }

    /// Decodes what is there of a chunk that was cut off.
    pub(super) fn read_start(bytes: &[u8]) -> thrift::Result<Self> {
        Reader::new(bytes, true)?.read(TType::Struct, DEPTH)
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

struct Reader<'a> {
    from: TBinaryInputProtocol<&'a [u8]>,
    /// The end of the bytes ends all lists and structs.
    may_end: bool,
    has_ended: bool,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8], may_end: bool) -> thrift::Result<Self> {
        // Room for a text is made before it is read.
        let config = TConfiguration::builder().max_string_size(Some(bytes.len())).build()?;
        Ok(Self { from: TBinaryInputProtocol::with_config(bytes, true, config), may_end, has_ended: false })
    }

    fn read(&mut self, kind: TType, depth: u8) -> thrift::Result<Thing> {
        let Some(depth) = depth.checked_sub(1) else { return Err("it is nested too deeply".into()) };
        Ok(match kind {
            TType::Bool => Thing::Bool(self.from.read_bool()?),
            TType::I08 => Thing::Whole(self.from.read_i8()?.into()),
            TType::I16 => Thing::Whole(self.from.read_i16()?.into()),
            TType::I32 => Thing::Whole(self.from.read_i32()?.into()),
            TType::I64 => Thing::Whole(self.from.read_i64()?),
            TType::Double => Thing::Real(self.from.read_double()?),
            TType::String => Thing::Bytes(self.from.read_bytes()?),
            TType::List => {
                let list = self.from.read_list_begin()?;
                let mut things = Vec::new();
                for _ in 0..list.size {
                    let thing = self.read(list.element_type, depth);
                    things.extend(self.unless_ended(thing)?);
                    if self.has_ended {
                        break;
                    }
                }
                Thing::List(things)
            }
            TType::Struct => {
                let mut fields = Vec::new();
                self.from.read_struct_begin()?;
                while !self.has_ended {
                    let field = self.field(depth);
                    match self.unless_ended(field)? {
                        Some(Some(field)) => fields.push(field),
                        Some(None) | None => break,
                    }
                }
                self.from.read_struct_end()?;
                Thing::Struct(fields)
            }
            other => return Err(format!("it has a field of type {other}").into()),
        })
    }

    /// The next field of a struct; `None` behind the last one.
    fn field(&mut self, depth: u8) -> thrift::Result<Option<(i16, Thing)>> {
        let field = self.from.read_field_begin()?;
        if field.field_type == TType::Stop {
            return Ok(None);
        }
        let value = self.read(field.field_type, depth)?;
        Ok(Some((field.id.unwrap_or_default(), value)))
    }

    /// `None` for what may be missing.
    fn unless_ended<T>(&mut self, read: thrift::Result<T>) -> thrift::Result<Option<T>> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(_) if self.may_end => {
                self.has_ended = true;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}
