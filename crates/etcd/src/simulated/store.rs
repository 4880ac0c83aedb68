//! Keys in all their revisions, what happened in each, and transactions. Knows no clock but the moments it is told.

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use tokio::time::Instant;
use tonic::Status;

use super::{leases::Leases, refusals};
use crate::{
    Keys, MAX_OPERATIONS,
    pb::{
        Compare, DeleteRangeResponse, Event, KeyValue, PutRequest, PutResponse, RangeRequest, RangeResponse,
        RequestOp, ResponseOp, TxnRequest,
        compare::{CompareResult, TargetUnion},
        event::EventType,
        request_op::Request,
        response_op::Response,
    },
};

/// The data of an etcd.
#[derive(Clone, Debug)]
pub(super) struct Store {
    revision: i64,
    compacted: i64,
    /// Each key's versions, oldest first; one of version 0 is its deletion.
    keys: BTreeMap<Bytes, Vec<KeyValue>>,
    log: BTreeMap<i64, Entry>,
    pub(super) leases: Leases,
}

/// The events of a revision, and its time.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) at: Instant,
    pub(super) events: Vec<Event>,
}

impl Default for Store {
    fn default() -> Self {
        let (keys, log, leases) = Default::default();
        Self { revision: 1, compacted: 0, keys, log, leases }
    }
}

impl Store {
    pub(super) fn revision(&self) -> i64 {
        self.revision
    }

    pub(super) fn compacted(&self) -> i64 {
        self.compacted
    }

    /// The events from this revision on.
    pub(super) fn since(&self, revision: i64) -> impl Iterator<Item = (&i64, &Entry)> {
        self.log.range(revision..)
    }

