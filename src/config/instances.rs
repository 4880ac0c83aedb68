//! Validates the settings of etcd, through which instances share the switch.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::Path,
    time::Duration,
};

use etcd::{Client, Setting, Settings, Tls, User};
use switch::etcd::{Prefix, Store};

use super::BadSetting;
use crate::cli::{Instances, Serve, flags_of};

/// The flags that make sense for an instance of its own only.
const ALONE: [(&str, &str); 2] = [
    ("state", "expected no --etcd with it: the state is kept in etcd"),
    ("scenario", "expected no --etcd with it: a scenario is for one instance"),
];
/// The most bytes in a password file; a longer file is a mistake.
const LONGEST_PASSWORD: u64 = 4096;

/// One of several instances.
#[derive(Debug)]
pub struct InstanceConfig {
    /// A client of etcd. It connects to nobody before it is used.
    pub client: Client,
    /// The prefix of the switch's keys.
    pub prefix: Prefix,
    /// The name of the instance for people.
    pub name: String,
    /// How long the other instances wait for this one.
    pub ttl: Duration,
}

impl InstanceConfig {
    /// The keys that the instances share.
    pub fn store(&self) -> Store {
        Store::new(self.client.clone(), self.prefix.clone())
    }
}

/// Reads the settings; `None` for an instance of its own.
pub(super) fn instances(serve: &Serve) -> Result<Option<InstanceConfig>, BadSetting> {
    let given = |flag: &&str| serve.given.contains(flag);
    let value = |flag| serve.effective.get(flag).map(|given| given.text()).unwrap_or_default();
    let bad =
        |flag, expected: &str| Err(BadSetting { flag, value: value(flag), expected: expected.to_owned() });
    if !given(&"etcd") {
        return match flags_of::<Instances>().into_iter().find(given) {
            None => Ok(None),
            Some(flag) => bad(flag, "expected --etcd with it"),
        };
    }
    if let Some((flag, expected)) = ALONE.into_iter().find(|(flag, _)| given(flag)) {
        return bad(flag, expected);
    }
    if serve.engines.upstream.is_none() && serve.engines.blue.is_none() {
        let expected = "expected --upstream, or --blue and --green, with it: the built-in engine belongs to one instance";
        return bad("etcd", expected);
    }
    let Instances { etcd, etcd_prefix, etcd_ca, etcd_cert, etcd_key, instance, instance_ttl, .. } =
        &serve.instances;
    let name = instance.clone().unwrap_or_else(host);
    let settings = Settings {
        // Instances start with different members.
        first: spread(&name),
        tls: Tls { authority: etcd_ca.clone(), certificate: etcd_cert.clone(), key: etcd_key.clone() },
        user: user(serve)?,
        ..Settings::new(etcd.iter().map(|member| member.trim()))
    };
    let client = Client::new(settings).map_err(|bad| {
        let flag = match bad.setting {
            Setting::Members => "etcd",
            Setting::Authority => "etcd-ca",
            Setting::Certificate => "etcd-cert",
            Setting::Key => "etcd-key",
        };
        BadSetting { flag, value: bad.value, expected: bad.expected }
    })?;
    Ok(Some(InstanceConfig { client, prefix: etcd_prefix.clone(), name, ttl: *instance_ttl }))
}

fn user(serve: &Serve) -> Result<Option<User>, BadSetting> {
    let Instances { etcd_user, etcd_password_file, .. } = &serve.instances;
    let bad = |flag, value: &str, expected: &str| {
        Err(BadSetting { flag, value: value.to_owned(), expected: expected.to_owned() })
    };
    match (etcd_user, etcd_password_file) {
        (None, None) => Ok(None),
        (Some(name), None) => bad("etcd-user", name, "expected --etcd-password-file with it"),
        (None, Some(file)) => {
            bad("etcd-password-file", &file.display().to_string(), "expected --etcd-user with it")
        }
        (Some(name), Some(_)) if name.is_empty() => bad("etcd-user", name, "expected the name of a user"),
        (Some(name), Some(file)) => match password(file) {
            Ok(password) => Ok(Some(User { name: name.clone(), password })),
            Err(expected) => bad("etcd-password-file", &file.display().to_string(), &expected),
        },
    }
}

/// The first line of a file, which is all that it has.
fn password(file: &Path) -> Result<String, String> {
    let unreadable = |error| format!("expected a readable file ({error})");
    let is_short = fs::metadata(file).map_err(unreadable)?.len() <= LONGEST_PASSWORD;
    let text = if is_short { fs::read_to_string(file).map_err(unreadable)? } else { String::new() };
    let password = text.trim_end_matches(['\n', '\r']);
    match password.is_empty() || password.contains(['\n', '\r']) {
        true => Err(format!("expected one line of 1 to {LONGEST_PASSWORD} bytes")),
        false => Ok(password.to_owned()),
    }
}

/// The name of this host.
pub(crate) fn host() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let name = kernel.or_else(|| env::var("HOSTNAME").ok()).unwrap_or_default();
    match name.trim() {
        "" => "teal".to_owned(),
        name => name.to_owned(),
    }
}

fn spread(name: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    usize::from(hasher.finish().to_le_bytes()[0])
}
