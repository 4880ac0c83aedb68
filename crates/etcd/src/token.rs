//! The token that shows etcd who asks: fetched with the first request, and anew when etcd no longer accepts it.

use bytes::Bytes;
use tokio::sync::Mutex;
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
};

use crate::{
    MAX_ANSWER, User,
    member::Transport,
    pb::{AuthenticateRequest, auth_client::AuthClient},
};

/// The metadata etcd reads the token from.
const TOKEN: &str = "token";

/// The user, and the token that all requests share.
#[derive(Debug)]
pub(crate) struct Tokens {
    user: Option<User>,
    held: Mutex<Option<Token>>,
}

/// A token, and how often one was fetched before it. Without a value: etcd asks for none.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    value: Option<MetadataValue<Ascii>>,
    serial: u64,
}

impl Tokens {
    pub(crate) fn new(user: Option<User>) -> Self {
        Self { user, held: Mutex::default() }
    }

    /// The name of the user.
    pub(crate) fn user(&self) -> Option<&str> {
        self.user.as_ref().map(|user| user.name.as_str())
    }

    /// The present token; another one than `refused`, fetched by one request for all who wait for it.
    pub(crate) async fn get(
        &self,
        transport: &Transport,
        refused: Option<&Token>,
    ) -> Result<Option<Token>, Status> {
        let Some(user) = &self.user else { return Ok(None) };
        let mut held = self.held.lock().await;
        if let Some(token) = &*held
            && refused.is_none_or(|refused| refused.serial != token.serial)
        {
            return Ok(Some(token.clone()));
        }
        let serial = held.as_ref().map_or(0, |token| token.serial + 1);
        *held = Some(Token { value: fetch(transport, user).await?, serial });
        Ok(held.clone())
    }
}

async fn fetch(transport: &Transport, user: &User) -> Result<Option<MetadataValue<Ascii>>, Status> {
    let User { name, password } = user.clone();
    let mut client = AuthClient::new(transport.clone()).max_decoding_message_size(MAX_ANSWER);
    match client.authenticate(AuthenticateRequest { name, password }).await {
        Ok(answer) => {
            let token = MetadataValue::try_from(Bytes::from(answer.into_inner().token));
            Ok(Some(token.map_err(|_| Status::internal("the token is no metadata"))?))
        }
        Err(status)
            if status.code() == Code::FailedPrecondition
                && status.message().contains("authentication is not enabled") =>
        {
            Ok(None)
        }
        Err(status) => Err(status),
    }
}

impl Token {
    pub(crate) fn add_to<T>(&self, request: &mut Request<T>) {
        if let Some(value) = &self.value {
            request.metadata_mut().insert(TOKEN, value.clone());
        }
    }
}
