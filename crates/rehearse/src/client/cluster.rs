//! Resumes a suspended cluster, as the connectors do.

use std::time::Duration;

use prost::Message;
use protocol::{
    CallKind, Strategy,
    pb::{ClusterStatusRequest, ClusterStatusResponse, ResumeRequest, ResumeResponse},
};
use tokio::time::sleep;
use tonic::Status;

use super::{Client, answer::Answer, session::Method};
use crate::{line::CallError, plan::Login};

const STATUS: Method = Method::new("/ClusterService/status", CallKind::Neutral);
const RESUME: Method = Method::new("/ClusterService/resume", CallKind::Neutral);

const PAUSE: Duration = Duration::from_secs(5);
/// Polls for five minutes.
const MOST_LOOKS: u32 = 60;

impl Client {
    /// Resumes the cluster, and polls until it is active.
    pub(super) async fn wake_cluster(&mut self) -> Result<(), CallError> {
        let (user, password) = match self.common.plan.login.clone() {
            Login::Password { user, password } => (user, password),
            Login::Token(_) => Default::default(),
        };
        let mut is_resumed = false;
        for _ in 0..MOST_LOOKS {
            let request = ClusterStatusRequest { user: user.clone(), password: password.clone() };
            let answer: ClusterStatusResponse = self.ask_cluster(STATUS, request).await?;
            match answer.status.as_str() {
                "active" => return Ok(()),
                "failed" => break,
                "suspended" if !is_resumed => {
                    is_resumed = true;
                    let request = ResumeRequest { user: user.clone(), password: password.clone() };
                    let _: ResumeResponse = self.ask_cluster(RESUME, request).await?;
                }
                _ => sleep(PAUSE).await,
            }
        }
        Err(CallError::of(
            STATUS.name(),
            &Status::unavailable("status: 503, the cluster does not become active"),
        ))
    }

    /// Calls under the known strategy, or blue; after a 456 under the other one.
    async fn ask_cluster<Q, A>(&mut self, method: Method, request: Q) -> Result<A, CallError>
    where
        Q: Message + Clone + 'static,
        A: Message + Answer + Default + 'static,
    {
        let mut strategy = self.process.active().unwrap_or(Strategy::Blue);
        let mut answer = self.hear(method, Some(strategy), None, request.clone()).await;
        if answer.as_ref().is_err_and(|error: &CallError| error.is_refused() && self.behaviour.recovers()) {
            strategy = strategy.other();
            answer = self.hear(method, Some(strategy), None, request).await;
        }
        answer.inspect(|_| self.process.settle(strategy))
    }
}
