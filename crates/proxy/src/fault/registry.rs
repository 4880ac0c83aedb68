//! The active rules, which can be added, removed, listed and counted while calls use them.

mod active;
mod log;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use switch::{Cutover, EventLog, PhaseName, Switch};
use tracing::info;

pub(super) use self::active::ActiveFault;
pub use self::active::{Listed, Source};
use super::rule::{BadRule, Rule, Setting};
use crate::{
    adoption::{ClientIdentity, Directory},
    telemetry::Collector,
};

/// The most queries whose batches are counted.
const REMEMBERED: usize = 100_000;

/// Why a rule was not added.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The rule is invalid.
    #[error(transparent)]
    Bad(#[from] BadRule),
    /// There is a rule of this name.
    #[error("id: '{0}': expected a name that no other rule has")]
    Taken(String),
}

/// Observes each call before the rules are applied. A scenario uses it, and its next step may add a rule.
pub trait CallObserver: fmt::Debug + Send + Sync {
    /// Called when a call with this path, such as `/e6x.QueryEngineService/prepareStatement`, arrives.
    fn call_arrived(&self, path: &str);
}

/// The parts of the server that rules use.
#[derive(Clone, Debug, Default)]
pub struct FaultContext {
    /// The switch, if there is a gate.
    pub switch: Option<Switch>,
    /// The collector, which knows the users of sessions, if there is a gate.
    pub collector: Option<Collector>,
    /// The log for events about rules.
    pub event_log: EventLog,
}

impl FaultContext {
    /// A server with this switch, its events, and this collector.
    pub fn new(switch: Switch, collector: Collector) -> Self {
        let event_log = switch.event_log().clone();
        Self { switch: Some(switch), collector: Some(collector), event_log }
    }
}

/// The active rules. Clones share their state.
#[derive(Clone, Debug)]
pub struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Whether there is anything to apply to calls.
    is_armed: AtomicBool,
    rules: ArcSwap<Vec<Arc<ActiveFault>>>,
    /// Whether calls may carry a rule of their own.
    by_header: bool,
    context: FaultContext,
    /// The number of rules named automatically. Locked while rules change.
    named: Mutex<u64>,
    /// The users of sessions, if there is no collector to know them.
    users: Mutex<Directory>,
    observer: ArcSwapOption<Arc<dyn CallObserver>>,
}

impl Default for Faults {
    /// Creates a registry without rules and without a switch.
    fn default() -> Self {
        Self::new(false, FaultContext::default())
    }
}

