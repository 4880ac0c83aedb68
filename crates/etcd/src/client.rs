//! The operations of the client, and how each is sent to the members.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use prost::Message;
use tonic::{Request, Response, Status};

use crate::{
    BadSetting, Error, Keys, MAX_ANSWER, MAX_REQUEST, Outcome, Page, Range, Retry, Settings, Txn,
    call::{About, Answered, Shared},
    member::{Member, Transport},
    members::Members,
    pb::{CompactionRequest, DeleteRangeRequest, PutRequest, TxnRequest, kv_client::KvClient},
};

/// A client of etcd. Clones share connections and limits. Connections are made when they are needed, in the runtime of
/// the request that needs one: keep a client to one runtime.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    deadline: Duration,
}

fn kv(transport: Transport) -> KvClient<Transport> {
    KvClient::new(transport).max_decoding_message_size(MAX_ANSWER)
}

fn about(op: &'static str, revision: i64) -> About {
    About { op, revision, lease: 0 }
}

impl Client {
    /// Checks the settings and reads the files of TLS; connects to nobody yet.
    pub fn new(settings: Settings) -> Result<Self, BadSetting> {
        let members = Members::connect(&settings)?;
        Ok(Self::with_members(members, settings))
    }

    /// A client of members in the process.
    pub(crate) fn in_process(members: Vec<Member>, settings: Settings) -> Self {
        Self::with_members(Members::new(members, settings.first), settings)
    }

    fn with_members(members: Members, settings: Settings) -> Self {
        let deadline = settings.deadline;
        Self { shared: Arc::new(Shared::new(members, settings)), deadline }
    }

    /// The same client with another deadline for its requests.
    pub fn within(&self, deadline: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), deadline }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Reads a range. It is retried.
    pub async fn range(&self, range: &Range) -> Result<Page, Error> {
        let about = about("read", range.revision);
        let answer =
            self.call(about, Retry::Idempotent, range.to_request(), |transport, request| async move {
                kv(transport).range(request).await
            });
        let answer = answer.await?.answer;
        let revision = answer.header.map_or(0, |header| header.revision);
        Ok(range.page(answer, revision))
    }

    /// Applies a transaction, and retries it as `retry` allows.
    pub async fn txn(&self, txn: &Txn, retry: Retry) -> Result<Outcome, Error> {
        let answered = self.send_txn(txn.check()?, retry).await?;
        Ok(txn.outcome(answered.answer, answered.repeated))
    }

    pub(crate) async fn send_txn(
        &self,
        request: TxnRequest,
        retry: Retry,
    ) -> Result<Answered<crate::pb::TxnResponse>, Error> {
        self.call(about("change", 0), retry, request, |transport, request| async move {
            kv(transport).txn(request).await
        })
        .await
    }

    /// Puts a value, with no lease if that is 0, and says the revision. The value is there in the end however often it
    /// is put, so it is retried.
    pub async fn put(
        &self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        lease: i64,
    ) -> Result<i64, Error> {
        let request = PutRequest { key: key.into(), value: value.into(), lease };
        match request.encoded_len() {
            found if found > MAX_REQUEST => return Err(Error::RequestTooLarge { found }),
            _ => {}
        }
        let about = About { lease, ..about("change", 0) };
        let answer = self.call(about, Retry::Idempotent, request, |transport, request| async move {
            kv(transport).put(request).await
        });
        Ok(answer.await?.answer.header.map_or(0, |header| header.revision))
    }

    /// Deletes keys, and says how many and the revision. It is retried: then those of the last attempt are counted.
    pub async fn delete(&self, keys: impl Into<Keys>) -> Result<(u64, i64), Error> {
        let Keys { first, end } = keys.into();
        let request = DeleteRangeRequest { key: first, range_end: end };
        let answer =
            self.call(about("change", 0), Retry::Idempotent, request, |transport, request| async move {
                kv(transport).delete_range(request).await
            });
        let answer = answer.await?.answer;
        let revision = answer.header.map_or(0, |header| header.revision);
        Ok((u64::try_from(answer.deleted).unwrap_or_default(), revision))
    }

    /// Forgets what the store was before `revision`. It concerns all who use this etcd.
    pub async fn compact(&self, revision: i64) -> Result<(), Error> {
        let request = CompactionRequest { revision };
        let about = about("compact", revision);
        let answer = self.call(about, Retry::IfNotApplied, request, |transport, request| async move {
            kv(transport).compact(request).await
        });
        answer.await.map(drop)
    }

    pub(crate) async fn call<T, R, F>(
        &self,
        about: About,
        retry: Retry,
        message: T,
        send: impl Fn(Transport, Request<T>) -> F,
    ) -> Result<Answered<R>, Error>
    where
        T: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let answered = self.shared.call(about, retry, self.deadline, message, send).await?;
        Ok(Answered {
            answer: answered.answer.into_inner(),
            member: answered.member,
            repeated: answered.repeated,
        })
    }
}
