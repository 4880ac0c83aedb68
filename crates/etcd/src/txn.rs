//! Transactions: if all comparisons hold the one list of operations is applied, else the other, in one revision.

use std::collections::HashSet;

use bytes::Bytes;
use prost::Message;

use crate::{
    Error, Keys, MAX_OPERATIONS, MAX_REQUEST, Page, Range,
    pb::{
        self, DeleteRangeRequest, PutRequest,
        compare::{CompareResult, CompareTarget, TargetUnion},
        request_op::Request,
        response_op::Response,
    },
};

/// A transaction that is being put together. It is checked before it is sent.
#[derive(Clone, Debug, Default)]
pub struct Txn {
    compares: Vec<Compare>,
    then: Vec<Op>,
    or_else: Vec<Op>,
}

/// How two values are compared: what is in the store `Is` … than what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// The same.
    Equal,
    /// Another.
    NotEqual,
    /// Less.
    Less,
    /// Greater.
    Greater,
}

/// A comparison of one key, or of each key of a range: then all must hold. A key that is not there has 0 as revisions
/// and version, and so has a range without keys; its value equals nothing, and differs from nothing either.
#[derive(Clone, Debug)]
pub struct Compare {
    keys: Keys,
    is: Is,
    with: TargetUnion,
}

/// One operation.
#[derive(Clone, Debug)]
pub enum Op {
    /// Puts a value under a key.
    Put {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// The lease it goes with; 0 for none.
        lease: i64,
    },
    /// Deletes keys. A range of unknown size blocks etcd while it is deleted.
    Delete(Keys),
    /// Reads keys.
    Range(Range),
}

/// The result of a transaction.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Whether all comparisons held.
    pub succeeded: bool,
    /// The revision of the store afterwards: that of the changes, if there were any.
    pub revision: i64,
    /// One for each operation that was applied.
    pub answers: Vec<Answer>,
    /// An earlier attempt was not answered, and may have been applied: a comparison may have failed because of it.
    pub repeated: bool,
}

/// The result of an operation.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The value is put.
    Put,
    /// How many keys were deleted.
    Deleted(u64),
    /// The keys that were read.
    Range(Page),
}

impl Txn {
    /// Creates a transaction without comparisons and operations.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a condition; all must hold.
    pub fn when(mut self, compare: Compare) -> Self {
        self.compares.push(compare);
        self
    }

    /// Adds an operation for when all conditions hold.
    pub fn then(mut self, op: Op) -> Self {
        self.then.push(op);
        self
    }

    /// Adds an operation for when one of them does not.
    pub fn or_else(mut self, op: Op) -> Self {
        self.or_else.push(op);
        self
    }

    /// Refuses what etcd would refuse: too many operations, a key changed twice, too many bytes.
    pub(crate) fn check(&self) -> Result<pb::TxnRequest, Error> {
        let found = self.compares.len().max(self.then.len()).max(self.or_else.len());
        if found > MAX_OPERATIONS {
            return Err(Error::TooManyOperations { found });
        }
        changes_once(&self.then)?;
        changes_once(&self.or_else)?;
        let request = self.to_request();
        match request.encoded_len() {
            fits if fits <= MAX_REQUEST => Ok(request),
            found => Err(Error::RequestTooLarge { found }),
        }
    }

    pub(crate) fn to_request(&self) -> pb::TxnRequest {
        pb::TxnRequest {
            compare: self.compares.iter().map(Compare::to_request).collect(),
            success: self.then.iter().map(Op::to_request).collect(),
            failure: self.or_else.iter().map(Op::to_request).collect(),
        }
    }

    pub(crate) fn outcome(&self, answer: pb::TxnResponse, repeated: bool) -> Outcome {
        let revision = answer.header.map_or(0, |header| header.revision);
        let ops = if answer.succeeded { &self.then } else { &self.or_else };
        let answers = ops.iter().zip(answer.responses).map(|(op, answer)| match (op, answer.response) {
            (Op::Range(range), Some(Response::ResponseRange(answer))) => {
                Answer::Range(range.page(answer, revision))
            }
            (_, Some(Response::ResponseDeleteRange(answer))) => {
                Answer::Deleted(u64::try_from(answer.deleted).unwrap_or_default())
            }
            _ => Answer::Put,
        });
        Outcome { succeeded: answer.succeeded, revision, answers: answers.collect(), repeated }
    }
}

