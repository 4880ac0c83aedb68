//! One step: the event it waits for, and its acts.

use std::{fmt, str::FromStr, time::Duration};

use protocol::{CallKind, Protocol};
use proxy::fault::rule::{BadRule, Method, Rule, When, duration, pairs, text};
use switch::PhaseName;

/// A step of a scenario.
#[derive(Clone, Debug)]
pub struct Step {
    /// The event it waits for, counted from the end of the previous step.
    pub event: Event,
    /// The acts after the event.
    pub acts: Vec<Act>,
}

/// The event that a step waits for.
#[derive(Clone, Debug)]
pub enum Event {
    /// This many calls of these methods.
    Calls(u64, Option<Box<Method>>),
    /// This many logins.
    Logins(u64),
    /// This many calls that begin a query.
    Queries(u64),
    /// The switch is in this phase.
    Phase(PhaseName),
    /// This much time.
    Time(Duration),
}

/// An act of a step.
#[derive(Clone, Debug)]
pub enum Act {
    /// Announces the other strategy.
    Announce,
    /// Cuts over.
    Cutover,
    /// Announces and cuts over at once.
    Switch,
    /// Withdraws the announcement.
    Abort,
    /// Announces the old strategy again.
    Rollback,
    /// Suspends the cluster of the built-in engine.
    Suspend,
    /// Resumes the cluster.
    Resume,
    /// Adds a fault.
    Fault(Box<Rule>),
    /// Removes the fault of this name.
    Remove(String),
    /// Removes all faults.
    Clear,
    /// Revokes all tokens of the built-in engine.
    RevokeTokens,
    /// Logs a message.
    Note(String),
}

impl Act {
    /// Returns whether it may need a health check.
    pub(super) fn names_engine(&self) -> bool {
        matches!(self, Self::Announce | Self::Cutover | Self::Switch | Self::Rollback)
    }
}

impl Event {
    /// Returns whether a call with this path counts.
    pub(super) fn counts(&self, path: &str, protocol: &Protocol) -> bool {
        match self {
            Self::Calls(_, wanted) => wanted.as_ref().is_none_or(|method| method.is(path)),
            Self::Logins(_) => protocol.method(path).kind == CallKind::LogIn,
            Self::Queries(_) => {
                let method = protocol.method(path);
                method.kind == CallKind::Begin && method.query_id.is_some()
            }
            Self::Phase(_) | Self::Time(_) => false,
        }
    }

    /// The number of calls to wait for.
    pub(super) fn count(&self) -> Option<u64> {
        match self {
            Self::Calls(count, _) | Self::Logins(count) | Self::Queries(count) => Some(*count),
            Self::Phase(_) | Self::Time(_) => None,
        }
    }
}

impl FromStr for Event {
    type Err = BadRule;

    fn from_str(written: &str) -> Result<Self, BadRule> {
        let all = pairs(written)?;
        let keys: Vec<_> = all.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let number = |key: &str, value: &str| {
            let count = value.parse().ok().filter(|count| *count > 0);
            count.ok_or_else(|| BadRule::new(key, value, "expected a whole number above 0"))
        };
        match keys[..] {
            [("time", value)] => {
                duration(value).map(Self::Time).map_err(|expected| BadRule::new("time", value, expected))
            }
            [("phase", _)] => {
                let phase = When::read(&all)?.phase;
                Ok(Self::Phase(phase.expect("it was read")))
            }
            [("logins", value)] => number("logins", value).map(Self::Logins),
            [("queries", value)] => number("queries", value).map(Self::Queries),
            [("calls", value)] | [("calls", value), ("method", _)] | [("method", _), ("calls", value)] => {
                let method = When::read(&all)?.method;
                if method.as_ref().is_some_and(|method| !method.is_known()) {
                    let value = text(&all);
                    return Err(BadRule::new(
                        "method",
                        &value,
                        "never happens: expected a known method, or a path",
                    ));
                }
                Ok(Self::Calls(number("calls", value)?, method.map(Box::new)))
            }
            _ => Err(BadRule::new(
                "when",
                written,
                "expected one of time=DURATION, phase=PHASE, logins=N, queries=N, calls=N with or without method=GLOB",
            )),
        }
    }
}

impl FromStr for Act {
    type Err = BadRule;

    fn from_str(written: &str) -> Result<Self, BadRule> {
        let (verb, rest) = written.trim().split_once(' ').unwrap_or((written.trim(), ""));
        let rest = rest.trim();
        let act = match (verb, rest) {
            ("announce", "") => Self::Announce,
            ("cutover", "") => Self::Cutover,
            ("switch", "") => Self::Switch,
            ("abort", "") => Self::Abort,
            ("rollback", "") => Self::Rollback,
            ("suspend", "") => Self::Suspend,
            ("resume", "") => Self::Resume,
            ("clear-faults", "") => Self::Clear,
            ("revoke-tokens", "") => Self::RevokeTokens,
            ("fault", _) if !rest.is_empty() => Self::Fault(Box::new(rest.parse()?)),
            ("remove", _) if !rest.is_empty() => Self::Remove(rest.to_owned()),
            ("note", _) if !rest.is_empty() => Self::Note(rest.to_owned()),
            _ => {
                let expected = "expected one of announce, cutover, switch, abort, rollback, suspend, resume, \
                                fault RULE, remove ID, clear-faults, revoke-tokens, note TEXT";
                return Err(BadRule::new("do", written, expected));
            }
        };
        Ok(act)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Calls(count, None) => write!(f, "calls={count}"),
            Self::Calls(count, Some(method)) => {
                write!(f, "method={method},calls={count}")
            }
            Self::Logins(count) => write!(f, "logins={count}"),
            Self::Queries(count) => write!(f, "queries={count}"),
            Self::Phase(phase) => write!(f, "phase={phase}"),
            Self::Time(time) => write!(f, "time={}", humantime::format_duration(*time)),
        }
    }
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Announce => f.write_str("announce"),
            Self::Cutover => f.write_str("cutover"),
            Self::Switch => f.write_str("switch"),
            Self::Abort => f.write_str("abort"),
            Self::Rollback => f.write_str("rollback"),
            Self::Suspend => f.write_str("suspend"),
            Self::Resume => f.write_str("resume"),
            Self::Fault(rule) => write!(f, "fault {rule}"),
            Self::Remove(id) => write!(f, "remove {id}"),
            Self::Clear => f.write_str("clear-faults"),
            Self::RevokeTokens => f.write_str("revoke-tokens"),
            Self::Note(text) => write!(f, "note {text}"),
        }
    }
}