impl Faults {
    /// Creates a registry without rules. With `by_header`, calls may carry their own.
    pub fn new(by_header: bool, context: FaultContext) -> Self {
        let shared = Shared {
            is_armed: AtomicBool::new(by_header),
            rules: ArcSwap::default(),
            by_header,
            context,
            named: Mutex::new(0),
            users: Mutex::default(),
            observer: ArcSwapOption::empty(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// The setting that rules must fit.
    fn setting(&self) -> Setting {
        let switch = self.shared.context.switch.as_ref();
        let has_drain = switch.is_some_and(|switch| switch.rules().cutover == Cutover::Drain);
        Setting { has_gate: switch.is_some(), has_drain }
    }

    /// Adds a rule after the others.
    pub fn add(&self, rule: Rule, source: Source) -> Result<Listed, Refused> {
        rule.fits(self.setting())?;
        let mut named = self.shared.named.lock();
        let rules = self.shared.rules.load();
        let is_taken = |id: &str| rules.iter().any(|fault| fault.id == id);
        let id = match &rule.id {
            Some(id) if is_taken(id) => return Err(Refused::Taken(id.clone())),
            Some(id) => id.clone(),
            None => loop {
                *named += 1;
                let id = format!("f{named}");
                if !is_taken(&id) {
                    break id;
                }
            },
        };
        let fault = Arc::new(ActiveFault::new(id, rule, source));
        let listed = fault.listed();
        info!(fault = fault.id, rule = %fault.rule, "Fault {} added: {}", fault.id, fault.rule);
        self.note("added", Some(&listed), format!("Fault {} added: {}", listed.id, listed.rule));
        self.set(rules.iter().cloned().chain([fault]).collect());
        Ok(listed)
    }

    /// Removes the rule of this name. Returns whether there was one.
    pub fn remove(&self, id: &str) -> bool {
        let _named = self.shared.named.lock();
        let rules = self.shared.rules.load();
        let Some(found) = rules.iter().find(|fault| fault.id == id) else { return false };
        info!(fault = id, "Fault {id} removed");
        let listed = found.listed();
        self.note("removed", Some(&listed), format!("Fault {id} removed, after {} hits", listed.hits));
        self.set(rules.iter().filter(|fault| fault.id != id).cloned().collect());
        true
    }

    /// Removes all rules, and returns their number.
    pub fn clear(&self) -> usize {
        let _named = self.shared.named.lock();
        let count = self.shared.rules.load().len();
        self.set(Vec::new());
        info!("Faults cleared: {count}");
        if count > 0 {
            self.note("cleared", None, format!("Faults cleared: {count}"));
        }
        count
    }

    /// All rules, in order.
    pub fn list(&self) -> Vec<Listed> {
        self.shared.rules.load().iter().map(|fault| fault.listed()).collect()
    }

    /// Registers the observer of calls.
    pub fn observe(&self, observer: Arc<dyn CallObserver>) {
        let _named = self.shared.named.lock();
        self.shared.observer.store(Some(Arc::new(observer)));
        self.shared.is_armed.store(true, Ordering::Relaxed);
    }

    /// Removes the observer.
    pub fn end_observing(&self) {
        let _named = self.shared.named.lock();
        self.shared.observer.store(None);
        let has_rules = !self.shared.rules.load().is_empty();
        self.shared.is_armed.store(self.shared.by_header || has_rules, Ordering::Relaxed);
    }

    fn set(&self, rules: Vec<Arc<ActiveFault>>) {
        let is_armed = self.shared.by_header || !rules.is_empty() || self.shared.observer.load().is_some();
        self.shared.rules.store(Arc::new(rules));
        self.shared.is_armed.store(is_armed, Ordering::Relaxed);
    }

    /// Returns whether there is anything to apply to calls. This is the only cost of a call without rules.
    pub fn is_armed(&self) -> bool {
        self.shared.is_armed.load(Ordering::Relaxed)
    }

    pub(super) fn rules(&self) -> Arc<Vec<Arc<ActiveFault>>> {
        self.shared.rules.load_full()
    }

    pub(super) fn observer(&self) -> Option<Arc<Arc<dyn CallObserver>>> {
        self.shared.observer.load_full()
    }

    /// Activates the rule that a call carries.
    pub(super) fn armed_by_call(&self, text: &str) -> Result<Arc<ActiveFault>, BadRule> {
        let rule: Rule = text.parse()?;
        rule.fits(self.setting())?;
        rule.fits_one_call()?;
        let id = rule.id.clone().unwrap_or_else(|| "call".to_owned());
        Ok(Arc::new(ActiveFault::new(id, rule, Source::Call)))
    }

    pub(super) fn by_header(&self) -> bool {
        self.shared.by_header
    }

    pub(super) fn phase(&self) -> Option<PhaseName> {
        self.shared.context.switch.as_ref().map(|switch| switch.snapshot().phase.name())
    }

    /// Returns whether the users of sessions must be learned from logins.
    pub(super) fn is_learning(&self, rules: &[Arc<ActiveFault>]) -> bool {
        let is_asked = || self.by_header() || rules.iter().any(|fault| fault.rule.when.user.is_some());
        self.shared.context.collector.is_none() && is_asked()
    }

    /// Remembers the user of a session.
    pub(super) fn learn(&self, session: &str, user: &str) {
        self.shared.users.lock().introduce(session, &ClientIdentity::user(user));
    }

    pub(super) fn user(&self, session: &str) -> Option<String> {
        match &self.shared.context.collector {
            Some(collector) => collector.user(session),
            None => self.shared.users.lock().user(session),
        }
    }
}
