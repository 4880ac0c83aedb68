//! Reads the event log, and hands each event to the queue of each receiver.

use std::{
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use futures::future::join_all;
use parking_lot::Mutex;
use proxy::telemetry::{DropReason, Metrics};
use rustls::ClientConfig;
use switch::EventLog;
use tokio::{
    runtime::Runtime,
    sync::watch,
    task::{AbortHandle, JoinHandle},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{
    delivery::{Delivery, Source},
    limits::{Limits, MOST},
    queue::Queue,
    secret::Secrets,
    sender::{Means, Sender},
    tally::Tally,
    target::Target,
};

/// The number of events that are read at once.
const BATCH: usize = 256;

/// Which events are sent, where, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The receivers, each once; without any nothing is done.
    pub targets: Vec<Target>,
    /// The kinds of events; empty for all.
    pub kinds: Vec<&'static str>,
    /// The secrets to sign with.
    pub secrets: Option<Secrets>,
    /// For receivers with TLS; see [`trust`](crate::trust).
    pub tls: Option<Arc<ClientConfig>>,
    /// The source that events name.
    pub source: Source,
}

/// Sends the events of a server. Clones share their state.
#[derive(Clone, Debug)]
pub struct Webhooks {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Of this run of the server alone, even if another instance was started in the same moment.
    run: String,
    event_log: EventLog,
    metrics: Metrics,
    limits: Limits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    kinds: Vec<&'static str>,
    source: Source,
    means: watch::Sender<Means>,
    receivers: Vec<(Arc<Receiver>, JoinHandle<()>)>,
    /// The ends of receivers that were removed, and how many of them are not over.
    leaving: (Vec<JoinHandle<()>>, usize),
    /// The id of the last event that was read.
    read: u64,
    /// While there are receivers.
    running: Option<Running>,
}

/// The thread that sends, apart from those of calls and of operators.
#[derive(Debug)]
struct Running {
    runtime: Runtime,
    feeder: AbortHandle,
}

/// A receiver, and what waits for it.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) target: Arc<Target>,
    pub(crate) queue: Queue,
    pub(crate) tally: Tally,
    /// Cancelled when it gets no more events: then a pause ends at once.
    pub(crate) ending: CancellationToken,
    /// It has answered 410.
    is_gone: AtomicBool,
}

impl Webhooks {
    /// Starts with the first event of the log.
    pub fn start(event_log: EventLog, metrics: Metrics, settings: Settings) -> io::Result<Self> {
        Self::limited(event_log, metrics, settings, Limits::default())
    }

    pub(crate) fn limited(
        event_log: EventLog,
        metrics: Metrics,
        settings: Settings,
        limits: Limits,
    ) -> io::Result<Self> {
        let state = State {
            kinds: Vec::new(),
            source: settings.source.clone(),
            means: watch::Sender::default(),
            receivers: Vec::new(),
            leaving: Default::default(),
            read: 0,
            running: None,
        };
        let run = format!("{:x}{:08x}", event_log.started().timestamp_micros(), rand::random::<u32>());
        let webhooks =
            Self { shared: Arc::new(Shared { run, event_log, metrics, limits, state: Mutex::new(state) }) };
        webhooks.apply(settings)?;
        Ok(webhooks)
    }

    /// Takes over settings. A receiver that stays keeps what waits for it; a new one gets the events from now on; and
    /// what waits for one that is removed is sent for a few seconds at most. Fails if there is no thread for the first
    /// receiver.
    pub fn set(&self, settings: Settings) -> io::Result<()> {
        {
            let mut state = self.shared.state.lock();
            match state.receivers.is_empty() {
                true => state.read = self.shared.event_log.next() - 1,
                false => self.shared.feed(&mut state),
            }
        }
        self.apply(settings)
    }

    fn apply(&self, settings: Settings) -> io::Result<()> {
        let Settings { targets, kinds, secrets, tls, source } = settings;
        let mut state = self.shared.state.lock();
        let (stay, leave): (Vec<_>, Vec<_>) = std::mem::take(&mut state.receivers)
            .into_iter()
            .partition(|(receiver, _)| targets.contains(&receiver.target));
        state.receivers = stay;
        for (receiver, task) in leave {
            self.remove(&mut state, receiver, task);
        }
        (state.kinds, state.source) = (kinds, source);
        state.means.send_replace(Means { secrets, tls });
        for target in targets {
            match state.receivers.iter().find(|(receiver, _)| *receiver.target == target) {
                Some((receiver, _)) => receiver.is_gone.store(false, Relaxed),
                None => self.add(&mut state, target)?,
            }
        }
        Ok(())
    }

