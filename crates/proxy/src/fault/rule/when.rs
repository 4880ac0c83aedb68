//! Which calls a rule is about.

use std::fmt;

use globset::GlobMatcher;
use http::{HeaderMap, HeaderName};
use protocol::Strategy;
use regex::Regex;
use switch::PhaseName;

use super::grammar::{BadRule, count, glob};
use crate::fault::known;

/// The start of the keys that are about metadata.
pub(super) const METADATA: &str = "metadata.";

/// The services whose methods are known.
const OURS: [&str; 2] = ["/QueryEngineService/", "/ClusterService/"];

/// Conditions that all have to hold. What is absent always does.
#[derive(Clone, Debug, Default)]
pub struct When {
    /// The method's name, or its path.
    pub method: Option<Method>,
    /// The strategy that the call was let in under.
    pub strategy: Option<Strategy>,
    /// The user whose session it is.
    pub user: Option<GlobMatcher>,
    /// Metadata, one of whose values has to match.
    pub metadata: Vec<(HeaderName, GlobMatcher)>,
    /// The SQL that it carries.
    pub sql: Option<Regex>,
    /// The phase.
    pub phase: Option<PhaseName>,
    /// The number of the one match that counts.
    pub nth: Option<u64>,
    /// How many matches count.
    pub first: Option<u64>,
    /// Every so many matches one counts.
    pub every: Option<u64>,
    /// How likely a match is to count.
    pub probability: Option<f64>,
    /// Where randomness begins.
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

    /// Whether the method of a request path is one of them.
    pub fn is(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        self.glob.is_match(if self.is_path { path } else { name })
    }

    /// Whether there is such a method, or may be: services that nobody here knows are named by path.
    pub fn is_known(&self) -> bool {
        let is_foreign =
            self.is_path && !OURS.iter().any(|service| self.glob.glob().glob().starts_with(service));
        is_foreign || known::methods().any(|(path, _)| self.is(path))
    }
}

impl When {
    /// The conditions that pairs of key and value say; an unknown key is none.
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

    /// Whether it may be about a call of this head, as far as the head tells.
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

    /// Whether the match of this number counts, chance aside.
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
