//! Certificates and keys in PEM files.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Error, InconsistentKeys, RootCertStore,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject},
    },
    sign::{CertifiedKey, SingleCertAndKey},
};

use super::provider;

/// A certificate chain and its private key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// A PEM file.
    pub certificate: PathBuf,
    /// A PEM file; may be the same.
    pub key: PathBuf,
}

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A certificate chain to present.
    Certificate,
    /// The private key.
    Key,
    /// The certificate authorities that the peer is verified against.
    Authority,
}

/// A file is invalid.
#[derive(Debug, thiserror::Error)]
#[error("{}: {expected}", file.display())]
pub struct BadFile {
    /// The purpose of the file.
    pub part: Part,
    /// The file.
    pub file: PathBuf,
    /// The expected content, and the actual one.
    pub expected: String,
}

impl Credentials {
    pub(super) fn load(&self) -> Result<Arc<SingleCertAndKey>, BadFile> {
        let Self { certificate, key } = self;
        let chain = certificates(Part::Certificate, certificate)?;
        let bad_key = |expected: &str| BadFile::new(Part::Key, key, expected.to_owned());
        let der = PrivateKeyDer::from_pem_slice(&read(Part::Key, key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => bad_key("expected a private key in PEM without a passphrase"),
            error => bad_key(&format!("expected PEM ({error})")),
        })?;
        let signing = provider().key_provider.load_private_key(der);
        let signing = signing.map_err(|_| bad_key("expected an RSA, ECDSA or Ed25519 key"))?;
        let pair = CertifiedKey::new(chain, signing);
        match pair.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(Arc::new(pair.into())),
            Err(Error::InconsistentKeys(_)) => {
                Err(bad_key(&format!("expected the key of the certificate in {}", certificate.display())))
            }
            Err(error) => Err(BadFile::new(Part::Certificate, certificate, not_a_certificate(&error))),
        }
    }
}

/// Reads the certificate authorities in a file.
pub(super) fn authorities(file: &Path) -> Result<RootCertStore, BadFile> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(Part::Authority, file)? {
        let added = roots.add(certificate);
        added.map_err(|error| BadFile::new(Part::Authority, file, not_a_certificate(&error)))?;
    }
    Ok(roots)
}

fn certificates(part: Part, file: &Path) -> Result<Vec<CertificateDer<'static>>, BadFile> {
    let pem = read(part, file)?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| BadFile::new(part, file, format!("expected PEM ({error})")))?;
    if found.is_empty() {
        return Err(BadFile::new(part, file, "expected a certificate in PEM".to_owned()));
    }
    Ok(found)
}

fn read(part: Part, file: &Path) -> Result<Vec<u8>, BadFile> {
    fs::read(file)
        .map_err(|error: io::Error| BadFile::new(part, file, format!("expected a readable file ({error})")))
}

fn not_a_certificate(error: &Error) -> String {
    format!("expected a certificate ({error})")
}

impl BadFile {
    pub(super) fn new(part: Part, file: &Path, expected: String) -> Self {
        Self { part, file: file.to_owned(), expected }
    }
}
