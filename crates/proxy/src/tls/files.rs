//! Certificates and keys in PEM files.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    Error, InconsistentKeys, RootCertStore,
    pki_types::CertificateDer,
    sign::{CertifiedKey, SingleCertAndKey},
};
use teal_pem::Pem;

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
        let der = read(Part::Key, key)?.key().map_err(|expected| bad_key(&expected))?;
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
    read(part, file)?.certificates().map_err(|expected| BadFile::new(part, file, expected))
}

fn read(part: Part, file: &Path) -> Result<Pem, BadFile> {
    Pem::read(file).map_err(|expected| BadFile::new(part, file, expected))
}

fn not_a_certificate(error: &Error) -> String {
    format!("expected a certificate ({error})")
}

impl BadFile {
    pub(super) fn new(part: Part, file: &Path, expected: String) -> Self {
        Self { part, file: file.to_owned(), expected }
    }
}
