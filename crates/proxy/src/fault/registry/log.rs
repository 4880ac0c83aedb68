//! Reports changes and hits of rules, in the log and in the event log.

use serde_json::Map;
use switch::NewEvent;
use tracing::info;

use super::{ActiveFault, FaultContext, Faults, Listed, Source};

impl Faults {
    /// Reports a hit. The log gets each one. The event log, which has limited space, gets only hits 1, 10, 100 and so
    /// on of an active rule.
    pub(in crate::fault) fn tell(&self, fault: &ActiveFault, path: &str, hit: u64) {
        let method = path.rsplit('/').next().unwrap_or_default();
        info!(fault = fault.id, method, rule = %fault.rule, "Fault {} hit {method}: {}", fault.id, fault.rule);
        if fault.source == Source::Call || hit != 10_u64.pow(hit.ilog10()) {
            return;
        }
        let listed = fault.listed();
        let told = match hit {
            1 => format!("Fault {} hit {method}: {}", listed.id, listed.rule),
            _ => format!("Fault {} hit {method}, its hit number {hit}: {}", listed.id, listed.rule),
        };
        self.note("hit", Some(&listed), told);
    }

    /// Adds an event of kind `fault`.
    pub(in crate::fault) fn note(&self, action: &str, about: Option<&Listed>, message: String) {
        let FaultContext { switch, event_log, .. } = &self.shared.context;
        let epoch = switch.as_ref().map_or(0, |switch| switch.snapshot().epoch);
        let mut details = Map::from_iter([("action".to_owned(), action.into())]);
        if let Some(Listed { id, rule, source, hits, .. }) = about {
            details.insert("fault".to_owned(), id.as_str().into());
            details.insert("rule".to_owned(), rule.as_str().into());
            details.insert("source".to_owned(), source.to_string().into());
            details.insert("hits".to_owned(), (*hits).into());
        }
        event_log.note(NewEvent { kind: "fault", epoch, message, details, ..NewEvent::default() });
    }
}
