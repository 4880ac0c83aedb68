//! Messages as the admin API shows them. They are decoded when somebody asks for them.

use std::fmt::Write as _;

use protocol::{Decoded, Protocol, Reflection};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::Entry;
use crate::{
    messages::{Kept, KeptMessage, KeptSide, Unkept},
    telemetry::Outcome,
};

/// The most bytes that are shown of a message that cannot be decoded.
const SHOWN: usize = 64;
/// The method whose response has the names of columns.
pub(super) const METADATA: &str = "getResultMetadata";
/// The fields with the metadata, a batch, and batches.
const COLUMNS: &str = "resultMetaData";
const BATCHES: [&str; 2] = ["resultBatch", "resultBatches"];

/// The messages of a call, in order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Messages {
    /// The messages of the client, in their order.
    pub request: Vec<Message>,
    /// The number of messages that the client sent after these.
    pub request_left_out: u64,
    /// The messages that the client got, in their order.
    pub response: Vec<Message>,
    /// The number of messages that the client got after these.
    pub response_left_out: u64,
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A message without its secrets: passwords and tokens are left out, and a session is the beginning of its hash.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The full name of its type.
    #[serde(rename = "type")]
    pub name: String,
    /// Its length in bytes, as it was sent.
    pub bytes: u64,
    /// Whether its end is missing.
    pub cut: bool,
    /// Its content in the JSON format of protobuf. A batch of a result is an object with its `rows`, at most 100, its `row_count`,
    /// and its `columns` if they are known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub content: Option<Value>,
    /// Why the content, or a part of it, is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// The first bytes of a message that cannot be decoded wholly, in hexadecimal, without its secrets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

impl Messages {
    pub(super) fn none(why: &str) -> Self {
        Self { note: Some(why.to_owned()), ..Self::default() }
    }

    fn batches(&mut self) -> impl Iterator<Item = &mut Value> {
        let contents = self.response.iter_mut().filter_map(|message| message.content.as_mut());
        let fields = contents.filter_map(Value::as_object_mut).flat_map(|content| content.iter_mut());
        let fields = fields.filter(|(name, _)| BATCHES.contains(&name.as_str()));
        fields
            .flat_map(|(_, field)| match field {
                Value::Array(batches) => batches.iter_mut().collect(),
                batch => vec![batch],
            })
            .filter(|batch| batch.is_object())
    }

    /// Whether there are rows of a result.
    pub(super) fn have_rows(&mut self) -> bool {
        self.batches().next().is_some()
    }

    /// Adds the names of the columns to the rows.
    pub(super) fn name_columns(&mut self, names: Option<&Value>) {
        for batch in self.batches() {
            if let Some(names) = names {
                batch["columns"] = names.clone();
            }
        }
    }
}

/// Why there are no messages of a call.
pub(super) fn why_none(entry: &Entry) -> &'static str {
    match (entry.facts.outcome, entry.facts.label) {
        (Outcome::Rejected, _) => "the messages of a rejected call are not read",
        (_, Protocol::OTHER | Protocol::NEUTRAL) => {
            "there is no descriptor of its method, so nobody knows what is secret in its messages; or they have made room for those of later calls"
        }
        _ => "there were none, or they have made room for those of later calls",
    }
}

/// Decodes what is kept.
pub(super) fn view(kept: &Kept, reflection: &Reflection) -> Messages {
    let side = |side: &KeptSide, is_request| {
        let messages = side.messages.iter();
        messages.map(|message| show(message, kept.path(), is_request, reflection)).collect()
    };
    Messages {
        request: side(&kept.request, true),
        request_left_out: kept.request.left_out,
        response: side(&kept.response, false),
        response_left_out: kept.response.left_out,
        note: None,
    }
}

/// The names of the columns in the metadata of a result.
pub(super) fn columns(kept: &Kept, reflection: &Reflection) -> Option<Value> {
    let message = view(kept, reflection).response.pop()?;
    let columns = message.content?[COLUMNS]["columns"].as_array()?.clone();
    Some(columns.into_iter().map(|mut column| column["name"].take()).collect())
}

fn show(message: &KeptMessage, path: &str, is_request: bool, reflection: &Reflection) -> Message {
    let KeptMessage { len, content, is_cut } = message;
    let decode = |bytes: &[u8]| reflection.decode(path, is_request, bytes, *is_cut);
    // The type is known without content too.
    let decoded = decode(content.as_deref().unwrap_or_default());
    let no_type = || Decoded {
        name: "unknown".to_owned(),
        content: Value::Null,
        problem: Some("its type is not in the descriptors".to_owned()),
    };
    let Decoded { name, content: shown, problem } = decoded.unwrap_or_else(no_type);
    let (bytes, cut) = (u64::from(*len), *is_cut);
    match content {
        Err(why) => {
            let problem = Some(unkept(*why).to_owned());
            Message { name, bytes, cut, content: None, problem, hex: None }
        }
        Ok(content) => {
            let hex = problem.is_some().then(|| hex(content));
            Message { name, bytes, cut, content: Some(shown).filter(|shown| !shown.is_null()), problem, hex }
        }
    }
}

fn unkept(why: Unkept) -> &'static str {
    match why {
        Unkept::Malformed => {
            "not kept: it is not a message of this type, so nobody knows what is secret in it"
        }
        Unkept::Compressed => "not kept: it cannot be decompressed, so nobody knows what is secret in it",
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(2 * SHOWN);
    for byte in bytes.iter().take(SHOWN) {
        _ = write!(hex, "{byte:02x}");
    }
    hex
}
