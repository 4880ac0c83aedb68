//! A rule: which calls it matches, and its effect on them.

mod check;
mod effect;
mod grammar;
mod keys;
mod when;

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

pub(crate) use self::grammar::glob;
pub use self::grammar::{duration, pairs, text};
pub use self::{
    check::Setting,
    effect::{At, Delay, Effect, Failure, Outcome, Shape},
    grammar::BadRule,
    keys::{KEYS, Key},
    when::{Method, When},
};

/// A fault rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name, if one was given.
    pub id: Option<String>,
    /// The calls it matches.
    pub when: When,
    /// The effect on those calls.
    pub effect: Effect,
    text: String,
}

/// The most characters in a rule's name.
const LONGEST_ID: usize = 64;

impl Rule {
    /// Builds a rule from keys and values, each key at most once.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, BadRule> {
        for (at, (key, value)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(before, _)| before == key) {
                return Err(BadRule::new(key, value, "expected this key once"));
            }
            let is_metadata = key.starts_with(when::METADATA);
            if !is_metadata && !KEYS.iter().any(|known| known.name == key) {
                let known: Vec<_> = KEYS.iter().map(|known| known.name).collect();
                let expected = format!("expected one of the keys {}, metadata.NAME", known.join(", "));
                return Err(BadRule::new(key, value, expected));
            }
        }
        let get = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
        let rule = Self {
            id: get("id").map(id).transpose()?,
            when: When::read(pairs)?,
            effect: Effect::read(pairs)?,
            text: text(pairs),
        };
        check::alone(&rule, &get)?;
        Ok(rule)
    }
}

/// Checks the name of a rule.
pub fn id(text: &str) -> Result<String, BadRule> {
    let is_id = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    // A name that begins with a dot could change the meaning of a URL path.
    if (1..=LONGEST_ID).contains(&text.len()) && text.chars().all(is_id) && !text.starts_with('.') {
        return Ok(text.to_owned());
    }
    let expected = "expected 1 to 64 letters, digits, dots, dashes or underscores, no dot first";
    Err(BadRule::new("id", text, expected))
}

impl FromStr for Rule {
    type Err = BadRule;

    fn from_str(text: &str) -> Result<Self, BadRule> {
        Self::from_pairs(&pairs(text)?)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
