//! Decodes messages by their descriptors, as JSON for people.

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions, Value as Field};
use serde_json::{Value, json};

use crate::{
    Protocol,
    results::{read_batch, read_metadata},
    table::BadDescriptors,
};

/// The most rows of a batch that are shown.
const ROWS: usize = 100;

/// The fields of results: a batch, several of them, and the metadata.
const BATCH: &str = "resultBatch";
const BATCHES: &str = "resultBatches";
const METADATA: &str = "resultMetaData";

/// The descriptors of all known methods.
#[derive(Clone, Debug)]
pub struct Reflection {
    /// The engine's first. Those of a set may have files of the same names.
    pools: Vec<DescriptorPool>,
}

/// A decoded message.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The full name of its type.
    pub name: String,
    /// Its content, in the JSON format of protobuf, with the names of the descriptors. Results are objects: `row_count`, and
    /// `rows` or `columns`.
    pub content: Value,
    /// Why something is missing in it.
    pub problem: Option<String>,
}

impl Reflection {
    /// Links the descriptors of `protocol`. Those of a set must come with all that they import.
    pub fn new(protocol: &Protocol) -> Result<Self, BadDescriptors> {
        let pools = protocol.descriptors().iter().map(|set| Ok(DescriptorPool::decode(&**set)?));
        Ok(Self { pools: pools.collect::<Result<_, BadDescriptors>>()? })
    }

    /// Decodes a request, or a response, of the method with this path; `None` if it is unknown. Of a message whose end `is_cut`
    /// off, the batch in its last field may be incomplete.
    pub fn decode(&self, path: &str, is_request: bool, message: &[u8], is_cut: bool) -> Option<Decoded> {
        let (is_engines, kind) = self.pools.iter().enumerate().find_map(|(at, pool)| {
            let (service, method) = path.strip_prefix('/')?.rsplit_once('/')?;
            let method = pool.get_service_by_name(service)?.methods().find(|known| known.name() == method)?;
            Some((at == 0, if is_request { method.input() } else { method.output() }))
        })?;
        Some(decode(kind, message, is_engines, is_cut))
    }
}

/// The engine's descriptors.
impl Default for Reflection {
    fn default() -> Self {
        Self::new(&Protocol::default()).expect("the build linked the descriptors")
    }
}

fn decode(kind: MessageDescriptor, message: &[u8], is_engines: bool, is_cut: bool) -> Decoded {
    let name = kind.full_name().to_owned();
    let mut decoded = DynamicMessage::new(kind);
    // The fields before an error are there.
    let mut problem = decoded.merge(message).err().map(|error| error.to_string());
    let results = if is_engines { take_results(&mut decoded, is_cut, &mut problem) } else { Vec::new() };
    let options = SerializeOptions::new().use_proto_field_name(true).stringify_64_bit_integers(false);
    let content = decoded.serialize_with_options(serde_json::value::Serializer, &options);
    let mut content = content.unwrap_or_else(|error| {
        problem = Some(error.to_string());
        json!({})
    });
    for (field, result) in results {
        content[field] = result;
    }
    Decoded { name, content, problem }
}

/// Takes out the fields with results that can be read.
fn take_results(
    message: &mut DynamicMessage,
    is_cut: bool,
    problem: &mut Option<String>,
) -> Vec<(&'static str, Value)> {
    let mut results = Vec::new();
    for field in [BATCH, BATCHES, METADATA] {
        if !message.has_field_by_name(field) {
            continue;
        }
        let shown = match message.get_field_by_name(field).as_deref() {
            Some(Field::Bytes(bytes)) if field == METADATA => {
                read_metadata(bytes).map_err(|error| error.to_string()).map(|metadata| {
                    let columns =
                        metadata.columns.iter().map(|(name, kind)| json!({"name": name, "type": kind}));
                    json!({"row_count": metadata.rows, "columns": columns.collect::<Value>()})
                })
            }
            Some(Field::Bytes(bytes)) => batch(bytes, is_cut),
            Some(Field::List(batches)) => {
                let last = batches.len().saturating_sub(1);
                let bytes =
                    batches.iter().map(|batch| batch.as_bytes().map(|bytes| &**bytes).unwrap_or_default());
                let shown = bytes.enumerate().map(|(at, bytes)| batch(bytes, is_cut && at == last));
                shown.collect::<Result<Value, String>>()
            }
            _ => continue,
        };
        match shown {
            Ok(shown) => {
                message.clear_field_by_name(field);
                results.push((field, shown));
            }
            Err(error) => *problem = Some(format!("{field}: {error}")),
        }
    }
    results
}

fn batch(bytes: &[u8], is_cut: bool) -> Result<Value, String> {
    let batch = read_batch(bytes, ROWS, is_cut).map_err(|error| error.to_string())?;
    Ok(json!({"row_count": batch.size, "rows": batch.rows}))
}

#[cfg(test)]
mod tests;
