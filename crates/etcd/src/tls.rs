//! TLS to members: PEM files, read once.

use std::path::{Path, PathBuf};

use rustls::RootCertStore;
use teal_pem::Pem;
use tonic::transport::{Certificate, ClientTlsConfig, Identity};

use crate::{BadSetting, Setting};

/// The files of TLS. Without an authority the system's are trusted.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The certificates of authorities by which members are judged, as PEM.
    pub authority: Option<PathBuf>,
    /// The client's certificate, as PEM; only with its key.
    pub certificate: Option<PathBuf>,
    /// The certificate's key, as PEM without a passphrase.
    pub key: Option<PathBuf>,
}

impl Tls {
    /// The configuration for `https` members; `None` if there are none, and then no file may be named.
    pub(crate) fn load(&self, has_tls: bool) -> Result<Option<ClientTlsConfig>, BadSetting> {
        if !has_tls {
            let files = [
                (Setting::Authority, &self.authority),
                (Setting::Certificate, &self.certificate),
                (Setting::Key, &self.key),
            ];
            return match files.into_iter().find_map(|(setting, file)| Some((setting, file.as_ref()?))) {
                Some((setting, file)) => {
                    Err(BadSetting::new(setting, file.display(), "expected a member with https beside it"))
                }
                None => Ok(None),
            };
        }
        let trusting = match &self.authority {
            Some(file) => {
                let pem = certificates(Setting::Authority, file)?;
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
            }
            None => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                ClientTlsConfig::new().trust_anchors(roots.roots)
            }
        };
        match (&self.certificate, &self.key) {
            (None, None) => Ok(Some(trusting)),
            (Some(certificate), Some(key)) => {
                let chain = certificates(Setting::Certificate, certificate)?;
                let bad = |expected| BadSetting::new(Setting::Key, key.display(), expected);
                let pem = Pem::read(key).map_err(bad)?;
                pem.key().map_err(bad)?;
                let pem = pem.into_bytes();
                Ok(Some(trusting.identity(Identity::from_pem(chain, pem))))
            }
            (Some(file), None) => {
                Err(BadSetting::new(Setting::Certificate, file.display(), "expected its key beside it"))
            }
            (None, Some(file)) => {
                Err(BadSetting::new(Setting::Key, file.display(), "expected its certificate beside it"))
            }
        }
    }
}

fn certificates(setting: Setting, file: &Path) -> Result<Vec<u8>, BadSetting> {
    let bad = |expected| BadSetting::new(setting, file.display(), expected);
    let pem = Pem::read(file).map_err(bad)?;
    pem.certificates().map_err(bad)?;
    Ok(pem.into_bytes())
}
