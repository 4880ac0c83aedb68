//! The truth and the live instances, as they were in etcd at one revision. Pure: it takes in what was read and what a
//! watch says, in whatever order the two come.

use std::collections::BTreeMap;

use teal_etcd::{Event, KeyValue};

use super::keys::{BadKey, Name, Prefix, bad_value};
use crate::{course::Truth, instance::InstanceStatus};

/// How many instances may be live at once.
pub const MAX_INSTANCES: usize = 64;
/// Bytes of a status, or of the truth: more is nobody's of ours.
pub const MAX_VALUE: usize = 16 << 10;

/// A value with the revisions of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// The value.
    pub value: T,
    /// The revision in which the key was created.
    pub created: i64,
    /// The revision in which it was last changed.
    pub modified: i64,
}

/// The truth and the live instances at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// That revision: nothing is missing that is not newer.
    pub revision: i64,
    /// The truth; none where nobody has created it, or etcd has lost its data.
    pub truth: Option<Kept<Truth>>,
    /// The live instances by their leases.
    pub instances: BTreeMap<i64, Kept<InstanceStatus>>,
}

/// The difference between a board and a newer one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The truth, or an instance, is another one.
    pub has_changed: bool,
    /// An instance is gone. Nobody knows what it did last.
    pub has_vanished: bool,
}

impl Board {
    /// A board without anything.
    pub fn empty(revision: i64) -> Self {
        Self { revision, truth: None, instances: BTreeMap::new() }
    }

    /// Puts a board together from the entries of `state` and `instances/`, which were read at one revision.
    pub fn read<'a>(
        prefix: &Prefix,
        revision: i64,
        entries: impl IntoIterator<Item = &'a KeyValue>,
    ) -> Result<Self, BadKey> {
        let mut board = Self::empty(revision);
        for entry in entries {
            board.put(prefix, entry)?;
        }
        Ok(board)
    }

    /// Takes the place of an older board with this one, which was read. A board that is not newer changes nothing.
    pub fn renew(&mut self, newer: Self) -> Difference {
        if newer.revision <= self.revision {
            return Difference::default();
        }
        let has_vanished = self.instances.keys().any(|lease| !newer.instances.contains_key(lease));
        let has_changed = self.truth != newer.truth || self.instances != newer.instances;
        *self = newer;
        Difference { has_changed, has_vanished }
    }

    /// Takes in what a watch says of `state` and `instances/`; other keys are not looked at. `revision`: the last one of
    /// the events. What a read has shown already is not taken in again; but an instance that has come and gone between
    /// two reads is told of.
    pub fn take(&mut self, prefix: &Prefix, events: &[Event], revision: i64) -> Result<Difference, BadKey> {
        let mut difference = Difference::default();
        for event in events {
            let is_news = event.revision() > self.revision;
            match event {
                Event::Put(entry) if is_news => difference.has_changed |= self.put(prefix, entry)?,
                Event::Put(_) => {}
                Event::Deleted { key, .. } => match prefix.name(key)? {
                    Name::State if is_news => {
                        self.truth = None;
                        difference.has_changed = true;
                    }
                    Name::Instance(lease) => {
                        difference.has_vanished = true;
                        difference.has_changed |= is_news && self.instances.remove(&lease).is_some();
                    }
                    _ => {}
                },
            }
        }
        self.revision = self.revision.max(revision);
        Ok(difference)
    }

    fn put(&mut self, prefix: &Prefix, entry: &KeyValue) -> Result<bool, BadKey> {
        match prefix.name(&entry.key)? {
            Name::State => {
                let truth = Truth::read(value(entry)?).map_err(|error| bad_value(&entry.key, error))?;
                self.truth = Some(Kept::of(truth, entry));
                Ok(true)
            }
            Name::Instance(lease) => {
                let status = serde_json::from_slice(value(entry)?).map_err(|error| {
                    bad_value(&entry.key, format_args!("expected the status of an instance ({error})"))
                })?;
                self.instances.insert(lease, Kept::of(status, entry));
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The statuses of all live instances.
    pub fn live(&self) -> Vec<InstanceStatus> {
        self.instances.values().map(|kept| kept.value.clone()).collect()
    }

    /// The instance whose key was created first.
    pub fn eldest(&self) -> Option<i64> {
        self.instances.iter().min_by_key(|(lease, kept)| (kept.created, **lease)).map(|(lease, _)| *lease)
    }

    /// The status of the instance with this lease, unless its key is a later one than `created`.
    pub fn own(&self, lease: i64, created: i64) -> Option<&InstanceStatus> {
        let kept = self.instances.get(&lease).filter(|kept| kept.created == created)?;
        Some(&kept.value)
    }
}

impl<T> Kept<T> {
    fn of(value: T, entry: &KeyValue) -> Self {
        Self { value, created: entry.created, modified: entry.modified }
    }
}

fn value(entry: &KeyValue) -> Result<&[u8], BadKey> {
    match entry.value.len() {
        0..=MAX_VALUE => Ok(&entry.value),
        found => {
            Err(bad_value(&entry.key, format_args!("expected at most {MAX_VALUE} bytes, found {found}")))
        }
    }
}
