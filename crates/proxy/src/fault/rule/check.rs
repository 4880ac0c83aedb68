//! Refuses rules that contradict themselves or could never take effect.

use switch::PhaseName;

use super::{
    Rule,
    effect::{At, Outcome},
    grammar::BadRule,
    when::When,
};
use crate::fault::known;

/// The setting that a rule must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Whether there is a gate.
    pub has_gate: bool,
    /// Whether a cutover leads to `DRAINING`.
    pub has_drain: bool,
}

/// Checks what is wrong in every setting.
pub(super) fn alone<'a>(rule: &Rule, get: &impl Fn(&str) -> Option<&'a str>) -> Result<(), BadRule> {
    let bad = |key: &str, expected: &str| Err(BadRule::new(key, get(key).unwrap_or_default(), expected));
    let (when, effect) = (&rule.when, &rule.effect);
    if effect.delay.is_none() && effect.outcome.is_none() {
        return Err(BadRule::new(
            "rule",
            &rule.text,
            "expected an effect, such as delay=200ms or status=UNAVAILABLE",
        ));
    }
    if get("delay").is_some() && get("slow-batches").is_some() {
        return bad("slow-batches", "contradicts delay: expected one of the two");
    }
    if get("at").is_some() && get("delay").is_none() {
        return bad("at", "expected a delay with it");
    }
    for key in ["message", "details"] {
        if get(key).is_some() && get("status").is_none() {
            return bad(key, "expected a status with it");
        }
    }
    if get("seed").is_some() && when.probability.is_none() && !effect.is_random() {
        return bad(
            "seed",
            "expected something random with it: probability, a delay that varies, or corrupt",
        );
    }
    match (when.nth, when.first, when.every) {
        (Some(nth), Some(first), _) if nth > first => {
            return bad("nth", "never matches: it comes after the first ones");
        }
        (Some(nth), _, Some(every)) if !nth.is_multiple_of(every) => {
            return bad("nth", "never matches: it is not a multiple of every");
        }
        (_, Some(first), Some(every)) if first < every => {
            return bad("first", "never matches: every names a later one");
        }
        _ => {}
    }
    if when.probability == Some(0.0) {
        return bad("probability", "never matches");
    }
    match (&effect.delay, &effect.outcome) {
        (Some(_), Some(Outcome::Hang)) => bad("hang", "contradicts delay: a call that hangs waits anyway"),
        (Some((At::Answer | At::Message, _)), Some(Outcome::Reset(_) | Outcome::Disconnect)) => {
            bad("at", "contradicts an outcome without a response")
        }
        (Some((At::Message, _)), Some(Outcome::Status(_) | Outcome::Mismatch)) => {
            bad("at", "contradicts an outcome without messages")
        }
        _ => methods(rule, get),
    }
}

/// Checks that some method can match the rule.
fn methods<'a>(rule: &Rule, get: &impl Fn(&str) -> Option<&'a str>) -> Result<(), BadRule> {
    let method = get("method").unwrap_or("*");
    let is_wanted = |path: &str| rule.when.method.as_ref().is_none_or(|wanted| wanted.is(path));
    if rule.when.method.as_ref().is_some_and(|wanted| !wanted.is_known()) {
        let expected = "never matches: expected a method of QueryEngineService or ClusterService, or a path";
        return Err(BadRule::new("method", method, expected));
    }
    let matching: Vec<_> = known::methods().filter(|(path, _)| is_wanted(path)).collect();
    if rule.when.sql.is_some() && !matching.iter().any(|(_, fields)| fields.sql.is_some()) {
        return Err(BadRule::new(
            "sql",
            get("sql").unwrap_or_default(),
            format!("never matches: no call of {method} carries SQL"),
        ));
    }
    if rule.effect.is_of_fetches && !matching.iter().any(|(_, fields)| fields.is_fetch) {
        let keys = ["slow-batches", "empty-batch", "corrupt", "truncate"];
        let key = keys.into_iter().find(|key| get(key).is_some()).unwrap_or("method");
        let expected = format!("never matches: no call of {method} fetches a batch");
        return Err(BadRule::new(key, get(key).unwrap_or_default(), expected));
    }
    Ok(())
}

impl Rule {
    /// Checks that the rule can take effect on the one call that carries it.
    pub fn fits_one_call(&self) -> Result<(), BadRule> {
        let (When { nth, every, .. }, outcome) = (&self.when, &self.effect.outcome);
        let late =
            [("nth", *nth), ("every", *every)].into_iter().find(|(_, number)| number.is_some_and(|n| n > 1));
        let late = match outcome {
            Some(Outcome::EndAfter(batches)) if *batches > 0 => Some("truncate"),
            _ => late.map(|(key, _)| key),
        };
        let never = "never matches: a rule carried by a call applies to that call only";
        late.map_or(Ok(()), |key| Err(BadRule::new(key, &self.text, never)))
    }

    /// Checks that the rule can take effect in this setting.
    pub fn fits(&self, setting: Setting) -> Result<(), BadRule> {
        let gated = match self.effect.outcome {
            Some(Outcome::Mismatch) => Some("mismatch"),
            Some(Outcome::Notice(_)) => Some("notice"),
            Some(Outcome::DuplicateNotice) => Some("duplicate-notice"),
            _ => None,
        };
        let gated = gated
            .or(self.when.phase.map(|_| "phase"))
            .or(self.when.strategy.map(|_| "strategy"))
            .filter(|_| !setting.has_gate);
        if let Some(key) = gated {
            return Err(BadRule::new(key, &self.text, "never matches: there is no gate"));
        }
        if self.when.phase == Some(PhaseName::Draining) && !setting.has_drain {
            return Err(BadRule::new(
                "phase",
                "DRAINING",
                "never matches: with --cutover strict there is no draining",
            ));
        }
        Ok(())
    }
}
