//! Leases: keys that go with one are deleted when it ends.

use std::time::Duration;

use futures::stream;
use tonic::{Request, Status};

use crate::{
    Client, Error, MAX_ANSWER, Retry,
    call::About,
    member::Transport,
    pb::{
        LeaseGrantRequest, LeaseKeepAliveRequest, LeaseKeepAliveResponse, LeaseRevokeRequest,
        lease_client::LeaseClient,
    },
};

/// A lease that etcd has granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: i64,
    /// How long it lasts from its grant or from the last renewal on: whole seconds; etcd may give more than was asked.
    pub ttl: Duration,
}

/// The message of etcd about a lease that does not exist.
const NOT_FOUND: &str = "etcdserver: requested lease not found";

fn about(op: &'static str, lease: i64) -> About {
    About { op, revision: 0, lease }
}

fn client(transport: Transport) -> LeaseClient<Transport> {
    LeaseClient::new(transport).max_decoding_message_size(MAX_ANSWER)
}

impl Client {
    /// Asks for a lease; `ttl` is rounded up to whole seconds. It is retried: a grant that was applied but not answered
    /// leaves a lease behind that nobody renews.
    pub async fn grant(&self, ttl: Duration) -> Result<Lease, Error> {
        let seconds = ttl.as_secs() + u64::from(ttl.subsec_nanos() > 0);
        let asked = LeaseGrantRequest { ttl: i64::try_from(seconds).unwrap_or(i64::MAX), id: 0 };
        let answer =
            self.call(about("lease", 0), Retry::Idempotent, asked, |transport, request| async move {
                client(transport).lease_grant(request).await
            });
        let granted = answer.await?.answer;
        Ok(Lease { id: granted.id, ttl: seconds_of(granted.ttl) })
    }

    /// Renews a lease once, and says how long it lasts from now. It is retried. Whoever measures when the lease may be
    /// over takes the moment before this call.
    pub async fn keep_alive(&self, lease: i64) -> Result<Duration, Error> {
        let answer = self.call(about("renew", lease), Retry::Idempotent, lease, keep_alive).await?;
        Ok(seconds_of(answer.answer.ttl))
    }

    /// Ends a lease, and deletes its keys. A lease that is not there is an error.
    pub async fn revoke(&self, lease: i64) -> Result<(), Error> {
        let asked = LeaseRevokeRequest { id: lease };
        let answer =
            self.call(about("revoke", lease), Retry::Idempotent, asked, |transport, request| async move {
                client(transport).lease_revoke(request).await
            });
        match answer.await {
            Ok(_) => Ok(()),
            // An earlier attempt has done it.
            Err(Error::AfterUnanswered { then }) if matches!(*then, Error::LeaseNotFound { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// A round on a stream of its own: one request, one answer.
async fn keep_alive(
    transport: Transport,
    request: Request<i64>,
) -> Result<tonic::Response<LeaseKeepAliveResponse>, Status> {
    let (metadata, extensions, id) = request.into_parts();
    let once = stream::once(std::future::ready(LeaseKeepAliveRequest { id }));
    let mut answers = client(transport)
        .lease_keep_alive(Request::from_parts(metadata, extensions, once))
        .await?
        .into_inner();
    match answers.message().await? {
        Some(answer) if answer.ttl > 0 => Ok(tonic::Response::new(answer)),
        Some(_) => Err(Status::not_found(NOT_FOUND)),
        None => Err(Status::unavailable("the stream ended before the answer")),
    }
}

fn seconds_of(ttl: i64) -> Duration {
    Duration::from_secs(u64::try_from(ttl).unwrap_or_default())
}
