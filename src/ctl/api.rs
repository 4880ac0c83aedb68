//! The API of the running teal that a command's flags name.

use admin::client::{Client, ClientError, Reply};
use serde_json::Value;

use super::Failure;
use crate::{cli::Running, config};

/// A running teal.
#[derive(Debug)]
pub(super) struct Api {
    client: Client,
    /// Whether to print error responses as JSON.
    json: bool,
}

impl Api {
    /// Creates a client from the flags.
    pub(super) fn new(server: &Running) -> Result<Self, Failure> {
        let token = server.admin_token_file.as_deref().map(config::token).transpose();
        let token = token.map_err(|bad| Failure::Usage(bad.to_string()))?;
        Ok(Self { client: Client::new(server.admin.clone(), token), json: server.json })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.client.get(path).await.map_err(|error| self.failure(error))
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Reply, Failure> {
        self.client.post(path, body).await.map_err(|error| self.failure(error))
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.client.delete(path).await.map_err(|error| self.failure(error))
    }

    fn failure(&self, error: ClientError) -> Failure {
        match error {
            ClientError::Refused { why, json } => Failure::Refused { why, json: self.json.then_some(json) },
            other => other.into(),
        }
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { why, .. } => Self::refused(why),
            error @ ClientError::Unreachable(..) => {
                Self::Unanswered(format!("{error}; --admin says where one does"))
            }
            error => Self::Unanswered(error.to_string()),
        }
    }
}
