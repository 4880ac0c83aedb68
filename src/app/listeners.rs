//! The addresses that a server listens on.

use std::io;

use tokio::net::TcpListener;
use tracing::warn;

use crate::{
    cli::{Addresses, environment},
    config::{AdminConfig, Config},
};

/// The listeners of a server, bound.
#[derive(Debug)]
pub struct Listeners {
    pub(super) data: proxy::Listeners,
    pub(super) operators: Option<TcpListener>,
}

impl Listeners {
    /// Binds the addresses from the settings. If the default admin address is taken, teal runs without the admin API.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        let clients = bind("listen", &config.listen).await?;
        let preview = match &config.preview_listen {
            None => None,
            Some(at) => Some(bind("preview-listen", at).await?),
        };
        let operators = match &config.admin {
            None => None,
            Some(AdminConfig { at, is_given, .. }) => match bind("admin", at).await {
                Ok(listener) => Some(listener),
                Err(error) if *is_given => return Err(error),
                Err(error) => {
                    warn!("Going on without an admin API: {error}");
                    None
                }
            },
        };
        Ok(Self { data: proxy::Listeners { clients, preview }, operators })
    }
}

async fn bind(flag: &str, Addresses(at): &Addresses) -> io::Result<TcpListener> {
    TcpListener::bind(at.as_slice()).await.map_err(|error| {
        let tried = at.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let names = format!("--{flag} (or {})", environment(flag));
        io::Error::new(error.kind(), format!("{names}: '{tried}': expected a free address ({error})"))
    })
}
