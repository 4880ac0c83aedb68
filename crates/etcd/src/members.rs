//! The members, and who of them is tried next.

use std::{
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Duration,
};

use tokio::time::Instant;

use crate::{
    BadSetting, Error, Setting, Settings,
    member::{Dial, Member},
};

/// How long is waited after all have failed, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How often the time of an attempt is doubled at most.
const MOST_DOUBLINGS: u32 = 5;

/// All members; the one that answered last is asked first.
#[derive(Debug)]
pub(crate) struct Members {
    list: Vec<Member>,
    current: AtomicUsize,
}

/// Which members a request has tried, and how they failed.
#[derive(Debug)]
pub(crate) struct Attempts {
    failed: Vec<Option<Error>>,
    tried: Vec<bool>,
    may_have_applied: bool,
    /// Since when a member is known not to answer an attempt in time.
    silent: Vec<Option<Instant>>,
    /// How often all were silent, up to a limit.
    doublings: u32,
    pause: Duration,
}

impl Members {
    /// The members over the network. No connection is made yet.
    pub(crate) fn connect(settings: &Settings) -> Result<Self, BadSetting> {
        let addresses = settings.addresses()?;
        let has_tls = addresses.iter().any(|address| address.scheme_str() == Some("https"));
        let tls = settings.tls.load(has_tls)?;
        let member = |address: http::Uri| {
            let name = address.to_string().trim_end_matches('/').to_owned();
            let https = address.scheme_str() == Some("https");
            let mut endpoint = tonic::transport::Endpoint::from(address);
            if let Some(tls) = tls.as_ref().filter(|_| https) {
                endpoint = endpoint.tls_config(tls.clone()).map_err(|error| {
                    let file = settings.tls.certificate.as_ref().or(settings.tls.authority.as_ref());
                    let file = file.map(|file| file.display().to_string()).unwrap_or_default();
                    let setting = match settings.tls.certificate {
                        Some(_) => Setting::Certificate,
                        None => Setting::Authority,
                    };
                    let why = crate::fault::innermost(&error);
                    BadSetting::new(setting, file, format!("expected a certificate and its key ({why})"))
                })?;
            }
            Ok(Member::new(name, Dial::network(endpoint)))
        };
        Ok(Self::new(addresses.into_iter().map(member).collect::<Result<_, _>>()?, settings.first))
    }

    pub(crate) fn new(list: Vec<Member>, first: usize) -> Self {
        let current = AtomicUsize::new(first % list.len().max(1));
        Self { list, current }
    }

    pub(crate) fn all(&self) -> &[Member] {
        &self.list
    }

    /// The member to try next: in turn from the current one, those left aside last. `None` once all were tried.
    pub(crate) fn next(&self, attempts: &Attempts) -> Option<usize> {
        let all = self.list.len();
        let current = self.current.load(Relaxed);
        let open = (0..all).map(|step| (current + step) % all).filter(|index| !attempts.tried[*index]);
        open.map(|index| (self.list[index].aside(), index))
            .enumerate()
            .min_by_key(|(turn, (aside, _))| (*aside, *turn))
            .map(|(_, (_, index))| index)
    }

    /// This one has answered: it is asked first from now on.
    pub(crate) fn answered(&self, index: usize) {
        self.list[index].answered();
        self.current.store(index, Relaxed);
    }
}

impl Attempts {
    pub(crate) fn new(members: &Members) -> Self {
        let all = members.list.len();
        Self {
            failed: vec![None; all],
            tried: vec![false; all],
            may_have_applied: false,
            silent: vec![None; all],
            doublings: 0,
            pause: FIRST_PAUSE,
        }
    }

    pub(crate) fn failed(&mut self, index: usize, error: Error) {
        self.tried[index] = true;
        self.may_have_applied |= error.may_have_applied();
        let is_silent = matches!(error, Error::Unanswered { .. });
        self.silent[index] = is_silent.then(Instant::now);
        let last = &mut self.failed[index];
        // That no time is left for another attempt says less than how the one before has failed.
        if last.is_none() || !is_silent {
            *last = Some(error);
        }
    }

    /// How long an attempt may take: twice as long once all were silent, for etcd may be slow as a whole.
    pub(crate) fn patience(&self, attempt: Duration) -> Duration {
        attempt.saturating_mul(1 << self.doublings)
    }

    /// Begins another round after all were tried, and says how long to wait before it.
    pub(crate) fn again(&mut self, attempt: Duration) -> Duration {
        if self.silent.iter().all(Option::is_some) {
            self.silent.fill(None);
            self.doublings = (self.doublings + 1).min(MOST_DOUBLINGS);
        }
        // A member that is silent while others speak may cost half of the time, not all of it.
        let now = Instant::now();
        for (tried, silent) in self.tried.iter_mut().zip(&self.silent) {
            *tried = silent.is_some_and(|since| now < since + attempt);
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        pause
    }

    /// Whether any has failed yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.failed.iter().all(Option::is_none)
    }

    /// Whether one of the attempts may have been applied.
    pub(crate) fn may_have_applied(&self) -> bool {
        self.may_have_applied
    }

    /// The failure of each.
    pub(crate) fn error(self) -> Error {
        let may_have_applied = self.may_have_applied;
        let mut failures: Vec<_> = self.failed.into_iter().flatten().collect();
        let error = match failures.len() {
            1 => failures.swap_remove(0),
            _ => Error::NoMember(failures),
        };
        error.after(may_have_applied)
    }
}
