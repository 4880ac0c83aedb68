//! The field numbers that rules need, per method, looked up in the compiled descriptors.

use std::{collections::HashMap, sync::LazyLock};

use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use protocol::DESCRIPTORS;

/// The field numbers of a method's request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    /// The SQL text.
    pub(super) sql: Option<u32>,
    /// The session id.
    pub(super) session: Option<u32>,
    /// The query id.
    pub(super) query: Option<u32>,
    /// The user of a login, or of a call with a password.
    pub(super) user: Option<u32>,
    /// Whether the response names the session of that user.
    pub(super) is_login: bool,
    /// Whether the response is a batch of a result.
    pub(super) is_fetch: bool,
}

static KNOWN: LazyLock<HashMap<String, Fields>> = LazyLock::new(|| {
    let set = FileDescriptorSet::decode(DESCRIPTORS).expect("the build encoded the descriptors");
    let messages: HashMap<&str, &DescriptorProto> = set
        .file
        .iter()
        .flat_map(|file| &file.message_type)
        .map(|message| (message.name(), message))
        .collect();
    let mut known = HashMap::new();
    for service in set.file.iter().flat_map(|file| &file.service) {
        for method in &service.method {
            let input = messages.get(method.input_type().trim_start_matches('.'));
            let number = |names: &[&str]| {
                let mut fields = input?.field.iter();
                let field = fields.find(|field| names.contains(&field.name()))?;
                u32::try_from(field.number()).ok()
            };
            let fields = Fields {
                sql: number(&["queryString", "query"]),
                session: number(&["sessionId"]),
                query: number(&["queryId"]),
                user: number(&["user"]),
                is_login: method.name() == "authenticate",
                is_fetch: method.name().starts_with("getNextResultBatch"),
            };
            known.insert(format!("/{}/{}", service.name(), method.name()), fields);
        }
    }
    known
});

/// All known methods with their paths.
pub(super) fn methods() -> impl Iterator<Item = (&'static str, Fields)> {
    KNOWN.iter().map(|(path, fields)| (path.as_str(), *fields))
}

/// The fields of the method of a request path.
pub(super) fn method(path: &str) -> Fields {
    KNOWN.get(path).copied().unwrap_or_default()
}
