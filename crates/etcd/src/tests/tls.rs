//! TLS with a real etcd that asks for certificates, and files that are of no use.

use std::{fs, path::PathBuf, time::Duration};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    date_time_ymd,
};
use tempfile::TempDir;
use tokio::{io::AsyncReadExt, net::TcpListener};

use super::{SOON, has_etcd, real::Real};
use crate::{Client, Error, Range, Setting, Settings, Tls};

/// A certificate authority, and the files of a certificate for this host.
struct Authority {
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let folder = TempDir::new().expect("there is room for files");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Two of the same name would be taken for one with a new key.
        let name = format!("the authority of {}", folder.path().display());
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("keys can be made");
        let own = params.self_signed(&key).expect("it signs itself");
        let issuer = Issuer::new(params, key);

        let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).expect("it is a name");
        params.not_before = date_time_ymd(2019, 1, 1);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().expect("keys can be made");
        let signed = params.signed_by(&key, &issuer).expect("the authority signs");
        let write = |name: &str, pem: String| {
            fs::write(folder.path().join(name), pem).expect("files can be written");
        };
        write("authority.pem", own.pem());
        write("host.pem", signed.pem());
        write("host.key", key.serialize_pem());
        Self { folder }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    fn etcd(&self) -> Real {
        Real::start(
            1,
            &[
                "--cert-file",
                &self.text("host.pem"),
                "--key-file",
                &self.text("host.key"),
                "--trusted-ca-file",
                &self.text("authority.pem"),
                "--client-cert-auth",
            ],
        )
    }

    /// The TLS settings of a client.
    fn tls(&self) -> Tls {
        Tls {
            authority: Some(self.file("authority.pem")),
            certificate: Some(self.file("host.pem")),
            key: Some(self.file("host.key")),
        }
    }
}

async fn read(settings: Settings, tls: Tls, within: Duration) -> Result<(), Error> {
    let client = Client::new(Settings { tls, ..settings }).expect("the files are good").within(within);
    client.range(&Range::new("a")).await.map(drop)
}

#[tokio::test]
async fn both_sides_check_certificates() {
    if !has_etcd() {
        return;
    }
    let (ours, others) = (Authority::new(), Authority::new());
    let etcd = ours.etcd();
    let soon = Duration::from_secs(2);
    read(etcd.settings(), ours.tls(), SOON).await.expect("each accepts the other");

    let wrong = Tls { authority: others.tls().authority, ..ours.tls() };
    let error = read(etcd.settings(), wrong, soon).await.expect_err("it is of another authority");
    assert!(matches!(&error, Error::Untrusted { why, .. } if why.contains("UnknownIssuer")), "{error:?}");

    let without = Tls { certificate: None, key: None, ..ours.tls() };
    let error = read(etcd.settings(), without, soon).await.expect_err("etcd wants a certificate");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error:?}");

    let strange = Tls { authority: ours.tls().authority, ..others.tls() };
    let error = read(etcd.settings(), strange, soon).await.expect_err("etcd does not know its authority");
    assert!(error.to_string().to_lowercase().contains("certificate"), "{error:?}");

    let plain = Settings::new([format!("http://{}", etcd.address(0))]);
    let error = read(plain, Tls::default(), soon).await.expect_err("it speaks TLS");
    assert!(matches!(error, Error::NotEtcd { .. } | Error::Broken { .. }), "{error:?}");
}

#[tokio::test]
async fn etcd_without_tls_is_named() {
    if !has_etcd() {
        return;
    }
    let etcd = Real::start(1, &[""; 0]);
    read(etcd.settings(), Tls::default(), SOON).await.expect("it is up");
    let tls = Settings::new([format!("https://{}", etcd.address(0))]);
    let error =
        read(tls, Authority::new().tls(), Duration::from_secs(1)).await.expect_err("it speaks no TLS");
    assert!(matches!(error, Error::Untrusted { .. }), "{error:?}");
}

/// Whether a reset or an end is seen is chance with a real server: here, each in turn.
#[tokio::test]
async fn handshake_that_breaks_off_is_named() {
    for resets in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let member = format!("https://{}", listener.local_addr().expect("its address"));
        let closing = tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                if resets {
                    connection.set_zero_linger().expect("it is open");
                } else {
                    let mut hello = vec![0; 1 << 14];
                    let _ = connection.read(&mut hello).await;
                }
            }
        });
        let settings = Settings::new([member]);
        let error = read(settings, Authority::new().tls(), Duration::from_secs(1))
            .await
            .expect_err("nobody is there");
        assert!(matches!(error, Error::Untrusted { .. }), "{resets}: {error:?}");
        closing.abort();
    }
}

#[test]
fn bad_files_are_named() {
    let authority = Authority::new();
    let bad = |members: &str, tls: Tls| {
        let error = Client::new(Settings { tls, ..Settings::new([members]) }).expect_err("it is bad");
        (error.setting, error.expected)
    };
    let https = "https://127.0.0.1:1";
    let not_there = Tls { authority: Some(authority.file("nowhere")), ..authority.tls() };
    let (setting, expected) = bad(https, not_there);
    assert_eq!(setting, Setting::Authority);
    assert!(expected.starts_with("expected a readable file"), "{expected}");

    let not_pem = Tls { authority: Some(authority.file("host.key")), ..authority.tls() };
    assert_eq!(bad(https, not_pem), (Setting::Authority, "expected a certificate in PEM".to_owned()));
    let no_key = Tls { key: Some(authority.file("host.pem")), ..authority.tls() };
    let expected = "expected a private key in PEM without a passphrase".to_owned();
    assert_eq!(bad(https, no_key), (Setting::Key, expected));
    let alone = Tls { key: None, ..authority.tls() };
    assert_eq!(bad(https, alone), (Setting::Certificate, "expected its key beside it".to_owned()));
    let alone = Tls { certificate: None, ..authority.tls() };
    assert_eq!(bad(https, alone), (Setting::Key, "expected its certificate beside it".to_owned()));
    let expected = "expected a member with https beside it".to_owned();
    assert_eq!(bad("http://127.0.0.1:1", authority.tls()), (Setting::Authority, expected));
    let other = Tls { key: Some(Authority::new().file("host.key")), ..authority.tls() };
    assert_eq!(bad(https, other).0, Setting::Key);
}
