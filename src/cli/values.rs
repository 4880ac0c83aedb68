//! The types of flag values.

use std::{
    net::{SocketAddr, ToSocketAddrs},
    num::ParseIntError,
    str::FromStr,
    time::Duration,
};

use clap::ValueEnum;
use proxy::upstream::Target;
use rustls::pki_types::ServerName;
use switch::{
    KINDS,
    etcd::{MIN_TTL, Prefix},
};

/// The addresses that `host:port` resolves to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses(pub Vec<SocketAddr>);

/// The admin listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// No admin listener.
    Off,
    /// At these addresses.
    At(Addresses),
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident { $($(#[$choice_doc:meta])* $choice:ident),+ $(,)? })+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
        pub enum $name { $($(#[$choice_doc])* #[allow(missing_docs)] $choice),+ }
    )+};
}

choices! {
    /// A flag that is on or off.
    OnOff { On, Off }
    /// The format of log lines: text, or JSON objects.
    LogFormat { Text, Json }
    /// The log level, from few lines to many.
    LogLevel { Error, Warn, Info, Debug }
}

pub(super) fn listen(text: &str) -> Result<Addresses, String> {
    addresses(text, "expected an address and port such as 127.0.0.1:50051")
}

fn addresses(text: &str, expected: &str) -> Result<Addresses, String> {
    let bare = text.trim().strip_prefix("http://").map_or(text, |rest| rest.trim_end_matches('/'));
    let found = bare.to_socket_addrs().map_err(|error| format!("{expected} ({error})"))?;
    let found = Vec::from_iter(found);
    if found.is_empty() { Err(expected.to_owned()) } else { Ok(Addresses(found)) }
}

/// The default admin address.
pub(super) const ADMIN: &str = "127.0.0.1:50061";

pub(super) fn admin(text: &str) -> Result<Admin, String> {
    let expected = "expected off, or an address and port such as 127.0.0.1:50061";
    if text.eq_ignore_ascii_case("off") { Ok(Admin::Off) } else { addresses(text, expected).map(Admin::At) }
}

pub(super) fn collector(text: &str) -> Result<String, String> {
    let target = text.parse::<Target>().ok().filter(|target| !target.is_tls());
    target
        .map(|target| target.to_string())
        .ok_or_else(|| "expected the URL of a collector such as http://127.0.0.1:4317".to_owned())
}

pub(super) fn server_name(text: &str) -> Result<ServerName<'static>, String> {
    ServerName::try_from(text.trim().to_owned())
        .map_err(|_| "expected the name of a host such as engine.example".to_owned())
}

/// The longest duration. Longer ones are mistakes, and would overflow the clock.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = "expected a duration such as 120s, 2m or 1h";
    let duration = humantime::parse_duration(text.trim()).map_err(|error| format!("{expected} ({error})"))?;
    if duration > LONGEST { Err(format!("{expected} (at most 100 years)")) } else { Ok(duration) }
}

pub(super) fn some_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("expected a duration above 0 such as 1h".to_owned()),
        duration => Ok(duration),
    }
}

pub(super) fn prefix(text: &str) -> Result<Prefix, String> {
    Prefix::new(text).map_err(|error| error.to_string())
}

/// The most bytes in the name of an instance.
const LONGEST_NAME: usize = 100;

pub(super) fn instance(text: &str) -> Result<String, String> {
    let name = text.trim();
    match (1..=LONGEST_NAME).contains(&name.len()) && !name.chars().any(char::is_control) {
        true => Ok(name.to_owned()),
        false => Err(format!("expected a name of 1 to {LONGEST_NAME} bytes such as web-1")),
    }
}

pub(super) fn instance_ttl(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        short if short < MIN_TTL => Err("expected a duration of at least 3s such as 10s".to_owned()),
        ttl => Ok(ttl),
    }
}

/// Conditions on calls, by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallConditions(pub Vec<(String, String)>);

/// The conditions on calls that there are.
const CONDITIONS: [&str; 6] = ["method", "client", "strategy", "query", "status", "outcome"];

