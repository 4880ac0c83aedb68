//! Validates the settings of certificates and keys.

use std::path::{Path, PathBuf};

use proxy::{
    tls::{BadFile, Credentials, Identity, IdentityFiles, Part, Trust, TrustFiles},
    upstream::Target,
};

use super::BadSetting;
use crate::cli::{EngineTls, ListenerTls, Serve};

/// The flags of a certificate, its key and the peer's authorities.
struct Flags {
    certificate: &'static str,
    key: &'static str,
    authority: &'static str,
}

const LISTENER: Flags = Flags { certificate: "tls-cert", key: "tls-key", authority: "client-ca" };
const ENGINES: Flags = Flags { certificate: "upstream-cert", key: "upstream-key", authority: "upstream-ca" };

/// The TLS identity of the listener; `None` without TLS.
pub(super) fn identity(serve: &Serve) -> Result<Option<Identity>, BadSetting> {
    let ListenerTls { tls_cert, tls_key, client_ca } = &serve.listening.tls;
    let Some(credentials) = LISTENER.credentials(tls_cert.as_deref(), tls_key.as_deref())? else {
        return match client_ca {
            None => Ok(None),
            Some(file) => Err(bad(LISTENER.authority, file, "expected --tls-cert with it")),
        };
    };
    let files = IdentityFiles { credentials, client_authority: client_ca.clone() };
    Identity::load(files).map(Some).map_err(|file| LISTENER.blame(file))
}

/// The TLS configuration for engines; `None` if none has an `https` URL.
pub(super) fn trust(serve: &Serve, engines: &[&Target]) -> Result<Option<Trust>, BadSetting> {
    let EngineTls { upstream_ca, upstream_cert, upstream_key } = &serve.engines.tls;
    let upstream_name = &serve.engines.upstream_name;
    if !engines.iter().any(|engine| engine.is_tls()) {
        let files = [
            (ENGINES.authority, upstream_ca),
            (ENGINES.certificate, upstream_cert),
            (ENGINES.key, upstream_key),
        ];
        let name = upstream_name.as_ref().map(|name| PathBuf::from(&*name.to_str()));
        let mut given = files.into_iter().chain([("upstream-name", &name)]);
        return match given.find_map(|(flag, value)| Some((flag, value.as_deref()?))) {
            None => Ok(None),
            Some((flag, value)) => Err(bad(flag, value, "expected an engine with an https:// URL")),
        };
    }
    let credentials = ENGINES.credentials(upstream_cert.as_deref(), upstream_key.as_deref())?;
    let files = TrustFiles { authority: upstream_ca.clone(), credentials };
    Trust::load(files, upstream_name.clone()).map(Some).map_err(|file| ENGINES.blame(file))
}

impl Flags {
    fn credentials(
        &self,
        certificate: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Option<Credentials>, BadSetting> {
        let with = |flag| format!("expected --{flag} with it");
        match (certificate, key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => {
                Ok(Some(Credentials { certificate: certificate.to_owned(), key: key.to_owned() }))
            }
            (Some(certificate), None) => Err(bad(self.certificate, certificate, &with(self.key))),
            (None, Some(key)) => Err(bad(self.key, key, &with(self.certificate))),
        }
    }

    fn blame(&self, BadFile { part, file, expected }: BadFile) -> BadSetting {
        let flag = match part {
            Part::Certificate => self.certificate,
            Part::Key => self.key,
            Part::Authority => self.authority,
        };
        bad(flag, &file, &expected)
    }
}

fn bad(flag: &'static str, value: &Path, expected: &str) -> BadSetting {
    BadSetting { flag, value: value.display().to_string(), expected: expected.to_owned() }
}
