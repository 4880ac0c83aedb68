//! The table of methods, with the properties that matter to a switch. Built from the compiled descriptors at start.

use std::{collections::HashMap, sync::Arc};

use ahash::RandomState;
use bytes::Bytes;
use grpc::string_field;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use crate::{CallKind, Roles, Strategy};

/// The encoded `FileDescriptorSet` of `proto/`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The metric label for calls of unknown methods.
const OTHER_LABEL: &str = "other";
/// The metric label for calls of gRPC's own services.
const NEUTRAL_LABEL: &str = "grpc";

/// The response field that announces the next strategy to a client.
const NOTICE_FIELD: &str = "new_strategy";

/// The request fields that identify the caller.
const USER_FIELD: &str = "user";
const SESSION_FIELD: &str = "sessionId";

const BEGINS: [&str; 4] = ["identifyPlanner", "prepareStatement", "prepareStatementV2", "createDataFrame"];
const CONTINUES: [&str; 17] = [
    "executeStatement",
    "executeStatementV2",
    "getResultMetadata",
    "getDynamicParams",
    "getNextResultBatch",
    "getNextResultBatchV2",
    "getNextResultRow",
    "explain",
    "explainAnalyze",
    "status",
    "projectionOnDataFrame",
    "aggregateOnDataFrame",
    "filterOnDataFrame",
    "orderByOnDataFrame",
    "limitOnDataFrame",
    "executeDataFrame",
    "getNextRemoteCachedChunk",
];
const ENDS: [&str; 3] = ["clear", "cancelQuery", "clearOrCancelQuery"];

/// Known services beside those of `proto/` whose calls do nothing to queries.
const NEUTRAL: [&str; 2] = ["/grpc.health.", "/grpc.reflection."];

/// A method, with what the gate needs to know about it.
#[derive(Clone, Debug)]
pub struct Method {
    /// The effect of its calls on queries.
    pub kind: CallKind,
    /// The number of the field with the query id: in the response if the call begins a query, else in the request.
    pub query_id: Option<u32>,
    /// The metric label: an index into [`Protocol::labels`].
    pub label: usize,
    /// The request field that identifies the caller: the user of a login, the session of all other calls.
    pub caller: Option<u32>,
    /// The response field of a login with the session id.
    pub session: Option<u32>,
    /// The notice field of its response, encoded for each strategy by its index.
    notice: Option<[Bytes; 2]>,
}

impl Method {
    /// The encoded field that announces `strategy`; `None` if the response has no such field.
    pub fn notice(&self, strategy: Strategy) -> Option<&Bytes> {
        Some(&self.notice.as_ref()?[strategy.index()])
    }
}

