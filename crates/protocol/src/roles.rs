//! The roles of fields, by their names: ids of sessions and queries, secrets, notices. A message can be rewritten by
//! them, without decoding it.

mod rewrite;

#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use ahash::RandomState;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, field_descriptor_proto::Type};

use crate::table::qualified;

pub use self::rewrite::Edit;

/// The meaning of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The id of a session: whoever has it can act for its user.
    Session,
    /// The id of a query.
    Query,
    /// The address of an engine behind the one that was called.
    Engine,
    /// The strategy that a switch is headed for.
    Notice,
    /// The text of a statement.
    Statement,
    /// The name of a user.
    User,
    /// How long a query has taken so far.
    Elapsed,
    /// A password, a token, or a document that has some.
    Secret,
}

/// The roles of all fields of known methods. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Roles {
    methods: HashMap<String, Arc<MethodRoles>, RandomState>,
}

/// The roles of the fields of a method's messages.
#[derive(Debug)]
pub struct MethodRoles {
    /// The path: `/Service/method`.
    pub path: String,
    /// Of the request.
    pub request: MessageRoles,
    /// Of the response.
    pub response: MessageRoles,
}

/// The roles of the fields of a message.
#[derive(Clone, Debug)]
pub struct MessageRoles {
    messages: Arc<[Fields]>,
    /// `None` for a message of which nothing is known.
    at: Option<usize>,
}

/// The fields of a message.
#[derive(Debug)]
struct Fields {
    /// Those with a role, or whose message may have some.
    special: Vec<(u32, Kind)>,
    /// The numbers of all of which it is known what they are.
    known: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Role(Role),
    Within(usize),
}

/// Parts of the names of secrets, in lower case and without `_`.
const SECRETS: [&str; 9] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "apikey",
    "privatekey",
    "authorization",
    "customidentityclaim",
];

/// Fields that hold secrets among other things.
const DOCUMENTS: [(&str, &str); 2] = [("AddCatalogsRequest", "json"), ("UpdateUsersRequest", "users")];

/// The message that has another one in its field `value`.
const ANY: &str = "google.protobuf.Any";

impl Roles {
    /// The roles of a method's fields, by its path; `None` if the method is unknown.
    pub fn method(&self, path: &str) -> Option<&Arc<MethodRoles>> {
        self.methods.get(path)
    }

    /// Adds the methods of a set that are not known yet.
    pub(crate) fn add(&mut self, set: &FileDescriptorSet) {
        let mut found = Vec::new();
        for file in &set.file {
            collect(file.package(), &file.message_type, &mut found);
        }
        let by_name: HashMap<_, _> =
            found.iter().enumerate().map(|(at, (name, _))| (name.as_str(), at)).collect();
        let named = |name: &str| by_name.get(name.trim_start_matches('.')).copied();
        let messages: Arc<[Fields]> =
            found.iter().map(|(name, message)| fields(name, message, named)).collect();
        for file in &set.file {
            for service in &file.service {
                for method in &service.method {
                    let path = format!("/{}/{}", qualified(file.package(), service.name()), method.name());
                    let roles = |name| MessageRoles { messages: messages.clone(), at: named(name) };
                    let (request, response) = (roles(method.input_type()), roles(method.output_type()));
                    let roles = Arc::new(MethodRoles { path: path.clone(), request, response });
                    self.methods.entry(path).or_insert(roles);
                }
            }
        }
    }
}

/// Collects messages, and those within them.
fn collect<'a>(
    within: &str,
    messages: &'a [DescriptorProto],
    found: &mut Vec<(String, &'a DescriptorProto)>,
) {
    for message in messages {
        let name = qualified(within, message.name());
        collect(&name, &message.nested_type, found);
        found.push((name, message));
    }
}

fn fields(name: &str, message: &DescriptorProto, named: impl Fn(&str) -> Option<usize>) -> Fields {
    let special = message.field.iter().filter_map(|field| {
        let kind = match (role(message.name(), field.name()), field.r#type()) {
            (Some(role @ (Role::Secret | Role::Elapsed)), _) => Kind::Role(role),
            (Some(role), Type::String) | (Some(role @ Role::Session), Type::Bytes) => Kind::Role(role),
            (_, Type::Message) => Kind::Within(named(field.type_name())?),
            _ => return None,
        };
        Some((u32::try_from(field.number()).ok()?, kind))
    });
    // A message of any type may be in it, also one that has secrets.
    let is_any = |field: &FieldDescriptorProto| name == ANY && field.name() == "value";
    let is_unknown =
        |field: &FieldDescriptorProto| field.r#type() == Type::Message && named(field.type_name()).is_none();
    let known = message.field.iter().filter(|field| !is_any(field) && !is_unknown(field));
    let known = known.filter_map(|field| u32::try_from(field.number()).ok()).collect();
    Fields { special: special.collect(), known }
}

fn role(message: &str, field: &str) -> Option<Role> {
    let plain = field.to_lowercase().replace('_', "");
    if SECRETS.iter().any(|secret| plain.contains(secret)) || DOCUMENTS.contains(&(message, field)) {
        return Some(Role::Secret);
    }
    Some(match plain.as_str() {
        "sessionid" => Role::Session,
        "queryid" | "originalqueryid" | "remotequeryid" => Role::Query,
        "engineip" | "plannerip" => Role::Engine,
        "newstrategy" => Role::Notice,
        "querystring" | "query" => Role::Statement,
        "elapsedtimemillis" => Role::Elapsed,
        "user" | "usernameforimpersonation" => Role::User,
        _ => return None,
    })
}
