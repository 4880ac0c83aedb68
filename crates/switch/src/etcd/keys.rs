//! The keys of a switch in etcd, and their values. Fields that this version does not know are ignored.
//!
//! | key under the prefix | value |
//! | --- | --- |
//! | `format` | the version of all this, as a number |
//! | `state` | the [truth](crate::course::Truth) |
//! | `instances/<lease>` | an [instance's status](crate::instance::InstanceStatus) |
//! | `about/<lease>` | what people want to know of an instance; no rule reads it |
//! | `queries/<hh>/<id>` | a query's strategy and birth, such as `b7` |

use std::fmt;

use bytes::Bytes;
use protocol::Strategy;
use teal_etcd::Keys;

use crate::queries::Query;

/// The only format that this version knows.
pub const FORMAT: u64 = 1;
/// Bytes of a prefix.
pub const LONGEST_PREFIX: usize = 256;

/// The prefix of a switch's keys. It ends with `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix(String);

/// The purpose of a key under the prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Name {
    /// The version of the keys and values.
    Format,
    /// The truth.
    State,
    /// The status of the instance with this lease.
    Instance(i64),
    /// Its description, for people.
    About(i64),
    /// The query of this id.
    Query(Box<str>),
}

/// A prefix that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a prefix of 1 to {LONGEST_PREFIX} bytes without control characters, found {0:?}")]
pub struct BadPrefix(String);

/// A key or a value that is not as teal writes it. One line that names it.
#[derive(Debug, thiserror::Error)]
pub enum BadKey {
    /// It is none of a switch's keys.
    #[error("{key}: expected the keys of one switch alone under {prefix}, found a key of another program")]
    Foreign {
        /// The key.
        key: String,
        /// The prefix.
        prefix: String,
    },
    /// A newer version has written the keys.
    #[error("{key}: expected format {FORMAT}, found format {found}: a newer teal has written it")]
    Format {
        /// The key.
        key: String,
        /// Its value.
        found: u64,
    },
    /// The value is not one of teal's.
    #[error("{key}: {why}")]
    Value {
        /// The key.
        key: String,
        /// The expected value, and the one that was found.
        why: String,
    },
}

impl Prefix {
    /// A prefix; a `/` is added where it has none at the end, so that no prefix begins another one's keys.
    pub fn new(prefix: &str) -> Result<Self, BadPrefix> {
        let is_good = (1..=LONGEST_PREFIX).contains(&prefix.len()) && !prefix.chars().any(char::is_control);
        match is_good {
            true if prefix.ends_with('/') => Ok(Self(prefix.to_owned())),
            true => Ok(Self(format!("{prefix}/"))),
            false => Err(BadPrefix(prefix.chars().take(LONGEST_PREFIX).collect())),
        }
    }

    /// All keys of the switch.
    pub fn all(&self) -> Keys {
        Keys::prefix(self.0.clone())
    }

    /// The key of the format.
    pub fn format(&self) -> Bytes {
        self.key("format")
    }

    /// The key of the truth.
    pub fn state(&self) -> Bytes {
        self.key("state")
    }

    /// The keys of all live instances.
    pub fn instances(&self) -> Keys {
        Keys::prefix(self.key("instances/"))
    }

    /// The key of an instance.
    pub fn instance(&self, lease: i64) -> Bytes {
        self.key(format_args!("instances/{lease:016x}"))
    }

    /// The key of what people want to know of an instance.
    pub fn about(&self, lease: i64) -> Bytes {
        self.key(format_args!("about/{lease:016x}"))
    }

    /// The keys of what people want to know of all instances.
    pub fn abouts(&self) -> Keys {
        Keys::prefix(self.key("about/"))
    }

    /// The keys of all queries.
    pub fn queries(&self) -> Keys {
        Keys::prefix(self.key("queries/"))
    }

    /// One of the 256 ranges over which the queries are spread, so that each can be read in one go.
    pub fn query_range(&self, number: u8) -> Keys {
        Keys::prefix(self.key(format_args!("queries/{number:02x}/")))
    }

    /// The key of a query.
    pub fn query(&self, id: &str) -> Bytes {
        self.key(format_args!("queries/{:02x}/{id}", spread(id)))
    }