/// The bytes are not a `FileDescriptorSet`.
#[derive(Debug, thiserror::Error)]
pub enum BadDescriptors {
    /// It cannot be decoded.
    #[error("expected an encoded FileDescriptorSet: {0}")]
    Encoding(#[from] prost::DecodeError),
    /// Something that it names is not in it.
    #[error("expected a FileDescriptorSet with all that it imports: {0}")]
    Incomplete(#[from] prost_reflect::DescriptorError),
}

/// All known methods, by path.
#[derive(Debug)]
pub struct Protocol {
    methods: HashMap<String, Arc<Method>, RandomState>,
    neutral: Arc<Method>,
    unknown: Arc<Method>,
    labels: Vec<String>,
    roles: Roles,
    descriptors: Vec<Bytes>,
}

impl Default for Protocol {
    fn default() -> Self {
        let set = FileDescriptorSet::decode(DESCRIPTORS).expect("the build encoded the descriptors");
        let bare =
            |kind, label| Method { kind, query_id: None, label, caller: None, session: None, notice: None };
        let mut protocol = Self {
            methods: HashMap::default(),
            unknown: Arc::new(bare(CallKind::Begin, Self::OTHER)),
            neutral: Arc::new(bare(CallKind::Neutral, Self::NEUTRAL)),
            labels: vec![OTHER_LABEL.to_owned(), NEUTRAL_LABEL.to_owned()],
            roles: Roles::default(),
            descriptors: vec![Bytes::from_static(DESCRIPTORS)],
        };
        protocol.add(&set, |service, method, input, output| {
            let query_id = |message: Option<&DescriptorProto>| {
                ["queryId", "originalQueryId"].iter().find_map(|name| field(message?, name))
            };
            Some(match (service, method) {
                ("QueryEngineService", "authenticate") => (CallKind::LogIn, None),
                ("QueryEngineService", name) if BEGINS.contains(&name) => (CallKind::Begin, query_id(output)),
                ("QueryEngineService", name) if CONTINUES.contains(&name) => {
                    (CallKind::Continue, Some(query_id(input)?))
                }
                ("QueryEngineService", name) if ENDS.contains(&name) => {
                    (CallKind::End, Some(query_id(input)?))
                }
                _ => (CallKind::Neutral, None),
            })
        });
        protocol
    }
}

impl Protocol {
    /// The roles of the fields of all methods.
    pub fn roles(&self) -> &Roles {
        &self.roles
    }

    /// The encoded `FileDescriptorSet`s: the engine's, and those that were added.
    pub(crate) fn descriptors(&self) -> &[Bytes] {
        &self.descriptors
    }

    /// The index of the label for unknown methods.
    pub const OTHER: usize = 0;
    /// The index of the label for gRPC's own services.
    pub const NEUTRAL: usize = 1;

    /// The metric labels: `package.Service/method`, one for all unknown methods, and one for gRPC's own services.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// Adds the methods of other services, from an encoded `FileDescriptorSet` with the files that it imports. Each begins
    /// something, and ends no query. The notice goes into the response of a unary method that has a string field
    /// `new_strategy`. Methods that are known already stay as they are.
    pub fn extend(&mut self, descriptors: &[u8]) -> Result<(), BadDescriptors> {
        let set = FileDescriptorSet::decode(descriptors)?;
        self.descriptors.push(Bytes::copy_from_slice(descriptors));
        self.add(&set, |_, _, _, _| Some((CallKind::Begin, None)));
        Ok(())
    }

    /// The method of a request path. An unknown method begins something.
    pub fn method(&self, path: &str) -> &Arc<Method> {
        if let Some(method) = self.methods.get(path) {
            return method;
        }
        if is_neutral(path) { &self.neutral } else { &self.unknown }
    }

    fn add(
        &mut self,
        set: &FileDescriptorSet,
        known: impl Fn(
            &str,
            &str,
            Option<&DescriptorProto>,
            Option<&DescriptorProto>,
        ) -> Option<(CallKind, Option<u32>)>,
    ) {
        self.roles.add(set);
        let messages: HashMap<String, &DescriptorProto> = set
            .file
            .iter()
            .flat_map(|file| {
                let package = file.package().to_owned();
                file.message_type.iter().map(move |message| (qualified(&package, message.name()), message))
            })
            .collect();
        let message = |name: &str| messages.get(name.trim_start_matches('.')).copied();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}/{}", qualified(file.package(), service.name()), method.name());
                    if self.methods.contains_key(&path) || is_neutral(&path) {
                        continue;
                    }
                    // Nothing is read from messages that are streamed, and nothing appended.
                    let is_unary = !method.client_streaming() && !method.server_streaming();
                    let message = |name| message(name).filter(|_| is_unary);
                    let (input, output) = (message(method.input_type()), message(method.output_type()));
                    if let Some((kind, query_id)) = known(service.name(), method.name(), input, output) {
                        let notice = output.and_then(|output| field(output, NOTICE_FIELD)).map(|number| {
                            Strategy::ALL.map(|strategy| string_field(number, strategy.as_str()))
                        });
                        let is_login = kind == CallKind::LogIn;
                        let caller = if is_login { USER_FIELD } else { SESSION_FIELD };
                        let caller = input.and_then(|input| field(input, caller));
                        let session = output.filter(|_| is_login);
                        let session = session.and_then(|output| field(output, SESSION_FIELD));
                        let label = self.labels.len();
                        self.labels.push(path[1..].to_owned());
                        let method = Method { kind, query_id, label, caller, session, notice };
                        self.methods.insert(path, Arc::new(method));
                    }
                }
            }
        }
    }
}

/// Whether it is a path of gRPC's own services.
fn is_neutral(path: &str) -> bool {
    NEUTRAL.iter().any(|prefix| path.starts_with(prefix))
}

/// The number of a singular string field.
fn field(message: &DescriptorProto, name: &str) -> Option<u32> {
    use prost_types::field_descriptor_proto::Label;
    let field = message.field.iter().find(|field| field.name() == name)?;
    let is_string = field.r#type() == Type::String && field.label() != Label::Repeated;
    is_string.then(|| u32::try_from(field.number()).ok()).flatten()
}

pub(crate) fn qualified(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}

#[cfg(test)]
mod tests;
