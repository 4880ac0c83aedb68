//! The recorded answers, by what was asked.

use std::{collections::HashMap, sync::Arc, time::Duration};

use binlog::{Payload, pb};
use bytes::Bytes;
use protocol::MethodRoles;

use crate::{nearest, request::Asked};

/// The most statements of a method that are compared, to name the nearest.
const COMPARED: usize = 1000;

/// A recorded answer.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The metadata of its headers, if it had any.
    pub(crate) head: Option<Vec<pb::MetadataEntry>>,
    pub(crate) messages: Vec<Bytes>,
    pub(crate) trailer: pb::Trailer,
    /// The query that it names, by its recorded id.
    pub(crate) query: Option<Arc<str>>,
    /// How long the call took.
    pub(crate) took: Duration,
}

/// The key of calls that are answered alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    /// The query, by its recorded id.
    query: Option<Arc<str>>,
    rest: Vec<u8>,
}

/// The answers of one method.
#[derive(Debug, Default)]
struct Method {
    by_key: HashMap<Key, usize>,
    statements: Vec<String>,
}

/// All answers.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    methods: HashMap<String, Method>,
    /// The answers to the same call, in their order.
    series: Vec<Vec<Answer>>,
    calls: usize,
}

impl Answers {
    pub(crate) fn calls(&self) -> usize {
        self.calls
    }

    /// Adds the answer to a call, after earlier ones.
    pub(crate) fn add(
        &mut self,
        method: &str,
        roles: Option<&MethodRoles>,
        sent: &[Payload],
        mut answer: Answer,
    ) {
        let asked = Asked::recorded(roles.map(|roles| &roles.request), sent);
        let messages = answer.messages.iter().map(|message| &message[..]);
        answer.query = Asked::read(roles.map(|roles| &roles.response), messages).query.map(Arc::from);
        let method = self.methods.entry(method.to_owned()).or_default();
        if let Some(statement) = asked.statement
            && method.statements.len() < COMPARED
            && !method.statements.contains(&statement)
        {
            method.statements.push(statement);
        }
        let key = Key { query: asked.query.map(Arc::from), rest: asked.rest };
        let series = *method.by_key.entry(key).or_insert_with(|| {
            self.series.push(Vec::new());
            self.series.len() - 1
        });
        self.series[series].push(answer);
        self.calls += 1;
    }

    /// The number of the answers to a call, about a query by its recorded id.
    pub(crate) fn find(&self, method: &str, query: Option<Arc<str>>, rest: Vec<u8>) -> Option<usize> {
        self.methods.get(method)?.by_key.get(&Key { query, rest }).copied()
    }

    /// An answer of a series; after the last one that again.
    pub(crate) fn get(&self, series: usize, at: usize) -> &Answer {
        let answers = &self.series[series];
        &answers[at.min(answers.len() - 1)]
    }

    /// The queries that the answers of a series name, by their recorded ids.
    pub(crate) fn queries(&self, series: usize) -> impl Iterator<Item = &Arc<str>> {
        self.series[series].iter().filter_map(|answer| answer.query.as_ref())
    }

    /// Why there is no answer, with the nearest that there is.
    pub(crate) fn missing(&self, path: &str, statement: Option<&str>) -> String {
        let name = path.trim_start_matches('/');
        let Some(method) = self.methods.get(path) else {
            return format!("not recorded: no call of {name} is");
        };
        let Some(statement) = statement else {
            return format!("not recorded: {name} is, but with other messages or about other queries");
        };
        let asked = nearest::shown(statement);
        match nearest::nearest(statement, &method.statements) {
            Some(nearest) if nearest == statement => {
                format!("not recorded: {name} with '{asked}' is, but in another schema or for another query")
            }
            Some(nearest) => {
                let nearest = nearest::shown(nearest);
                format!("not recorded: {name} with '{asked}'; the nearest recorded one is '{nearest}'")
            }
            None => format!("not recorded: {name} with '{asked}'"),
        }
    }
}
