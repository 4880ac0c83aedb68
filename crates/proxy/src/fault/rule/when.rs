//! The conditions of a rule.

use std::fmt;

use globset::GlobMatcher;
use http::{HeaderMap, HeaderName};
use protocol::Strategy;
use regex::Regex;
use switch::PhaseName;

use super::grammar::{BadRule, count, glob};
use crate::fault::known;

/// The prefix of keys for metadata.
pub(super) const METADATA: &str = "metadata.";

/// The services with known methods.
const OURS: [&str; 2] = ["/QueryEngineService/", "/ClusterService/"];

/// Conditions that must all hold. An absent condition always holds.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// The method's name, or its path.
    pub method: Option<Method>,
    /// The strategy that the call was admitted under.
    pub strategy: Option<Strategy>,
    /// The user of the session.
    pub user: Option<GlobMatcher>,
    /// Metadata; one value of the name must match.
    pub metadata: Vec<(HeaderName, GlobMatcher)>,
    /// The SQL of the request.
    pub sql: Option<Regex>,
    /// The phase of the switch.
    pub phase: Option<PhaseName>,
    /// Only the match with this number counts.
    pub nth: Option<u64>,
    /// Only this many first matches count.
    pub first: Option<u64>,
    /// One match in this many counts.
    pub every: Option<u64>,
    /// The probability that a match counts.
    pub probability: Option<f64>,
    /// The seed of the random generator.
    pub seed: Option<u64>,
}

/// Methods, by name or by path.
#[derive(Clone, Debug)]
pub struct Method {
    glob: GlobMatcher,
    is_path: bool,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.glob.glob().glob())
    }
}

impl Method {
    fn new(text: &str) -> Result<Self, String> {
        Ok(Self { glob: glob(text)?, is_path: text.contains('/') })
    }

    /// Returns whether the method of a request path is one of them.
    pub fn is(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        self.glob.is_match(if self.is_path { path } else { name })
    }

    /// Returns whether such a method may exist. Methods of unknown services are named by path.
    pub fn is_known(&self) -> bool {
        let is_foreign =
            self.is_path && !OURS.iter().any(|service| self.glob.glob().glob().starts_with(service));
        is_foreign || known::methods().any(|(path, _)| self.is(path))
    }
}

impl When {
    /// Reads conditions from keys and values. Ignores unknown keys.
    pub fn read(pairs: &[(String, String)]) -> Result<Self, BadRule> {
        let mut when = Self::default();
        for (key, value) in pairs {
            when.set(key, value).map_err(|expected| BadRule::new(key, value, expected))?;
        }
        Ok(when)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "method" => self.method = Some(Method::new(value)?),
            "strategy" => self.strategy = Some(value.parse().map_err(|_| "expected blue or green")?),
            "user" => self.user = Some(glob(value)?),
            "sql" => self.sql = Some(regex(value)?),
            "phase" => self.phase = Some(phase(value)?),
            "nth" => self.nth = Some(count(value)?),
            "first" => self.first = Some(count(value)?),
            "every" => self.every = Some(count(value)?),
            "probability" => self.probability = Some(probability(value)?),
            "seed" => self.seed = Some(value.parse().map_err(|_| "expected a whole number from 0")?),
            "cluster-name" | "user-agent" => self.metadata.push((name(key)?, glob(value)?)),
            key => {
                if let Some(key) = key.strip_prefix(METADATA) {
                    self.metadata.push((name(key)?, glob(value)?));
                }
            }
        }
        Ok(())
    }

    /// Returns whether a call with this head may match.
    pub fn is_head(&self, path: &str, strategy: Option<Strategy>, headers: &HeaderMap) -> bool {
        self.method.as_ref().is_none_or(|method| method.is(path))
            && self.strategy.is_none_or(|wanted| strategy == Some(wanted))
            && self.metadata.iter().all(|(name, glob)| {
                headers
                    .get_all(name)
                    .iter()
                    .any(|value| glob.is_match(String::from_utf8_lossy(value.as_bytes()).as_ref()))
            })
    }

    /// Returns whether the match of this number counts, leaving probability aside.
    pub fn is_turn(&self, number: u64) -> bool {
        self.nth.is_none_or(|nth| number == nth)
            && self.first.is_none_or(|first| number <= first)
            && self.every.is_none_or(|every| number.is_multiple_of(every))
    }
}

fn name(text: &str) -> Result<HeaderName, String> {
    text.parse().map_err(|_| "expected the name of metadata behind 'metadata.'".to_owned())
}

fn regex(text: &str) -> Result<Regex, String> {
    let compiled = Regex::new(text);
    compiled.map_err(|error| {
        let error = error.to_string();
        format!("expected a regular expression ({})", error.lines().last().unwrap_or_default().trim())
    })
}

fn phase(text: &str) -> Result<PhaseName, String> {
    let found = PhaseName::ALL.into_iter().find(|phase| phase.as_str().eq_ignore_ascii_case(text));
    found.ok_or_else(|| "expected STABLE, ANNOUNCED or DRAINING".to_owned())
}

fn probability(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "expected a number from 0 to 1".to_owned())
}
