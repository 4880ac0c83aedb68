//! Validates the flags of `teal rehearse`.

use std::{
    fs,
    io::{self, IsTerminal as _},
    path::{Path, PathBuf},
    time::Duration,
};

use admin::Token;
use proxy::{
    tls::{BadFile, Credentials, Part, Trust, TrustFiles, system_authorities},
    upstream::Target,
};
use rehearse::{Hold, Login, Pace, Plan, Queries};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

use crate::cli::Rehearse;

/// The ping interval of the connectors, which also ping without calls in progress.
const PING: Duration = Duration::from_secs(30);
const CONNECT: Duration = Duration::from_secs(10);

/// An invalid setting.
#[derive(Debug, thiserror::Error)]
#[error("--{flag}: '{value}': {expected}")]
pub(super) struct BadPlan {
    flag: &'static str,
    value: String,
    expected: String,
}

/// Builds the plan.
pub(super) fn plan(flags: Rehearse) -> Result<Plan, BadPlan> {
    let small = |flag, number: usize| {
        let count = u32::try_from(number).ok().filter(|count| *count <= 100_000);
        count.ok_or_else(|| bad(flag, &number, "expected at most 100000"))
    };
    let queries = match &flags.queries {
        None => Queries::MadeUp,
        Some(file) => Queries::read(file).map_err(|why| bad("queries", &file.display(), &why.to_string()))?,
    };
    let login = match (&flags.token_file, &flags.password_file) {
        (Some(file), _) => Login::Token(token("token-file", file)?),
        (None, Some(file)) => {
            Login::Password { user: flags.user.clone(), password: secret("password-file", file)? }
        }
        (None, None) => Login::Password { user: flags.user.clone(), password: "rehearse".to_owned() },
    };
    for (flag, file) in [("json", &flags.json), ("html", &flags.html)] {
        let Some(file) = file else { continue };
        let opened = fs::File::options().create(true).append(true).open(file);
        opened.map_err(|error| {
            bad(flag, &file.display(), &format!("expected a file that can be written ({error})"))
        })?;
    }
    Ok(Plan {
        server: server(&flags)?,
        clients: small("clients", flags.clients)?,
        threads: small("threads", flags.threads)?,
        behaviours: flags.behaviour,
        duration: flags.duration,
        queries,
        pace: flags.rate.map_or(Pace::Think(flags.think), Pace::Rate),
        hold: flags.hold.map(|time| if time.is_zero() { Hold::AcrossSwitch } else { Hold::For(time) }),
        login,
        catalog: flags.catalog,
        schema: flags.schema,
        admin: flags.admin,
        admin_token: match &flags.admin_token_file {
            Some(file) => Some(
                Token::read(file)
                    .map_err(|why| bad("admin-token-file", &file.display(), &why.to_string()))?,
            ),
            None => None,
        },
        switch_every: flags.switch_every,
        chaos: flags.chaos,
        seed: flags.seed,
        json: flags.json,
        html: flags.html,
        has_bar: flags.log_level.is_none() && io::stderr().is_terminal(),
        to: flags.to,
    })
}
fn bad(flag: &'static str, value: &dyn std::fmt::Display, expected: &str) -> BadPlan {
    BadPlan { flag, value: value.to_string(), expected: expected.to_owned() }
}

/// Reads the first line of a file.
fn secret(flag: &'static str, file: &Path) -> Result<String, BadPlan> {
    let text = fs::read_to_string(file)
        .map_err(|error| bad(flag, &file.display(), &format!("expected a readable file ({error})")))?;
    let line = text.lines().next().unwrap_or_default().trim().to_owned();
    if line.is_empty() {
        Err(bad(flag, &file.display(), "expected text in its first line"))
    } else {
        Ok(line)
    }
}

/// Reads a secret for a header.
fn token(flag: &'static str, file: &Path) -> Result<String, BadPlan> {
    let token = secret(flag, file)?;
    match token.bytes().all(|byte| byte.is_ascii_graphic()) {
        true => Ok(token),
        false => Err(bad(
            flag,
            &file.display(),
            "expected printable ASCII characters without blanks in its first line",
        )),
    }
}

fn server(flags: &Rehearse) -> Result<Endpoint, BadPlan> {
    let to = flags.to.trim();
    let target = to.parse::<Target>().map_err(|expected| bad("to", &to, &expected.to_string()))?;
    let is_tls = target.is_tls();
    let endpoint = Endpoint::from_shared(target.to_string())
        .map_err(|error| bad("to", &to, &format!("expected a server ({error})")))?
        .connect_timeout(CONNECT)
        .tcp_nodelay(true)
        .http2_keep_alive_interval(PING)
        .keep_alive_while_idle(true);
    let endpoint = match is_tls {
        true => endpoint.tls_config(tls(flags)?),
        false => match plain(flags) {
            Some((flag, file)) => return Err(bad(flag, &file.display(), "expected --to with https")),
            None => Ok(endpoint),
        },
    };
    endpoint.map_err(|error| bad("to", &to, &format!("expected a TLS server ({error})")))
}

/// The first flag that makes sense with TLS only.
fn plain(flags: &Rehearse) -> Option<(&'static str, &Path)> {
    let files = [("tls-ca", &flags.tls_ca), ("tls-cert", &flags.tls_cert), ("tls-key", &flags.tls_key)];
    files.into_iter().find_map(|(flag, file)| Some((flag, file.as_deref()?)))
}

/// The authorities and the client certificate, of files that teal itself would take.
fn tls(flags: &Rehearse) -> Result<ClientTlsConfig, BadPlan> {
    let credentials = match (&flags.tls_cert, &flags.tls_key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => {
            Some(Credentials { certificate: certificate.clone(), key: key.clone() })
        }
        (Some(file), None) => return Err(bad("tls-cert", &file.display(), "expected --tls-key with it")),
        (None, Some(file)) => return Err(bad("tls-key", &file.display(), "expected --tls-cert with it")),
    };
    let files = TrustFiles { authority: flags.tls_ca.clone(), credentials };
    Trust::load(files, None).map_err(|BadFile { part, file, expected }| {
        let flag = match part {
            Part::Certificate => "tls-cert",
            Part::Key => "tls-key",
            Part::Authority => "tls-ca",
        };
        bad(flag, &file.display(), &expected)
    })?;
    let read = |flag, file: &PathBuf| {
        fs::read(file)
            .map_err(|error| bad(flag, &file.display(), &format!("expected a readable file ({error})")))
    };
    let tls = match &flags.tls_ca {
        Some(file) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read("tls-ca", file)?)),
        None => {
            let roots = system_authorities().map_err(|why| bad("to", &flags.to, &why))?;
            ClientTlsConfig::new().trust_anchors(roots.roots)
        }
    };
    Ok(match flags.tls_cert.as_ref().zip(flags.tls_key.as_ref()) {
        None => tls,
        Some((certificate, key)) => {
            tls.identity(Identity::from_pem(read("tls-cert", certificate)?, read("tls-key", key)?))
        }
    })
}