    /// The ranges under the prefix in which a switch has no key, in order.
    pub fn gaps(&self) -> Vec<Keys> {
        let ends = |name: &str| (self.key(name), self.key(format_args!("{}0", name.trim_end_matches('/'))));
        let one = |name: &str| (self.key(name), self.key(format_args!("{name}\0")));
        let own = [ends("about/"), one("format"), ends("instances/"), ends("queries/"), one("state")];
        // `0` comes right after `/`, so this is the end of the prefix.
        let end = Bytes::from(format!("{}0", &self.0[..self.0.len() - 1]));
        let starts =
            std::iter::once(Bytes::from(self.0.clone())).chain(own.iter().map(|(_, end)| end.clone()));
        let stops = own.iter().map(|(start, _)| start.clone()).chain(std::iter::once(end));
        starts.zip(stops).map(|(start, stop)| Keys::between(start, stop)).collect()
    }

    /// The purpose of a key.
    pub fn name(&self, key: &[u8]) -> Result<Name, BadKey> {
        let text = std::str::from_utf8(key).ok();
        let name = text.and_then(|text| text.strip_prefix(&self.0)).and_then(Self::named);
        name.ok_or_else(|| BadKey::Foreign { key: shown(key), prefix: self.0.clone() })
    }

    fn named(name: &str) -> Option<Name> {
        Some(match name.split_once('/') {
            None if name == "format" => Name::Format,
            None if name == "state" => Name::State,
            Some(("instances", lease)) => Name::Instance(read_lease(lease)?),
            Some(("about", lease)) => Name::About(read_lease(lease)?),
            Some(("queries", query)) => {
                let (range, id) = query.split_once('/')?;
                let is_there = range.len() == 2 && u8::from_str_radix(range, 16) == Ok(spread(id));
                is_there.then(|| Name::Query(id.into()))?
            }
            _ => return None,
        })
    }

    fn key(&self, name: impl fmt::Display) -> Bytes {
        format!("{}{name}", self.0).into()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Checks the value of `format`.
pub(super) fn check_format(key: &[u8], value: &[u8]) -> Result<(), BadKey> {
    match std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()) {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => Err(BadKey::Format { key: shown(key), found }),
        _ => Err(bad_value(key, format_args!("expected the number of a format, found {:?}", shown(value)))),
    }
}

/// The value of a query.
pub(crate) fn write_query(query: Query) -> String {
    let strategy = match query.strategy {
        Strategy::Blue => 'b',
        Strategy::Green => 'g',
    };
    format!("{strategy}{}", query.birth)
}

/// Parses the value of a query. A later version may add something behind a blank.
pub(crate) fn read_query(key: &[u8], value: &[u8]) -> Result<Query, BadKey> {
    let text = std::str::from_utf8(value).ok().and_then(|text| text.split(' ').next());
    let read = |text: &str| {
        let (strategy, birth) = (text.get(..1)?, text.get(1..)?.parse().ok()?);
        let strategy = match strategy {
            "b" => Strategy::Blue,
            "g" => Strategy::Green,
            _ => return None,
        };
        Some(Query { strategy, birth })
    };
    let expected = "expected a strategy and an epoch, such as b7";
    text.and_then(read).ok_or_else(|| bad_value(key, format_args!("{expected}, found {:?}", shown(value))))
}

/// A value that is not as teal writes it.
pub(super) fn bad_value(key: &[u8], why: impl fmt::Display) -> BadKey {
    BadKey::Value { key: shown(key), why: why.to_string() }
}

/// The first bytes of it, readable.
fn shown(bytes: &[u8]) -> String {
    let most = bytes.len().min(2 * LONGEST_PREFIX);
    String::from_utf8_lossy(&bytes[..most]).escape_debug().collect()
}

/// As it is written: leading zeros and all, so that a lease has one key.
fn read_lease(text: &str) -> Option<i64> {
    let lease = i64::from_str_radix(text, 16).ok()?;
    (format!("{lease:016x}") == text).then_some(lease)
}

/// In which of the ranges a query is. FNV-1a, folded: all versions have to agree on it.
fn spread(id: &str) -> u8 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.to_le_bytes().into_iter().fold(0, |all, byte| all ^ byte)
}