    fn remove(&self, state: &mut State, receiver: Arc<Receiver>, task: JoinHandle<()>) {
        let Some(running) = &state.running else { return };
        receiver.close();
        let (within, shared) = (self.shared.limits.ends_within, Arc::downgrade(&self.shared));
        let leaves = running.runtime.spawn(async move {
            receiver.leave(task, within, "when it was removed").await;
            if let Some(shared) = shared.upgrade() {
                let mut state = shared.state.lock();
                state.leaving.1 -= 1;
                state.rest();
            }
        });
        state.leaving.0.retain(|leaves| !leaves.is_finished());
        state.leaving.0.push(leaves);
        state.leaving.1 += 1;
    }

    fn add(&self, state: &mut State, target: Target) -> io::Result<()> {
        let Shared { metrics, limits, event_log, .. } = &*self.shared;
        let runtime = match &mut state.running {
            Some(running) => &running.runtime,
            running => {
                let runtime = runtime()?;
                let feeder =
                    runtime.spawn(feed(Arc::downgrade(&self.shared), event_log.changed())).abort_handle();
                &running.insert(Running { runtime, feeder }).runtime
            }
        };
        let tally = Tally::new(target.to_string(), metrics.webhook(target.authority()));
        let queue = Queue::new(limits);
        let (target, ending) = (Arc::new(target), CancellationToken::new());
        let receiver = Arc::new(Receiver { target, queue, tally, ending, is_gone: AtomicBool::new(false) });
        let sender = Sender::new(receiver.clone(), state.means.subscribe(), *limits);
        let task = runtime.spawn(sender.run());
        state.receivers.push((receiver, task));
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn is_running(&self) -> bool {
        self.shared.state.lock().running.is_some()
    }

    /// Sends what waits, for a few seconds at most, and says how much is left.
    pub async fn end(self) {
        let (receivers, leaving, running) = {
            let mut state = self.shared.state.lock();
            if state.running.is_none() {
                return;
            }
            self.shared.feed(&mut state);
            let leaving = std::mem::take(&mut state.leaving.0);
            (std::mem::take(&mut state.receivers), leaving, state.running.take())
        };
        let within = self.shared.limits.ends_within;
        let leave = receivers.into_iter().map(|(receiver, task)| async move {
            receiver.close();
            receiver.leave(task, within, "when the server stopped").await;
        });
        // Those that were removed before are no later.
        tokio::join!(join_all(leave), join_all(leaving));
        running.into_iter().for_each(Running::stop);
    }
}

/// Feeds the receivers for as long as there are any.
async fn feed(shared: Weak<Shared>, mut changed: watch::Receiver<u64>) {
    changed.mark_changed();
    while changed.changed().await.is_ok() {
        let Some(shared) = shared.upgrade() else { return };
        shared.feed(&mut shared.state.lock());
    }
}

impl Shared {
    fn feed(&self, state: &mut State) {
        loop {
            let events = self.event_log.after(state.read, BATCH);
            let Some(last) = events.last() else { return };
            let missed = events[0].id.saturating_sub(state.read + 1);
            for (receiver, _) in &state.receivers {
                receiver.tally.missed(missed, DropReason::Full, "they came faster than they could be read");
            }
            state.read = last.id;
            let is_sent = |kind| state.kinds.is_empty() || state.kinds.contains(&kind);
            for event in events.iter().filter(|event| is_sent(event.note.kind)) {
                let delivery = Delivery::new(event, &self.run, &state.source, Instant::now());
                let delivery = Arc::new(delivery);
                for (receiver, _) in &state.receivers {
                    receiver.push(delivery.clone());
                }
            }
        }
    }
}

impl Receiver {
    fn push(&self, delivery: Arc<Delivery>) {
        if self.is_gone.load(Relaxed) {
            return self.tally.missed_by_gone();
        }
        self.tally.queued();
        let dropped = self.queue.push(delivery);
        self.tally.dropped(dropped, DropReason::Full, "too many wait");
    }

    /// It wants no more events, nor those that wait.
    pub(crate) fn give_up(&self) {
        self.is_gone.store(true, Relaxed);
        self.tally.gone(1 + self.queue.clear());
    }

    /// Says that it gets no more events.
    fn close(&self) {
        self.queue.close();
        self.ending.cancel();
    }

    /// Waits for the end of its task, and says what is left.
    async fn leave(&self, mut task: JoinHandle<()>, within: Duration, when: &str) {
        if timeout(within, &mut task).await.is_err() {
            task.abort();
            _ = task.await;
        }
        let count = self.tally.abandon();
        if count > 0 {
            warn!("Webhook {}: events not sent {when}: {count}", self.tally.url());
        }
    }
}

impl State {
    /// Stops what sends if there is nothing to send.
    fn rest(&mut self) {
        if self.receivers.is_empty() && self.leaving.1 == 0 {
            self.stop();
        }
    }

    fn stop(&mut self) {
        self.running.take().into_iter().for_each(Running::stop);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    /// A name that is being looked up does not delay it.
    fn stop(self) {
        self.feeder.abort();
        self.runtime.shutdown_background();
    }
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(MOST)
        .thread_name("webhook")
        .enable_all()
        .build()
}
