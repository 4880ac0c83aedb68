//! TLS to engines.

use std::{io, path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{BadFile, Credentials, H2, Part, Stream, files, provider};

/// The files for TLS to engines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustFiles {
    /// The certificate authorities of engines, instead of the system's.
    pub authority: Option<PathBuf>,
    /// The client certificate, for engines that ask for one.
    pub credentials: Option<Credentials>,
}

/// The TLS client configuration for engines. Clones share their state.
#[derive(Clone, Debug)]
pub struct Trust {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The name that engines must prove, instead of the one in their URL.
    name: Option<ServerName<'static>>,
    config: ArcSwap<ClientConfig>,
}

impl Trust {
    /// Reads the files. Engines must prove `name`, or by default the host in their URL.
    pub fn load(files: TrustFiles, name: Option<ServerName<'static>>) -> Result<Self, BadFile> {
        let config = ArcSwap::from(config(&files)?);
        Ok(Self { shared: Arc::new(Shared { name, config }) })
    }

    /// Replaces the configuration for connections opened from now on, except for the name.
    pub fn replace(&self, by: &Self) {
        self.shared.config.store(by.shared.config.load_full());
    }

    /// Performs the TLS handshake with an engine of this name.
    pub(crate) async fn connect(&self, stream: TcpStream, name: &ServerName<'static>) -> io::Result<Stream> {
        let connector = TlsConnector::from(self.shared.config.load_full());
        let name = self.shared.name.as_ref().unwrap_or(name).clone();
        Ok(Stream::from(tokio_rustls::TlsStream::from(connector.connect(name, stream).await?)))
    }
}

fn config(files: &TrustFiles) -> Result<Arc<ClientConfig>, BadFile> {
    let roots = match &files.authority {
        Some(file) => files::authorities(file)?,
        None => system_authorities().map_err(|why| BadFile {
            part: Part::Authority,
            file: PathBuf::new(),
            expected: format!("expected a file, because {why}"),
        })?,
    };
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
        .with_root_certificates(roots);
    let mut config = match &files.credentials {
        None => builder.with_no_client_auth(),
        Some(credentials) => builder.with_client_cert_resolver(credentials.load()?),
    };
    config.alpn_protocols = vec![H2.to_vec()];
    Ok(Arc::new(config))
}

/// Loads the certificate authorities that the system trusts. Fails with the reason if there are none.
pub fn system_authorities() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or_else(String::new, |error| format!(" ({error})"));
        return Err(format!("the system has no certificate authorities{why}"));
    }
    Ok(roots)
}
