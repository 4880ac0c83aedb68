//! Takes over, while teal runs, what its settings say now: whole, or not at all.

mod compare;

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use admin::{ReloadControl, Reloaded};
use proxy::tls::{Identity, Trust};
use switch::{Journal, Note, Rules, Switch};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use crate::{
    cli::Effective,
    config::{Backend, Config},
    log,
};

/// What is taken over by the switch.
const SWITCHING: [&str; 8] = [
    "switch-every",
    "cutover",
    "notice",
    "announce-timeout",
    "unhealthy-abort",
    "failover",
    "grace",
    "drain-timeout",
];
/// What is taken over for connections of clients that come from then on.
const LISTENER: [&str; 3] = ["tls-cert", "tls-key", "client-ca"];
/// What is taken over for connections to engines that are opened from then on.
const ENGINES: [&str; 3] = ["upstream-ca", "upstream-cert", "upstream-key"];

/// What changes in flight.
#[derive(Debug)]
pub struct Parts {
    /// The switch, unless there is none.
    pub switch: Option<Switch>,
    /// How the listener proves itself, if clients speak TLS.
    pub identity: Option<Identity>,
    /// By what engines are judged, if some are reached by TLS.
    pub trust: Option<Trust>,
    /// Where it is noted.
    pub journal: Journal,
}

/// Reads the settings again. A clone is the same one.
#[derive(Clone, Debug)]
pub struct Reload {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    parts: Parts,
    /// What teal runs by. Held while that changes.
    effective: Mutex<Effective>,
}

impl Reload {
    /// For what runs by these settings.
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
                // What came of it is in the log.
                _ = tokio::task::spawn_blocking(move || reload.reload()).await;
            }
        })))
    }

    fn effective(&self) -> MutexGuard<'_, Effective> {
        self.shared.effective.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReloadControl for Reload {
    fn reload(&self) -> Result<Reloaded, String> {
        let Shared { parts, .. } = &*self.shared;
        let mut effective = self.effective();
        let read = effective.again().and_then(Config::read);
        let epoch = parts.switch.as_ref().map_or(0, |switch| switch.snapshot().epoch);
        let note = |kind, message, details| {
            parts.journal.note(Note { kind, epoch, message, details, ..Note::default() })
        };
        let config = read.inspect_err(|why| {
            warn!("Settings not reloaded, nothing has changed: {why}");
            note("reload_refused", why.clone(), Default::default());
        })?;
        let mut reloaded = parts.compare(&mut effective, &config);
        info!("Settings reloaded: {}", reloaded.done);
        reloaded.event = note("reloaded", reloaded.done.clone(), compare::details(&reloaded));
        parts.take_over(&config);
        if let Some(level) = reloaded.taken_over.iter().find(|change| change.name == "log-level") {
            // Once more for those who have not seen it at the level before.
            info!("The log level is {}", level.to);
        }
        Ok(reloaded)
    }
}

impl Parts {
    /// What is taken over of the settings, and what is not. `before` becomes what teal runs by then.
    fn compare(&self, before: &mut Effective, config: &Config) -> Reloaded {
        let mut reloaded = Reloaded::default();
        let (listener, engines) = (self.identity(config).is_some(), self.trust(config).is_some());
        for setting in config.effective.iter() {
            let name = setting.name;
            let is_read = LISTENER.contains(&name) && listener || ENGINES.contains(&name) && engines;
            let is_switching = SWITCHING.contains(&name) && self.rules(config).is_some();
            if is_read && !setting.values.is_empty() {
                reloaded.read_again.push(name.to_owned());
            }
            match before.get(name).filter(|before| before.values != setting.values) {
                None => reloaded.unchanged.push(name.to_owned()),
                Some(before) => {
                    let changes = match is_read || is_switching || name == "log-level" {
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

    /// None of this fails.
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
        log::set_level(config.log_level);
    }

    /// The switch, and the rules that it is to have.
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
            #[cfg(feature = "mock")]
            Backend::Mock(_) => None,
        }
    }
}