pub(super) fn conditions(text: &str) -> Result<CallConditions, String> {
    let expected = || format!("expected KEY=VALUE,… with the keys {}", CONDITIONS.join(", "));
    let mut conditions: Vec<(String, String)> = Vec::new();
    for condition in text.split(',') {
        let (key, value) =
            condition.split_once('=').ok_or_else(|| format!("{} (no = in '{condition}')", expected()))?;
        let key = key.trim().to_ascii_lowercase();
        if !CONDITIONS.contains(&&*key) {
            return Err(format!("{} (found '{key}')", expected()));
        }
        if conditions.iter().any(|(known, _)| *known == key) {
            return Err(format!("{} (found '{key}' twice)", expected()));
        }
        conditions.push((key, value.trim().to_owned()));
    }
    Ok(CallConditions(conditions))
}

pub(super) fn number<N: FromStr<Err = ParseIntError>>(text: &str) -> Result<N, String> {
    let expected = "expected a whole number of 0 or more such as 10";
    text.trim().parse().map_err(|error| format!("{expected} ({error})"))
}

pub(super) fn calls_memory(text: &str) -> Result<usize, String> {
    let expected = || "expected a size of at least 1MiB such as 32MiB".to_owned();
    size(text).filter(|size| *size >= 1 << 20).ok_or_else(expected)
}

/// The most bytes of a call's messages that are kept in each direction; 0 for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallsMessages(pub usize);

pub(super) fn calls_messages(text: &str) -> Result<CallsMessages, String> {
    let size = match text.trim().to_ascii_lowercase().as_str() {
        "off" => Some(0),
        "on" => Some(16 << 10),
        text => size(text).filter(|size| (1 << 10..=1 << 20).contains(size)),
    };
    size.map(CallsMessages)
        .ok_or_else(|| "expected on, off, or a size from 1KiB to 1MiB such as 16KiB".to_owned())
}

pub(super) fn event_kind(text: &str) -> Result<&'static str, String> {
    let kind = KINDS.into_iter().find(|kind| *kind == text.trim());
    kind.ok_or_else(|| format!("expected one of {}", KINDS.join(", ")))
}

pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = text.trim().parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "expected a whole number above 0".to_owned())
}

#[cfg(feature = "mock")]
pub(super) fn oauth_client(text: &str) -> Result<mock::OauthClient, String> {
    match text.split_once(':') {
        Some((id, secret)) if !id.is_empty() && !secret.is_empty() => {
            Ok(mock::OauthClient { id: id.to_owned(), secret: secret.to_owned() })
        }
        _ => Err("expected a client's id and secret such as app:secret".to_owned()),
    }
}

#[cfg(feature = "mock")]
pub(super) fn token_ttl(text: &str) -> Result<Duration, String> {
    let ttl = duration(text)?;
    if ttl < Duration::from_secs(1) {
        Err("expected a duration of at least 1s such as 1h".to_owned())
    } else {
        Ok(ttl)
    }
}

#[cfg(feature = "mock")]
pub(super) fn batch_rows(text: &str) -> Result<usize, String> {
    let rows = count(text).ok().filter(|rows| *rows <= 1_000_000);
    rows.ok_or_else(|| "expected a whole number from 1 to 1000000".to_owned())
}

#[cfg(feature = "mock")]
pub(super) fn memory(text: &str) -> Result<usize, String> {
    let expected = || "expected a size of at least 1MiB such as 512MiB or 1GiB".to_owned();
    size(text).filter(|size| *size >= 1 << 20).ok_or_else(expected)
}

pub(super) fn buffers(text: &str) -> Result<usize, String> {
    let expected = || "expected a size of at least 16MiB such as 256MiB or 1GiB".to_owned();
    size(text).filter(|size| *size >= 16 << 20).ok_or_else(expected)
}

pub(super) fn file_size(text: &str) -> Result<u64, String> {
    let expected = || "expected a size of at least 1MiB such as 64MiB or 1GiB".to_owned();
    size(text).filter(|size| *size >= 1 << 20).map(|size| size as u64).ok_or_else(expected)
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    let speed = text.trim().parse().ok().filter(|speed| *speed == 0.0 || (0.001..=1000.0).contains(speed));
    speed.ok_or_else(|| "expected 0, or a number from 0.001 to 1000 such as 1".to_owned())
}

/// Parses a number of bytes.
fn size(text: &str) -> Option<usize> {
    let size = text.trim().parse::<bytesize::ByteSize>().ok()?;
    usize::try_from(size.as_u64()).ok()
}
