//! Waking a suspended cluster, as the connectors do.

use std::time::Duration;

use tokio::time::sleep;
use tonic::Status;

use super::{Client, session::Method};
use crate::{
    pb::{ClusterStatusRequest, ClusterStatusResponse, ResumeRequest, ResumeResponse},
    rehearse::{line::Trouble, plan::Login, record::Does},
};

const STATUS: Method = Method::new("/ClusterService/status", Does::Neutral);
const RESUME: Method = Method::new("/ClusterService/resume", Does::Neutral);

const PAUSE: Duration = Duration::from_secs(5);
/// Five minutes of asking.
const MOST_LOOKS: u32 = 60;

impl Client {
    /// Asks until the cluster is active, and once to resume it.
    pub(super) async fn wake_cluster(&mut self) -> Result<(), Trouble> {
        let (user, password) = match self.common.plan.login.clone() {
            Login::Password { user, password } => (user, password),
            Login::Token(_) => Default::default(),
        };
        let mut is_resumed = false;
        for _ in 0..MOST_LOOKS {
            let request = ClusterStatusRequest { user: user.clone(), password: password.clone() };
            let answer: ClusterStatusResponse = self.call(STATUS, None, request).await?;
            match answer.status.as_str() {
                "active" => return Ok(()),
                "failed" => break,
                "suspended" if !is_resumed => {
                    is_resumed = true;
                    let request = ResumeRequest { user: user.clone(), password: password.clone() };
                    let _: ResumeResponse = self.call(RESUME, None, request).await?;
                }
                _ => sleep(PAUSE).await,
            }
        }
        Err(Trouble::of(
            STATUS.name(),
            &Status::unavailable("status: 503, the cluster does not become active"),
        ))
    }
}
