//! A member's services, and the port at which clients reach them.

use std::{
    future::pending,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{
    Stream,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use prost::Message;
use tokio::time::{Instant, sleep};
use tonic::{
    ConnectError, Request, Response, Status, Streaming, async_trait, body::Body, metadata::MetadataMap,
};
use tower::{Service, ServiceExt};

use super::{
    leases, refusals, watching,
    world::{Mode, State, World},
};
use crate::{
    Keys, MAX_REQUEST,
    member::Undelivered,
    pb::{
        AuthenticateRequest, AuthenticateResponse, CompactionRequest, CompactionResponse, DeleteRangeRequest,
        DeleteRangeResponse, LeaseGrantRequest, LeaseGrantResponse, LeaseKeepAliveRequest,
        LeaseKeepAliveResponse, LeaseRevokeRequest, LeaseRevokeResponse, PutRequest, PutResponse,
        RangeRequest, RangeResponse, RequestOp, StatusRequest, StatusResponse, TxnRequest, TxnResponse,
        WatchRequest, WatchResponse,
        auth_server::{self, Auth, AuthServer},
        kv_server::{self, Kv, KvServer},
        lease_server::{self, Lease, LeaseServer},
        maintenance_server::{self, Maintenance, MaintenanceServer},
        request_op, response_op,
        watch_server::{self, Watch, WatchServer},
    },
};

/// Ids of leases come after this one; nobody asks for one of those.
const FIRST_LEASE: i64 = 0x7ea1_0000;

/// A member, as a transport of a client.
#[derive(Clone)]
pub(super) struct Port {
    services: Arc<Services>,
}

/// A member, as the services that it offers.
pub(super) struct Services {
    pub(super) world: Arc<World>,
    pub(super) member: usize,
}

impl Port {
    pub(super) fn new(world: &Arc<World>, member: usize) -> Self {
        Self { services: Arc::new(Services { world: Arc::clone(world), member }) }
    }
}

impl Service<http::Request<Body>> for Port {
    type Response = http::Response<Body>;
    type Error = Undelivered;
    type Future = BoxFuture<'static, Result<Self::Response, Undelivered>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Undelivered>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let services = Arc::clone(&self.services);
        Box::pin(async move {
            let life = services.arrive().await?;
            let response = services.serve(request).await;
            services.leave(life).await?;
            Ok(response)
        })
    }
}

impl Services {
    async fn serve(self: &Arc<Self>, request: http::Request<Body>) -> http::Response<Body> {
        let service = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
        let this = Arc::clone(self);
        let served = match service.as_str() {
            kv_server::SERVICE_NAME => KvServer::from_arc(this).oneshot(request).await,
            watch_server::SERVICE_NAME => WatchServer::from_arc(this).oneshot(request).await,
            lease_server::SERVICE_NAME => LeaseServer::from_arc(this).oneshot(request).await,
            auth_server::SERVICE_NAME => AuthServer::from_arc(this).oneshot(request).await,
            maintenance_server::SERVICE_NAME => MaintenanceServer::from_arc(this).oneshot(request).await,
            _ => Ok(Status::unimplemented("unknown service").into_http()),
        };
        match served {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn pass(&self) {
        let delay = self.world.state().members[self.member].delay;
        if !delay.is_zero() {
            sleep(delay).await;
        }
    }

    /// The way to the member: it waits while that is stopped, and fails if it is dead.
    async fn arrive(&self) -> Result<u64, Undelivered> {
        self.pass().await;
        let life = {
            let state = self.world.state();
            let of = &state.members[self.member];
            if of.mode == Mode::Dead {
                let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
                return Err(Undelivered(ConnectError(refused.into()).into()));
            }
            of.life
        };
        self.runs(life).await?;
        Ok(life)
    }

    /// The way back, on which an answer may be lost.
    async fn leave(&self, life: u64) -> Result<(), Undelivered> {
        let is_lost = {
            let lost = &mut self.world.state().members[self.member].lost_answers;
            let is_lost = *lost > 0;
            *lost = lost.saturating_sub(1);
            is_lost
        };
        if is_lost {
            pending::<()>().await;
        }
        self.pass().await;
        self.runs(life).await
    }

    /// Waits until the member is not stopped; fails if it has died since.
    pub(super) async fn runs(&self, life: u64) -> Result<(), Undelivered> {
        let mut changes = self.world.changes();
        loop {
            let (mode, present) = {
                let state = self.world.state();
                let of = &state.members[self.member];
                (of.mode, of.life)
            };
            match mode {
                _ if present != life => {
                    return Err(Undelivered(io::Error::from(io::ErrorKind::ConnectionReset).into()));
                }
                Mode::Stopped => drop(changes.changed().await),
                _ => return Ok(()),
            }
        }
    }

    /// Whether this member may serve a request about these keys.
    pub(super) fn admit(&self, state: &State, metadata: &MetadataMap, keys: &[Keys]) -> Result<(), Status> {
        state.led(self.member)?;
        match &state.auth {
            Some(users) => users.check(&state.members[self.member].tokens, metadata, keys),
            None => Ok(()),
        }
    }

    /// Applies a transaction with its checks.
    fn apply(&self, metadata: &MetadataMap, txn: &TxnRequest) -> Result<TxnResponse, Status> {
        if txn.encoded_len() > MAX_REQUEST {
            return Err(refusals::too_large());
        }
        let compared =
            txn.compare.iter().map(|compare| Keys::between(compare.key.clone(), compare.range_end.clone()));
        let keys: Vec<Keys> =
            compared.chain(txn.success.iter().chain(&txn.failure).filter_map(keys_of)).collect();
        self.world.change(|state| {
            self.admit(state, metadata, &keys)?;
            let (succeeded, responses) = state.store.txn(txn, state.is_full, Instant::now())?;
            Ok(TxnResponse { header: state.header(self.member), succeeded, responses })
        })
    }

    /// Applies one operation alone.
    fn apply_one(
        &self,
        metadata: &MetadataMap,
        request: request_op::Request,
    ) -> Result<(TxnResponse, Option<response_op::Response>), Status> {
        let success = vec![RequestOp { request: Some(request) }];
        let mut answer = self.apply(metadata, &TxnRequest { success, ..TxnRequest::default() })?;
        let one = answer.responses.pop().and_then(|answer| answer.response);
        Ok((answer, one))
    }
}

fn keys_of(op: &RequestOp) -> Option<Keys> {
    Some(match op.request.as_ref()? {
        request_op::Request::RequestPut(put) => Keys::one(put.key.clone()),
        request_op::Request::RequestRange(range) => Keys::between(range.key.clone(), range.range_end.clone()),
        request_op::Request::RequestDeleteRange(range) => {
            Keys::between(range.key.clone(), range.range_end.clone())
        }
    })
}

#[async_trait]
impl Kv for Services {
    async fn range(&self, request: Request<RangeRequest>) -> Result<Response<RangeResponse>, Status> {
        let keys = Keys::between(request.get_ref().key.clone(), request.get_ref().range_end.clone());
        let state = self.world.state();
        self.admit(&state, request.metadata(), &[keys])?;
        let answer = state.store.range(request.get_ref())?;
        Ok(Response::new(RangeResponse { header: state.header(self.member), ..answer }))
    }

    async fn put(&self, request: Request<PutRequest>) -> Result<Response<PutResponse>, Status> {
        let (metadata, _, put) = request.into_parts();
        let (answer, _) = self.apply_one(&metadata, request_op::Request::RequestPut(put))?;
        Ok(Response::new(PutResponse { header: answer.header }))
    }

    async fn delete_range(
        &self,
        request: Request<DeleteRangeRequest>,
    ) -> Result<Response<DeleteRangeResponse>, Status> {
        let (metadata, _, range) = request.into_parts();
        let (answer, one) = self.apply_one(&metadata, request_op::Request::RequestDeleteRange(range))?;
        let deleted = match one {
            Some(response_op::Response::ResponseDeleteRange(one)) => one.deleted,
            _ => 0,
        };
        Ok(Response::new(DeleteRangeResponse { header: answer.header, deleted }))
    }

    async fn txn(&self, request: Request<TxnRequest>) -> Result<Response<TxnResponse>, Status> {
        let (metadata, _, txn) = request.into_parts();
        self.apply(&metadata, &txn).map(Response::new)
    }

    async fn compact(
        &self,
        request: Request<CompactionRequest>,
    ) -> Result<Response<CompactionResponse>, Status> {
        self.world.change(|state| {
            self.admit(state, request.metadata(), &[])?;
            state.store.compact(request.get_ref().revision)?;
            Ok(Response::new(CompactionResponse { header: state.header(self.member) }))
        })
    }
}

#[async_trait]
impl Watch for Services {
    type WatchStream = BoxStream<'static, Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        Ok(Response::new(watching::serve(&self.world, self.member, metadata, requests)))
    }
}

#[async_trait]
impl Lease for Services {
    async fn lease_grant(
        &self,
        request: Request<LeaseGrantRequest>,
    ) -> Result<Response<LeaseGrantResponse>, Status> {
        let LeaseGrantRequest { ttl, id } = *request.get_ref();
        let answer = self.world.change(|state| {
            self.admit(state, request.metadata(), &[])?;
            if state.is_full {
                return Err(refusals::no_space());
            }
            state.granted += 1;
            let id = if id == 0 { FIRST_LEASE + state.granted } else { id };
            let ttl = state.store.leases.grant(id, ttl, Instant::now())?;
            Ok(LeaseGrantResponse { header: state.header(self.member), id, ttl, error: String::new() })
        })?;
        leases::expire(&self.world, answer.id);
        Ok(Response::new(answer))
    }

    async fn lease_revoke(
        &self,
        request: Request<LeaseRevokeRequest>,
    ) -> Result<Response<LeaseRevokeResponse>, Status> {
        let id = request.get_ref().id;
        self.world.change(|state| {
            self.admit(state, request.metadata(), &[])?;
            if !state.store.leases.contains(id) {
                return Err(refusals::lease_not_found());
            }
            state.store.end_lease(id, Instant::now());
            Ok(Response::new(LeaseRevokeResponse { header: state.header(self.member) }))
        })
    }

    type LeaseKeepAliveStream = Pin<Box<dyn Stream<Item = Result<LeaseKeepAliveResponse, Status>> + Send>>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<LeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let (world, member) = (Arc::clone(&self.world), self.member);
        let answers = stream::try_unfold(request.into_inner(), move |mut requests| {
            let services = Services { world: Arc::clone(&world), member };
            async move {
                let Some(request) = requests.message().await? else { return Ok(None) };
                let life = services.world.state().members[member].life;
                services.runs(life).await.map_err(|_| Status::unavailable("the member died"))?;
                let answer = services.world.change(|state| {
                    state.led(member)?;
                    let ttl = state.store.leases.renew(request.id, Instant::now());
                    Ok::<_, Status>(LeaseKeepAliveResponse {
                        header: state.header(member),
                        id: request.id,
                        ttl,
                    })
                })?;
                Ok(Some((answer, requests)))
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

#[async_trait]
impl Auth for Services {
    async fn authenticate(
        &self,
        request: Request<AuthenticateRequest>,
    ) -> Result<Response<AuthenticateResponse>, Status> {
        let AuthenticateRequest { name, password } = request.into_inner();
        self.world.change(|state| {
            state.led(self.member)?;
            let users = state.auth.as_mut().ok_or_else(refusals::auth_not_enabled)?;
            let token = users.log_in(&name, &password)?;
            for member in state.members.iter_mut().filter(|member| member.mode != Mode::Dead) {
                member.tokens.insert(token.clone(), name.clone());
            }
            Ok(Response::new(AuthenticateResponse { header: state.header(self.member), token }))
        })
    }
}

#[async_trait]
impl Maintenance for Services {
    async fn status(&self, _: Request<StatusRequest>) -> Result<Response<StatusResponse>, Status> {
        let state = self.world.state();
        let leader = state.leader.filter(|_| state.led(self.member).is_ok());
        Ok(Response::new(StatusResponse {
            header: state.header(self.member),
            version: "3.4.0-simulated".to_owned(),
            db_size: 0,
            leader: leader.map_or(0, |leader| leader as u64 + 1),
            errors: state.is_full.then(|| "alarm:NOSPACE".to_owned()).into_iter().collect(),
        }))
    }
}