    pub(super) fn range(&self, request: &RangeRequest) -> Result<RangeResponse, Status> {
        if request.key.is_empty() {
            return Err(refusals::empty_key());
        }
        if request.revision > self.revision {
            return Err(refusals::future_revision());
        }
        if request.revision > 0 && request.revision < self.compacted {
            return Err(refusals::compacted());
        }
        let at = if request.revision > 0 { request.revision } else { i64::MAX };
        let keys = Keys::between(request.key.clone(), request.range_end.clone());
        let found: Vec<&KeyValue> = self.find(&keys, at).collect();
        let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0).unwrap_or(usize::MAX);
        let shown = if request.count_only { 0 } else { limit };
        let kvs = found.iter().take(shown).map(|entry| KeyValue {
            value: if request.keys_only { Bytes::new() } else { entry.value.clone() },
            ..(*entry).clone()
        });
        Ok(RangeResponse {
            header: None,
            kvs: kvs.collect(),
            more: !request.count_only && found.len() > limit,
            count: i64::try_from(found.len()).unwrap_or(i64::MAX),
        })
    }

    fn find(&self, keys: &Keys, at: i64) -> impl Iterator<Item = &KeyValue> {
        let from = self.keys.range(keys.first.clone()..);
        from.take_while(|(key, _)| keys.contains(key)).filter_map(move |(_, versions)| {
            versions.iter().rev().find(|entry| entry.mod_revision <= at).filter(|entry| entry.version > 0)
        })
    }

    pub(super) fn compact(&mut self, revision: i64) -> Result<(), Status> {
        if revision <= self.compacted {
            return Err(refusals::compacted());
        }
        if revision > self.revision {
            return Err(refusals::future_revision());
        }
        self.compacted = revision;
        self.log = self.log.split_off(&revision);
        self.keys.retain(|_, versions| {
            let old = versions.partition_point(|entry| entry.mod_revision <= revision);
            let is_deleted = old > 0 && versions[old - 1].version == 0;
            versions.drain(..old.saturating_sub(usize::from(!is_deleted)));
            !versions.is_empty()
        });
        Ok(())
    }

    /// Deletes the keys of a lease, in one revision.
    pub(super) fn end_lease(&mut self, lease: i64, now: Instant) {
        self.leases.remove(lease);
        let all = Keys::prefix("");
        let keys: Vec<Bytes> = self
            .find(&all, i64::MAX)
            .filter(|entry| entry.lease == lease)
            .map(|entry| entry.key.clone())
            .collect();
        let mut events = Vec::new();
        for key in keys {
            self.delete(&Keys::one(key), &mut events);
        }
        self.commit(events, now);
    }

    /// Checks and applies a transaction.
    pub(super) fn txn(
        &mut self,
        request: &TxnRequest,
        is_full: bool,
        now: Instant,
    ) -> Result<(bool, Vec<ResponseOp>), Status> {
        check(request)?;
        let puts =
            |ops: &[RequestOp]| ops.iter().any(|op| matches!(op.request, Some(Request::RequestPut(_))));
        if is_full && (puts(&request.success) || puts(&request.failure)) {
            return Err(refusals::no_space());
        }
        let succeeded = request.compare.iter().all(|compare| self.holds(compare));
        let ops = if succeeded { &request.success } else { &request.failure };
        // What cannot be applied must change nothing.
        for op in ops {
            match &op.request {
                Some(Request::RequestPut(put)) => self.leases.check(put.lease)?,
                Some(Request::RequestRange(range)) => self.range(range).map(drop)?,
                _ => {}
            }
        }
        let mut events = Vec::new();
        let mut responses = Vec::new();
        for op in ops {
            let response = match op.request.as_ref().ok_or_else(refusals::empty_key)? {
                Request::RequestRange(range) => Response::ResponseRange(self.range(range)?),
                Request::RequestPut(put) => {
                    self.put(put, &mut events);
                    Response::ResponsePut(PutResponse::default())
                }
                Request::RequestDeleteRange(range) => {
                    let keys = Keys::between(range.key.clone(), range.range_end.clone());
                    let deleted = self.delete(&keys, &mut events);
                    Response::ResponseDeleteRange(DeleteRangeResponse { header: None, deleted })
                }
            };
            responses.push(ResponseOp { response: Some(response) });
        }
        self.commit(events, now);
        Ok((succeeded, responses))
    }

    fn put(&mut self, put: &PutRequest, events: &mut Vec<Event>) {
        let revision = self.revision + 1;
        let versions = self.keys.entry(put.key.clone()).or_default();
        let (create_revision, version) = match versions.last().filter(|last| last.version > 0) {
            Some(last) => (last.create_revision, last.version + 1),
            None => (revision, 1),
        };
        let entry = KeyValue {
            key: put.key.clone(),
            create_revision,
            mod_revision: revision,
            version,
            value: put.value.clone(),
            lease: put.lease,
        };
        versions.push(entry.clone());
        events.push(Event { r#type: EventType::Put.into(), kv: Some(entry) });
    }

    fn delete(&mut self, keys: &Keys, events: &mut Vec<Event>) -> i64 {
        let found: Vec<Bytes> = self.find(keys, i64::MAX).map(|entry| entry.key.clone()).collect();
        let count = found.len();
        for key in found {
            let gone = KeyValue { key, mod_revision: self.revision + 1, ..KeyValue::default() };
            self.keys.entry(gone.key.clone()).or_default().push(gone.clone());
            events.push(Event { r#type: EventType::Delete.into(), kv: Some(gone) });
        }
        i64::try_from(count).unwrap_or(i64::MAX)
    }

    fn commit(&mut self, events: Vec<Event>, at: Instant) {
        if !events.is_empty() {
            self.revision += 1;
            self.log.insert(self.revision, Entry { at, events });
        }
    }

    /// Whether a comparison holds for all keys of its range. If there is none, it is compared with a key of zeros.
    fn holds(&self, compare: &Compare) -> bool {
        let keys = Keys::between(compare.key.clone(), compare.range_end.clone());
        let mut found = self.find(&keys, i64::MAX).peekable();
        if found.peek().is_none() {
            let is_value = matches!(compare.target_union, Some(TargetUnion::Value(_)));
            return !is_value && one_holds(compare, &KeyValue::default());
        }
        found.all(|entry| one_holds(compare, entry))
    }
}

fn one_holds(compare: &Compare, entry: &KeyValue) -> bool {
    let order = match &compare.target_union {
        Some(TargetUnion::Version(version)) => entry.version.cmp(version),
        Some(TargetUnion::CreateRevision(revision)) => entry.create_revision.cmp(revision),
        Some(TargetUnion::ModRevision(revision)) => entry.mod_revision.cmp(revision),
        Some(TargetUnion::Value(value)) => entry.value.cmp(value),
        Some(TargetUnion::Lease(lease)) => entry.lease.cmp(lease),
        None => return false,
    };
    match compare.result() {
        CompareResult::Equal => order.is_eq(),
        CompareResult::NotEqual => order.is_ne(),
        CompareResult::Less => order.is_lt(),
        CompareResult::Greater => order.is_gt(),
    }
}

/// Refuses what etcd refuses before it looks at the data.
fn check(request: &TxnRequest) -> Result<(), Status> {
    let TxnRequest { compare, success, failure } = request;
    if [compare.len(), success.len(), failure.len()].into_iter().any(|found| found > MAX_OPERATIONS) {
        return Err(refusals::too_many_operations());
    }
    if compare.iter().any(|compare| compare.key.is_empty()) {
        return Err(refusals::empty_key());
    }
    for ops in [success, failure] {
        let mut put = HashSet::new();
        let mut deleted = Vec::new();
        for op in ops {
            let key = match &op.request {
                Some(Request::RequestPut(put)) => &put.key,
                Some(Request::RequestRange(range)) => &range.key,
                Some(Request::RequestDeleteRange(range)) => {
                    deleted.push(Keys::between(range.key.clone(), range.range_end.clone()));
                    &range.key
                }
                None => return Err(refusals::empty_key()),
            };
            if key.is_empty() {
                return Err(refusals::empty_key());
            }
            if matches!(op.request, Some(Request::RequestPut(_))) && !put.insert(key) {
                return Err(refusals::duplicate_key());
            }
        }
        if put.into_iter().any(|key| deleted.iter().any(|keys| keys.contains(key))) {
            return Err(refusals::duplicate_key());
        }
    }
    Ok(())
}
