//! TLS of the listener.

use std::{io, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{ServerConfig, server::WebPkiClientVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{BadFile, Credentials, H2, HTTP_1_1, Part, Stream, files, provider};

/// The files for TLS of the listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// The certificate to present to clients.
    pub credentials: Credentials,
    /// If set, clients must present a certificate of one of these authorities.
    pub client_authority: Option<PathBuf>,
}

/// The TLS server configuration. Clones share their state.
#[derive(Clone, Debug)]
pub struct Identity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    asks_for_certificates: bool,
    /// Replaced as a whole, so that no session of the old configuration is resumed under a new one.
    config: ArcSwap<ServerConfig>,
}

impl Identity {
    /// Reads the files.
    pub fn load(files: IdentityFiles) -> Result<Self, BadFile> {
        let config = ArcSwap::from(config(&files)?);
        let asks_for_certificates = files.client_authority.is_some();
        Ok(Self { shared: Arc::new(Shared { asks_for_certificates, config }) })
    }

    /// Replaces the configuration for connections accepted from now on.
    pub fn replace(&self, by: &Self) {
        self.shared.config.store(by.shared.config.load_full());
    }

    /// Returns whether clients had to present a certificate when it was loaded.
    pub fn asks_for_certificates(&self) -> bool {
        self.shared.asks_for_certificates
    }

    /// Performs the TLS handshake with a client. ALPN decides the [protocol](Stream::protocol).
    pub(crate) async fn accept(&self, stream: TcpStream) -> io::Result<Stream> {
        let acceptor = TlsAcceptor::from(self.shared.config.load_full());
        Ok(Stream::from(tokio_rustls::TlsStream::from(acceptor.accept(stream).await?)))
    }
}

fn config(files: &IdentityFiles) -> Result<Arc<ServerConfig>, BadFile> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3");
    let builder = match &files.client_authority {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let roots = Arc::new(files::authorities(file)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
            let bad = |error| BadFile::new(Part::Authority, file, format!("expected authorities ({error})"));
            builder.with_client_cert_verifier(verifier.map_err(bad)?)
        }
    };
    let mut config = builder.with_cert_resolver(files.credentials.load()?);
    // A client without ALPN speaks HTTP/2.
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}
