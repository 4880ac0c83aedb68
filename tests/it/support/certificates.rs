//! Certificates that are made for a test, in files that are gone after it.

use std::{fs, path::PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;

/// Somebody who issues certificates.
pub(crate) struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// The files of a certificate and its key.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("there is room for files");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of the same name would be taken for one with a new key.
        let name = folder.path().to_string_lossy();
        params.distinguished_name.push(DnType::CommonName, format!("the authority of {name}"));
        let key = KeyPair::generate().expect("keys can be made");
        let certificate = params.self_signed(&key).expect("it signs itself");
        fs::write(folder.path().join("authority.pem"), certificate.pem()).expect("files can be written");
        Self { folder, issuer: Issuer::new(params, key) }
    }

    /// A file in its folder, whether it is there or not.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of its own certificate.
    pub(crate) fn file(&self) -> PathBuf {
        self.path("authority.pem")
    }

    /// A certificate for a host name or address.
    pub(crate) fn issue(&self, host: &str) -> Pair {
        self.sign(host, host, |_| {})
    }

    /// One whose time is over.
    pub(crate) fn issue_expired(&self, host: &str) -> Pair {
        self.sign(&format!("expired-{host}"), host, |params| params.not_after = date_time_ymd(2020, 1, 1))
    }

    fn sign(&self, name: &str, host: &str, change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let mut params = CertificateParams::new([host.to_owned()]).expect("it is a name");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params.signed_by(&key, &self.issuer).expect("the authority signs");
        let pair =
            Pair { certificate: self.path(&format!("{name}.pem")), key: self.path(&format!("{name}.key")) };
        fs::write(&pair.certificate, signed.pem()).expect("files can be written");
        fs::write(&pair.key, key.serialize_pem()).expect("files can be written");
        pair
    }
}
