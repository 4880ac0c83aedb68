//! Validates the settings of webhooks.

use std::path::Path;

use webhook::{MOST, Secrets, Settings, Source, Target, redacted, trust};

use super::{BadSetting, instances::host};
use crate::cli::{Serve, Webhooks, flags_of};

/// The receivers of events; none if there is no URL.
pub(super) fn webhooks(serve: &Serve) -> Result<Settings, BadSetting> {
    let Webhooks { webhook, webhook_kind, webhook_secret_file } = &serve.webhooks;
    let mut targets = Vec::new();
    for text in webhook {
        let bad = |shown, expected: &str| BadSetting {
            flag: "webhook",
            value: shown,
            expected: expected.to_owned(),
        };
        let target: Target = text
            .parse()
            .map_err(|bad_target: webhook::BadTarget| bad(bad_target.shown.clone(), bad_target.expected))?;
        if targets.contains(&target) {
            return Err(bad(redacted(text), "expected each URL once"));
        }
        targets.push(target);
    }
    if targets.len() > MOST {
        let (value, expected) = (targets.len().to_string(), format!("expected at most {MOST} URLs"));
        return Err(BadSetting { flag: "webhook", value, expected });
    }
    if targets.is_empty()
        && let Some(flag) = flags_of::<Webhooks>().into_iter().find(|flag| serve.given.contains(flag))
    {
        let value = serve.effective.get(flag).map(|given| given.text()).unwrap_or_default();
        return Err(BadSetting { flag, value, expected: "expected --webhook with it".to_owned() });
    }
    let first_tls = targets.iter().find(|target| target.is_tls());
    let tls = first_tls.map(|target| {
        trust().map_err(|expected| BadSetting { flag: "webhook", value: target.to_string(), expected })
    });
    let instances = &serve.instances;
    let shared = (!instances.etcd.is_empty()).then(|| instances.etcd_prefix.to_string());
    Ok(Settings {
        tls: tls.transpose()?,
        kinds: webhook_kind.clone(),
        secrets: webhook_secret_file.as_deref().map(secrets).transpose()?,
        source: Source { instance: instances.instance.clone().unwrap_or_else(host), switch: shared },
        targets,
    })
}

fn secrets(file: &Path) -> Result<Secrets, BadSetting> {
    Secrets::read(file).map_err(|error| BadSetting {
        flag: "webhook-secret-file",
        value: file.display().to_string(),
        expected: error.to_string(),
    })
}
