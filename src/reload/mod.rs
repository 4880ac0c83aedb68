//! Applies changed settings at run time: all of them, or none.

mod compare;

use std::{io, sync::Arc};

use admin::{ReloadControl, Reloaded};
use parking_lot::{Mutex, MutexGuard};
use proxy::tls::{Identity, Trust};
use switch::{EventLog, NewEvent, Rules, Switch};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};
use webhook::Webhooks;

use crate::{
    cli::{self, Effective, EngineTls, ListenerTls, SwitchRules, flags_of},
    config::{Backend, Config},
    log, systemd,
};

/// The parts that a reload changes.
#[derive(Debug)]
pub struct Parts {
    /// The switch; `None` without a gate.
    pub switch: Option<Switch>,
    /// The TLS identity of the listener; `None` without TLS.
    pub identity: Option<Identity>,
    /// The TLS configuration for engines; `None` if none has an `https` URL.
    pub trust: Option<Trust>,
    /// The log for events about reloads.
    pub event_log: EventLog,
    /// The receivers of events.
    pub webhooks: Webhooks,
}

/// Reloads the settings. Clones share their state.
#[derive(Clone, Debug)]
pub struct Reload {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    parts: Parts,
    /// The current settings. Locked during a reload.
    effective: Mutex<Effective>,
}

impl Reload {
    /// Creates it for a server with these settings.
    pub fn new(effective: Effective, parts: Parts) -> Self {
        Self { shared: Arc::new(Shared { parts, effective: Mutex::new(effective) }) }
    }

    /// Reloads at each SIGHUP, until the handle is dropped.
    pub fn at_hangups(&self) -> io::Result<AbortOnDropHandle<()>> {
        let mut hangup = signal(SignalKind::hangup())?;
        let reload = self.clone();
        Ok(AbortOnDropHandle::new(tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                let reload = reload.clone();
                // The result is logged.
                _ = tokio::task::spawn_blocking(move || reload.reload()).await;
            }
        })))
    }

    fn effective(&self) -> MutexGuard<'_, Effective> {
        self.shared.effective.lock()
    }
}

impl ReloadControl for Reload {
    fn reload(&self) -> Result<Reloaded, String> {
        let mut effective = self.effective();
        systemd::reloading();
        let reloaded = self.shared.parts.reload(&mut effective);
        systemd::reloaded(reloaded.as_ref().map(|reloaded| &*reloaded.done).map_err(|why| &**why));
        reloaded
    }
}

impl Parts {
    /// Reads the settings again, and applies them if all are valid.
    fn reload(&self, effective: &mut Effective) -> Result<Reloaded, String> {
        let read = effective.again().and_then(Config::read);
        let epoch = self.switch.as_ref().map_or(0, |switch| switch.snapshot().epoch);
        let note = |kind, message, details| {
            self.event_log.note(NewEvent { kind, epoch, message, details, ..NewEvent::default() })
        };
        let config = read.inspect_err(|why| {
            warn!("Settings not reloaded, nothing has changed: {why}");
            note("reload_refused", why.clone(), Default::default());
        })?;
        let mut reloaded = self.compare(effective, &config);
        info!("Settings reloaded: {}", reloaded.done);
        reloaded.event = note("reloaded", reloaded.done.clone(), compare::details(&reloaded));
        self.take_over(&config);
        if let Some(level) = reloaded.taken_over.iter().find(|change| change.name == "log-level") {
            // Log it again, because the previous level may have hidden it.
            info!("The log level is {}", level.to);
        }
        Ok(reloaded)
    }

    /// Compares the settings. Updates `before` to the settings that teal then runs with.
    fn compare(&self, before: &mut Effective, config: &Config) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let read = [
            (flags_of::<ListenerTls>(), self.identity(config).is_some()),
            (flags_of::<EngineTls>(), self.trust(config).is_some()),
        ];
        let rules = (flags_of::<SwitchRules>(), self.rules(config).is_some());
        let webhooks = flags_of::<cli::Webhooks>();
        for setting in config.effective.iter() {
            let name = setting.name;
            let is_of = |(flags, is_there): &(Vec<&str>, bool)| *is_there && flags.contains(&name);
            let (is_read, is_switching) = (read.iter().any(is_of), is_of(&rules));
            let is_webhook = webhooks.contains(&name);
            if (is_read || name == "webhook-secret-file") && !setting.values.is_empty() {
                reloaded.read_again.push(name.to_owned());
            }
            match before.get(name).filter(|before| before.values != setting.values) {
                None => reloaded.unchanged.push(name.to_owned()),
                Some(before) => {
                    let changes = match is_read || is_switching || is_webhook || name == "log-level" {
                        true => &mut reloaded.taken_over,
                        false => &mut reloaded.needs_restart,
                    };
                    changes.push(compare::change(before, setting));
                }
            }
        }
        for admin::Change { name, .. } in &reloaded.taken_over {
            if let Some(setting) = config.effective.get(name) {
                before.adopt(setting);
            }
        }
        reloaded.done = compare::sentence(&reloaded);
        reloaded
    }

    /// Applies the settings. Cannot fail.
    fn take_over(&self, config: &Config) {
        if let Some((switch, rules)) = self.rules(config) {
            switch.set_rules(rules);
        }
        if let Some((identity, by)) = self.identity(config) {
            identity.replace(by);
        }
        if let Some((trust, by)) = self.trust(config) {
            trust.replace(by);
        }
        if let Err(error) = self.webhooks.set(config.webhooks.clone()) {
            warn!("Webhooks get no events, because their thread does not start: {error}");
        }
        log::set_level(config.log_level);
    }

    /// The switch and its new rules.
    fn rules(&self, config: &Config) -> Option<(&Switch, Rules)> {
        let (switch, gate) = (self.switch.as_ref()?, config.gate.as_ref()?);
        let Rules { initial, query_ttl, max_queries, .. } = switch.rules();
        Some((switch, Rules { initial, query_ttl, max_queries, ..gate.rules.clone() }))
    }

    fn identity<'a>(&'a self, config: &'a Config) -> Option<(&'a Identity, &'a Identity)> {
        self.identity.as_ref().zip(config.tls.as_ref())
    }

    fn trust<'a>(&'a self, config: &'a Config) -> Option<(&'a Trust, &'a Trust)> {
        match &config.backend {
            Backend::Upstream(engines) => self.trust.as_ref().zip(engines.trust.as_ref()),
            Backend::Replay(_) => None,
            #[cfg(feature = "mock")]
            Backend::Mock(_) => None,
        }
    }
}
