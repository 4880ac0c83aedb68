//! Certificates and private keys in PEM files. Errors say what was expected and what was found; the caller knows which
//! setting named the file.
//!
//! ```
//! use std::path::Path;
//!
//! use teal_pem::Pem;
//!
//! let pem = Pem::read(Path::new("Cargo.toml"))?;
//! let why = pem.certificates().expect_err("there is none");
//! assert!(why.contains("expected"), "{why}");
//! # Ok::<_, String>(())
//! ```

use std::{fs, path::Path};

use rustls_pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject},
};

/// The content of a file. Not printed, because it may be a key.
pub struct Pem(Vec<u8>);

impl Pem {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, String> {
        fs::read(file).map(Self).map_err(|error| format!("expected a readable file ({error})"))
    }

    /// The certificates in it, at least one.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.0).collect();
        match found {
            Ok(found) if found.is_empty() => Err("expected a certificate in PEM".to_owned()),
            Ok(found) => Ok(found),
            Err(error) => Err(not_pem(&error)),
        }
    }

    /// The first private key in it.
    pub fn key(&self) -> Result<PrivateKeyDer<'static>, String> {
        PrivateKeyDer::from_pem_slice(&self.0).map_err(|error| match error {
            pem::Error::NoItemsFound => "expected a private key in PEM without a passphrase".to_owned(),
            error => not_pem(&error),
        })
    }

    /// The bytes of the file.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pem").finish_non_exhaustive()
    }
}

fn not_pem(error: &pem::Error) -> String {
    format!("expected PEM ({error})")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::Pem;

    fn pem(text: &str) -> Pem {
        let folder = TempDir::new().expect("there is room for files");
        let file = folder.path().join("file.pem");
        fs::write(&file, text).expect("files can be written");
        Pem::read(&file).expect("it is there")
    }

    #[test]
    fn certificates_and_key_are_found() {
        let pair = rcgen::generate_simple_self_signed(["a".to_owned()]).expect("it can be signed");
        let (certificate, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        let both = pem(&format!("{key}{certificate}{certificate}"));
        assert_eq!(both.certificates().map(|found| found.len()), Ok(2));
        assert!(both.key().is_ok());
        assert!(!format!("{both:?}").contains("KEY"));
    }

    #[test]
    fn missing_content_is_named() {
        let empty = pem("nothing");
        assert_eq!(empty.certificates(), Err("expected a certificate in PEM".to_owned()));
        let expected = "expected a private key in PEM without a passphrase";
        assert_eq!(empty.key().err().as_deref(), Some(expected));
        let broken = "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n";
        let error = pem(broken).certificates().expect_err("it is broken");
        assert!(error.starts_with("expected PEM ("), "{error}");
        let error = Pem::read("/no/such/file".as_ref()).expect_err("it is not there");
        assert!(error.starts_with("expected a readable file ("), "{error}");
    }
}