/// etcd refuses a branch that puts a key twice, or puts one that it deletes too.
fn changes_once(ops: &[Op]) -> Result<(), Error> {
    let mut put = HashSet::new();
    let deleted: Vec<&Keys> = ops.iter().filter_map(Op::deletes).collect();
    for key in ops.iter().filter_map(Op::puts) {
        if !put.insert(key) || deleted.iter().any(|keys| keys.contains(key)) {
            return Err(Error::DuplicateKey { key: String::from_utf8_lossy(key).into_owned() });
        }
    }
    Ok(())
}

impl Compare {
    /// Of the revision in which a key was last changed.
    pub fn modified(keys: impl Into<Keys>, is: Is, revision: i64) -> Self {
        Self { keys: keys.into(), is, with: TargetUnion::ModRevision(revision) }
    }

    /// Of the revision in which a key was created.
    pub fn created(keys: impl Into<Keys>, is: Is, revision: i64) -> Self {
        Self { keys: keys.into(), is, with: TargetUnion::CreateRevision(revision) }
    }

    /// Of how often a key was put since its creation.
    pub fn version(keys: impl Into<Keys>, is: Is, version: i64) -> Self {
        Self { keys: keys.into(), is, with: TargetUnion::Version(version) }
    }

    /// Of a key's value, byte by byte.
    pub fn value(keys: impl Into<Keys>, is: Is, value: impl Into<Bytes>) -> Self {
        Self { keys: keys.into(), is, with: TargetUnion::Value(value.into()) }
    }

    /// Holds if none of these keys is there.
    pub fn absent(keys: impl Into<Keys>) -> Self {
        Self::created(keys, Is::Equal, 0)
    }

    fn to_request(&self) -> pb::Compare {
        let target = match self.with {
            TargetUnion::Version(_) => CompareTarget::Version,
            TargetUnion::CreateRevision(_) => CompareTarget::Create,
            TargetUnion::ModRevision(_) => CompareTarget::Mod,
            TargetUnion::Value(_) => CompareTarget::Value,
            TargetUnion::Lease(_) => CompareTarget::Lease,
        };
        let result = match self.is {
            Is::Equal => CompareResult::Equal,
            Is::NotEqual => CompareResult::NotEqual,
            Is::Less => CompareResult::Less,
            Is::Greater => CompareResult::Greater,
        };
        pb::Compare {
            result: result.into(),
            target: target.into(),
            key: self.keys.first.clone(),
            range_end: self.keys.end.clone(),
            target_union: Some(self.with.clone()),
        }
    }
}

impl Op {
    /// Puts a value that goes with no lease.
    pub fn put(key: impl Into<Bytes>, value: impl Into<Bytes>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: 0 }
    }

    /// Puts a value that is deleted when its lease ends.
    pub fn put_leased(key: impl Into<Bytes>, value: impl Into<Bytes>, lease: i64) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease }
    }

    /// Deletes keys.
    pub fn delete(keys: impl Into<Keys>) -> Self {
        Self::Delete(keys.into())
    }

    fn puts(&self) -> Option<&Bytes> {
        match self {
            Self::Put { key, .. } => Some(key),
            _ => None,
        }
    }

    fn deletes(&self) -> Option<&Keys> {
        match self {
            Self::Delete(keys) => Some(keys),
            _ => None,
        }
    }

    fn to_request(&self) -> pb::RequestOp {
        let request = match self {
            Self::Put { key, value, lease } => {
                Request::RequestPut(PutRequest { key: key.clone(), value: value.clone(), lease: *lease })
            }
            Self::Delete(keys) => Request::RequestDeleteRange(DeleteRangeRequest {
                key: keys.first.clone(),
                range_end: keys.end.clone(),
            }),
            Self::Range(range) => Request::RequestRange(range.to_request()),
        };
        pb::RequestOp { request: Some(request) }
    }
}
