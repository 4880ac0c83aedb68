//! The simulated cluster behind the engine: active, suspended or resuming.

use std::{sync::Arc, time::Duration};

use parking_lot::{Mutex, MutexGuard};
use protocol::pb::{
    ClusterStatusRequest, ClusterStatusResponse, ResumeRequest, ResumeResponse, SuspendRequest,
    SuspendResponse, cluster_service_server::ClusterService,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};

use super::status::Refusal;

/// How long a resume takes.
const RESUMING: Duration = Duration::from_secs(2);

/// The state of the cluster. A clone is the same cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    state: Arc<Mutex<State>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Active,
    Suspended,
    /// The time at which the resume began.
    Resuming(Instant),
}

impl State {
    fn at(self, now: Instant) -> Self {
        match self {
            Self::Resuming(since) if now.saturating_duration_since(since) >= RESUMING => Self::Active,
            state => state,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Resuming(_) => "resuming",
        }
    }
}

impl Cluster {
    /// Creates an active cluster.
    pub(crate) fn new() -> Self {
        Self { state: Arc::new(Mutex::new(State::Active)) }
    }

    /// Fails unless the cluster is active. Call it before any work starts.
    pub(crate) fn ready(&self, now: Instant) -> Result<(), Refusal> {
        match self.change(now, |state| state) {
            State::Active => Ok(()),
            State::Suspended | State::Resuming(_) => Err(Refusal::Suspended),
        }
    }

    fn change(&self, now: Instant, next: impl FnOnce(State) -> State) -> State {
        let mut state = self.lock();
        *state = next(state.at(now));
        *state
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn resume_at(&self, now: Instant) -> &'static str {
        let next = |state| match state {
            State::Suspended => State::Resuming(now),
            state => state,
        };
        self.change(now, next).name()
    }

    fn suspend_at(&self, now: Instant) -> &'static str {
        self.change(now, |_| State::Suspended).name()
    }
}

/// Commands come by gRPC or from an operator. Each is logged.
impl Cluster {
    /// The state: `active`, `suspended` or `resuming`.
    pub fn status(&self) -> &'static str {
        self.change(Instant::now(), |state| state).name()
    }

    /// Suspends the cluster, and returns its state.
    pub fn suspend(&self) -> &'static str {
        let status = self.suspend_at(Instant::now());
        tracing::info!("Cluster is {status}");
        status
    }

    /// Resumes the cluster, and returns its state.
    pub fn resume(&self) -> &'static str {
        let status = self.resume_at(Instant::now());
        tracing::info!("Cluster is {status}");
        status
    }
}

#[tonic::async_trait]
impl ClusterService for Cluster {
    async fn resume(&self, _: Request<ResumeRequest>) -> Result<Response<ResumeResponse>, Status> {
        let status = Self::resume(self);
        Ok(Response::new(ResumeResponse { status: status.to_owned() }))
    }

    async fn suspend(&self, _: Request<SuspendRequest>) -> Result<Response<SuspendResponse>, Status> {
        let status = Self::suspend(self);
        Ok(Response::new(SuspendResponse { status: status.to_owned() }))
    }

    async fn status(
        &self,
        _: Request<ClusterStatusRequest>,
    ) -> Result<Response<ClusterStatusResponse>, Status> {
        let status = Self::status(self);
        Ok(Response::new(ClusterStatusResponse { status: status.to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspended_cluster_takes_two_seconds_to_resume() {
        let (cluster, start) = (Cluster::new(), Instant::now());
        assert!(cluster.ready(start).is_ok());
        assert_eq!(cluster.suspend_at(start), "suspended");
        assert_eq!(cluster.ready(start), Err(Refusal::Suspended));
        assert_eq!(cluster.resume_at(start), "resuming");
        let later = start + Duration::from_millis(1999);
        assert_eq!(cluster.ready(later), Err(Refusal::Suspended));
        assert_eq!(cluster.resume_at(later), "resuming");
        assert!(cluster.ready(start + RESUMING).is_ok());
    }

    #[test]
    fn an_active_cluster_stays_active_when_resumed() {
        let (cluster, start) = (Cluster::new(), Instant::now());
        assert_eq!(cluster.resume_at(start), "active");
        cluster.suspend_at(start);
        cluster.resume_at(start);
        assert_eq!(cluster.suspend_at(start + Duration::from_secs(1)), "suspended");
        assert_eq!(cluster.ready(start + Duration::from_secs(9)), Err(Refusal::Suspended));
    }
}
