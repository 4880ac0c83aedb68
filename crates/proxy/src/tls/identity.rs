//! The listener's side.

use std::{io, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{ServerConfig, server::WebPkiClientVerifier};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::{BadFile, Credentials, H2, HTTP_1_1, Part, Stream, files, provider};

/// Where the listener's certificate and that of its clients' authority are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFiles {
    /// What clients are shown.
    pub credentials: Credentials,
    /// Clients have to show a certificate of one of these authorities, if there is such a file.
    pub client_authority: Option<PathBuf>,
}

/// How the listener proves itself, and what it asks of clients. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Identity {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    asks_for_certificates: bool,
    /// As a whole, so that no session that the old one vouched for is resumed under a new one.
    config: ArcSwap<ServerConfig>,
}

impl Identity {
    /// Reads the files.
    pub fn load(files: IdentityFiles) -> Result<Self, BadFile> {
        let config = ArcSwap::from(config(&files)?);
        let asks_for_certificates = files.client_authority.is_some();
        Ok(Self { shared: Arc::new(Shared { asks_for_certificates, config }) })
    }

    /// Does as the other one for connections accepted from now on.
    pub fn replace(&self, by: &Self) {
        self.shared.config.store(by.shared.config.load_full());
    }

    /// Whether clients had to show a certificate when it was loaded.
    pub fn asks_for_certificates(&self) -> bool {
        self.shared.asks_for_certificates
    }

    /// The handshake with a client. What was agreed on is spoken on the [stream](Stream::protocol).
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
    // A client that names none speaks HTTP/2 all the same.
    config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
    Ok(Arc::new(config))
}
