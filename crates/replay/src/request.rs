//! The request of a call, without the ids that differ from run to run.

use binlog::Payload;
use bytes::Bytes;
use protocol::{Edit, MessageRoles, Role};

/// The request of a call, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asked {
    /// The session that it names.
    pub(crate) session: Option<String>,
    /// The query that it names.
    pub(crate) query: Option<String>,
    /// The statement, its white space aside.
    pub(crate) statement: Option<String>,
    /// Its messages without ids, users and secrets, each behind its length.
    pub(crate) rest: Vec<u8>,
}

impl Asked {
    /// Reads messages. One that cannot be decoded counts as it is.
    pub(crate) fn read<'a>(roles: Option<&MessageRoles>, messages: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut asked = Self::default();
        for message in messages {
            let mut named = Named::default();
            let edited = |roles: &MessageRoles| {
                roles.rewrite(message, &mut |role, value| named.edit(role, value)).ok()
            };
            let rest = match roles.and_then(edited) {
                None => message.into(),
                Some(rest) => {
                    asked.session = asked.session.or(named.session);
                    asked.query = asked.query.or(named.query);
                    asked.statement = asked.statement.or(named.statement);
                    rest
                }
            };
            asked.rest.extend_from_slice(&(rest.len() as u64).to_be_bytes());
            asked.rest.extend_from_slice(&rest);
        }
        asked
    }

    /// Reads recorded messages.
    pub(crate) fn recorded(roles: Option<&MessageRoles>, messages: &[Payload]) -> Self {
        Self::read(roles, messages.iter().map(|message| &message.data[..]))
    }
}

/// The ids and the statement in a message.
#[derive(Default)]
struct Named {
    session: Option<String>,
    query: Option<String>,
    statement: Option<String>,
}

impl Named {
    fn edit(&mut self, role: Role, value: &[u8]) -> Edit {
        let text = || Some(String::from_utf8_lossy(value).into_owned()).filter(|text| !text.is_empty());
        match role {
            Role::Session => self.session = self.session.take().or_else(text),
            Role::Query => self.query = self.query.take().or_else(text),
            Role::Statement => {
                let plain = plain(&String::from_utf8_lossy(value));
                let replaced = Edit::Replace(Bytes::from(plain.clone()));
                self.statement = Some(plain);
                return replaced;
            }
            Role::Engine | Role::Notice | Role::User | Role::Secret | Role::Elapsed => {}
        }
        Edit::Drop
    }
}

/// A statement with one blank for all white space, except within quotes.
pub(crate) fn plain(statement: &str) -> String {
    let mut plain = String::with_capacity(statement.len());
    let mut quote = None;
    for character in statement.trim().chars() {
        match quote {
            Some(open) if open == character => quote = None,
            None if matches!(character, '\'' | '"' | '`') => quote = Some(character),
            None if character.is_whitespace() => {
                if !plain.ends_with(' ') {
                    plain.push(' ');
                }
                continue;
            }
            _ => {}
        }
        plain.push(character);
    }
    plain
}
