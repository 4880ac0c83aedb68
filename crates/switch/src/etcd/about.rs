//! The description of an instance for people: the value of `about/<lease>`. No rule reads it, so a value that cannot be read
//! is left out.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use teal_etcd::{Event, KeyValue, Op, Retry, Txn};

use super::{
    MAX_INSTANCES, MAX_VALUE,
    counters::EtcdOp,
    keys::{FORMAT, Name, Prefix},
    store::{Own, Store, StoreError},
};
use crate::{Cutover, Rules};

/// An instance's description of itself. Fields that this version does not know are ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// The formats of keys and values that it knows.
    #[serde(default)]
    pub formats: Vec<u64>,
    /// The address of its admin API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admin: Option<String>,
    /// How many seconds its lease lasts.
    #[serde(default)]
    pub ttl: u64,
    /// The settings that ought to be the same everywhere.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Its requests in progress.
    #[serde(default)]
    pub requests: u64,
    /// It is about to go by itself.
    #[serde(default, skip_serializing_if = "is_false")]
    pub leaving: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_false(value: &bool) -> bool {
    !value
}

impl About {
    /// Of an instance of this version with these rules.
    pub(crate) fn new(rules: &Rules, admin: Option<String>, requests: u64) -> Self {
        let time =
            |time: Option<Duration>| time.map_or_else(|| "never".to_owned(), |time| format!("{time:?}"));
        let cutover = match rules.cutover {
            Cutover::Drain => "drain",
            Cutover::Strict => "strict",
        };
        let settings = [
            ("switch-every", time(rules.switch_every)),
            ("cutover", cutover.to_owned()),
            ("notice", time(Some(rules.notice))),
            ("announce-timeout", time(rules.announce_timeout)),
            ("unhealthy-abort", time(rules.unhealthy_abort)),
            ("failover", time(rules.failover)),
            ("grace", time(Some(rules.grace))),
            ("drain-timeout", time(rules.drain_timeout)),
            ("query-ttl", time(Some(rules.query_ttl))),
            ("max-queries", rules.max_queries.to_string()),
        ];
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            formats: vec![FORMAT],
            admin,
            settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
            requests,
            ..Self::default()
        }
    }

    /// The settings that both name and that differ.
    pub fn differs(&self, other: &Self) -> Vec<String> {
        let differs = |(name, value): &(&String, &String)| {
            other.settings.get(*name).is_some_and(|others| others != *value)
        };
        self.settings.iter().filter(differs).map(|(name, _)| name.clone()).collect()
    }
}

/// The descriptions of all instances, by their leases.
#[derive(Clone, Debug, Default)]
pub(super) struct Abouts {
    all: BTreeMap<i64, About>,
    /// Instances that left lately, so that the reason is known to whoever hears of that later.
    left: BTreeMap<i64, About>,
}

impl Abouts {
    pub(super) fn all(&self) -> &BTreeMap<i64, About> {
        &self.all
    }

    pub(super) fn get(&self, lease: i64) -> Option<&About> {
        self.all.get(&lease)
    }

    /// The last description of an instance, though its key may be gone.
    pub(super) fn last(&self, lease: i64) -> Option<&About> {
        self.all.get(&lease).or_else(|| self.left.get(&lease))
    }

    /// Takes a whole list in the place of what is there.
    pub(super) fn replace(&mut self, prefix: &Prefix, entries: &[KeyValue]) {
        let before = std::mem::take(&mut self.all);
        entries.iter().for_each(|entry| _ = self.put(prefix, entry));
        self.left.extend(before);
        while self.left.len() > MAX_INSTANCES {
            self.left.pop_first();
        }
    }

    /// Takes in what a watch says. Says whether anything is another one.
    pub(super) fn take(&mut self, prefix: &Prefix, events: &[Event]) -> bool {
        let mut has_changed = false;
        for event in events {
            match event {
                Event::Put(entry) => has_changed |= self.put(prefix, entry),
                Event::Deleted { key, .. } => {
                    if let Ok(Name::About(lease)) = prefix.name(key)
                        && let Some(about) = self.all.remove(&lease)
                    {
                        if self.left.len() >= MAX_INSTANCES {
                            self.left.pop_first();
                        }
                        self.left.insert(lease, about);
                        has_changed = true;
                    }
                }
            }
        }
        has_changed
    }

    fn put(&mut self, prefix: &Prefix, entry: &KeyValue) -> bool {
        let Ok(Name::About(lease)) = prefix.name(&entry.key) else { return false };
        let has_place = self.all.len() < 2 * MAX_INSTANCES || self.all.contains_key(&lease);
        if !has_place || entry.value.len() > MAX_VALUE {
            return false;
        }
        match serde_json::from_slice(&entry.value) {
            Ok(about) => self.all.insert(lease, about).as_ref() != self.all.get(&lease),
            Err(error) => {
                tracing::debug!("What an instance says of itself cannot be read: {error}");
                false
            }
        }
    }
}

impl Store {
    /// Says what people want to know of this instance, while its key is there. Says in which revision.
    pub(super) async fn tell(&self, own: Own, about: &About) -> Result<i64, StoreError> {
        let text = serde_json::to_string(about).unwrap_or_default();
        let put = Op::put_leased(self.prefix.about(own.lease), text, own.lease);
        let txn = Txn::new().when(self.guard(own)).then(put);
        let outcome = self.time(EtcdOp::About, self.client.txn(&txn, Retry::Idempotent)).await?;
        // Where the key is gone nothing is put; the next round finds that out.
        Ok(if outcome.succeeded { outcome.revision } else { 0 })
    }
}
