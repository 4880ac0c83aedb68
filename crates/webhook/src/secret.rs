//! Signatures by Standard Webhooks: HMAC-SHA256 with a shared secret over id, time and body.

use std::{fmt, fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

/// The most secrets in a file.
const MOST: usize = 4;
/// The bytes of a secret, as Standard Webhooks asks.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The most bytes in a file; a longer file is a mistake.
const LONGEST: u64 = 4096;

/// The secrets that events are signed with, never printed. Beside the present one there may be the next one, so that a
/// receiver can change to it at any time.
#[derive(Clone)]
pub struct Secrets(Vec<hmac::Key>);

/// Why a file has no usable secret.
#[derive(Debug, thiserror::Error)]
pub enum BadSecret {
    /// The file cannot be read.
    #[error("expected a readable file ({0})")]
    Unreadable(#[from] io::Error),
    /// The content is not a secret.
    #[error("expected 1 to {MOST} lines such as whsec_ and 24 to 64 bytes in base64; {0}")]
    Malformed(String),
}

impl Secrets {
    /// Reads the secrets from a file, one in each line.
    pub fn read(file: &Path) -> Result<Self, BadSecret> {
        let malformed = |found: &str| Err(BadSecret::Malformed(found.to_owned()));
        if fs::metadata(file)?.len() > LONGEST {
            return malformed("it is longer than 4096 bytes");
        }
        let bytes = fs::read(file)?;
        let Ok(text) = str::from_utf8(&bytes) else { return malformed("it is not text") };
        let lines = text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
        let keys = lines.map(|(at, line)| key(line).map_err(|found| (at + 1, found)));
        match keys.collect::<Result<Vec<_>, _>>() {
            Err((line, found)) => malformed(&format!("line {line} {found}")),
            Ok(keys) if keys.is_empty() => malformed("it is empty"),
            Ok(keys) if keys.len() > MOST => malformed(&format!("it has {}", keys.len())),
            Ok(keys) => Ok(Self(keys)),
        }
    }

    /// The value of `webhook-signature`: a signature by each secret.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let head = format!("{id}.{timestamp}.");
        let sign = |key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }
}

/// The key in a line, or what the line has instead.
fn key(line: &str) -> Result<hmac::Key, String> {
    let encoded = line.strip_prefix("whsec_").ok_or("does not begin with whsec_")?;
    let bytes = STANDARD.decode(encoded).map_err(|_| "is not base64 after whsec_")?;
    match BYTES.contains(&bytes.len()) {
        true => Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes)),
        false => Err(format!("has {} bytes", bytes.len())),
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// From the documents and libraries of Standard Webhooks.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn read(content: impl AsRef<[u8]>) -> Result<Secrets, String> {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, content).unwrap();
        Secrets::read(&file).map_err(|bad| bad.to_string())
    }

    #[test]
    fn the_published_example_is_signed_alike() {
        let sign = |content: &str| {
            let body = br#"{"test": 2432232314}"#;
            read(content).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body)
        };
        assert_eq!(sign(SECRET), SIGNATURE);
        assert_eq!(sign(&format!("\n {SECRET} \r\n\n")), SIGNATURE);
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let both = sign(&format!("{SECRET}\n{other}\n"));
        assert_eq!(both, format!("{SIGNATURE} {}", sign(&other)));
    }

    #[test]
    fn bad_secrets_are_refused_without_their_text() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for (content, found) in [
            (String::new(), "it is empty"),
            ("\n \n".to_owned(), "it is empty"),
            ("S3CR3T".to_owned(), "line 1 does not begin with whsec_"),
            ("whsec_S3CR3T!".to_owned(), "line 1 is not base64"),
            (format!("{SECRET}\nS3CR3T"), "line 2 does not begin"),
            (short, "line 1 has 23 bytes"),
            (long, "line 1 has 65 bytes"),
            (format!("{SECRET}\n").repeat(5), "it has 5"),
            ("x".repeat(5_000), "it is longer"),
        ] {
            let why = read(&content).unwrap_err();
            assert!(why.starts_with("expected 1 to 4 lines such as whsec_") && why.contains(found), "{why}");
            assert!(!why.contains("S3CR3T"), "{why}");
        }
        assert!(read([0xff, 0xfe]).unwrap_err().contains("it is not text"));
        let missing = Secrets::read(Path::new("/nowhere/secret")).unwrap_err().to_string();
        assert!(missing.starts_with("expected a readable file (No such file"), "{missing}");
        assert_eq!(format!("{:?}", read(SECRET)), "Ok(Secrets(1))");
    }
}
