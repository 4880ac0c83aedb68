//! The API of the running teal that a command's flags name; of several instances, whichever answers.

use std::{cell::Cell, time::Duration};

use admin::{
    ErrorAnswer,
    client::{Client, ClientError, Reply, Stream},
};
use serde_json::Value;

use super::Failure;
use crate::{cli::Running, config};

/// A running teal, or one of several that share a switch.
#[derive(Debug)]
pub(super) struct Api {
    clients: Vec<Client>,
    /// The one that answered last.
    current: Cell<usize>,
    /// Whether to print error responses as JSON.
    json: bool,
}

impl Api {
    /// Creates a client from the flags.
    pub(super) fn new(server: &Running) -> Result<Self, Failure> {
        let token = server.admin_token_file.as_deref().map(config::token).transpose();
        let token = token.map_err(|bad| Failure::Usage(bad.to_string()))?;
        let clients = server.admin.iter().map(|address| Client::new(address.clone(), token.clone()));
        Ok(Self { clients: clients.collect(), current: Cell::new(0), json: server.json })
    }

    /// Each instance on its own, for what they do not share.
    pub(super) fn each(self) -> impl Iterator<Item = Self> {
        let json = self.json;
        self.clients.into_iter().map(move |client| Self {
            clients: vec![client],
            current: Cell::new(0),
            json,
        })
    }

    /// Where it is, if it is one.
    pub(super) fn address(&self) -> String {
        self.clients[self.current.get()].address().to_string()
    }

    pub(super) async fn get(&self, path: &str) -> Result<Reply, Failure> {
        self.ask(true, async |client| client.get(path).await).await
    }

    /// Reads the events of a path, from the one after `last` on.
    pub(super) async fn stream(&self, path: &str, last: &str) -> Result<Stream, Failure> {
        self.ask(true, async |client| client.stream(path, Some(last)).await).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Result<Reply, Failure> {
        self.ask(false, async |client| client.post(path, body.clone()).await).await
    }

    /// Sends what is answered after so long at the latest.
    pub(super) async fn post_within(
        &self,
        path: &str,
        body: Value,
        within: Duration,
    ) -> Result<Reply, Failure> {
        self.ask(false, async |client| client.post_within(path, body.clone(), within).await).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<Reply, Failure> {
        self.ask(false, async |client| client.delete(path).await).await
    }

    /// Asks one after the other until one answers, the one that answered last first. What is not `repeatable` is not sent
    /// again after one has got it.
    async fn ask<T>(
        &self,
        repeatable: bool,
        call: impl AsyncFn(&Client) -> Result<T, ClientError>,
    ) -> Result<T, Failure> {
        let mut failures = Vec::new();
        for step in 0..self.clients.len() {
            let at = (self.current.get() + step) % self.clients.len();
            match call(&self.clients[at]).await {
                Ok(reply) => {
                    self.current.set(at);
                    return Ok(reply);
                }
                Err(error) => {
                    let goes_on = asks_next(&error, repeatable);
                    failures.push(error);
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Err(self.failure(failures))
    }

    fn failure(&self, mut failures: Vec<ClientError>) -> Failure {
        // One that refused has at least answered.
        let refused = failures.iter().position(|error| matches!(error, ClientError::Refused { .. }));
        if let Some(refused) = refused
            && let ClientError::Refused { why, json } = failures.swap_remove(refused)
        {
            return Failure::Refused { why, json: self.json.then_some(json) };
        }
        let is_anywhere = failures.iter().all(|error| matches!(error, ClientError::Unreachable(..)));
        let failures: Vec<_> = failures.iter().map(ToString::to_string).collect();
        let hint = if is_anywhere { "; --admin says where one does" } else { "" };
        Failure::Unanswered(format!("{}{hint}", failures.join("; ")))
    }
}

/// Whether another instance may answer instead.
fn asks_next(error: &ClientError, repeatable: bool) -> bool {
    match error {
        ClientError::Unreachable(..) => true,
        ClientError::Unanswered(..) => repeatable,
        ClientError::Refused { json, .. } => {
            let answer = serde_json::from_str::<ErrorAnswer>(json);
            answer.is_ok_and(|answer| answer.error.code == "lost_etcd")
        }
        ClientError::Foreign(..) => false,
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused { why, .. } => Self::refused(why),
            error => Self::Unanswered(error.to_string()),
        }
    }
}
