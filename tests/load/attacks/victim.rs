//! A client that makes a call every two milliseconds, one after another, and notes how long each takes.
//!
//! Calls that are delayed by an earlier one count from when they were due. Otherwise an attack that lets few calls
//! through would hardly show.

use std::{
    mem,
    net::SocketAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use h2::client::SendRequest;
use tokio::time::{sleep_until, timeout};

use super::{LARGE, LONG};
use crate::support::peers::{Answer, client, framed, open, request};

/// The interval between calls.
const PACE: Duration = Duration::from_millis(2);
/// A call that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

/// The state of the trial while the victim makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is measured.
    Between,
    Calm,
    Attacked,
}

/// The calls of a victim.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls {
    path: &'static str,
    strategy: &'static str,
    /// Bytes of the answer's message.
    answer: usize,
}

impl Calls {
    /// Calls with small messages.
    pub(super) const SMALL: Self = Self { path: "/victim/echo", strategy: "blue", answer: 10 };
    /// Calls with small messages to the other engine.
    pub(super) const GREEN: Self = Self { strategy: "green", ..Self::SMALL };
    /// Calls whose answers are large.
    pub(super) const LARGE: Self = Self { path: "/victim/large", strategy: "blue", answer: LARGE };

    /// Makes one of them.
    async fn make(self, client: &SendRequest<bytes::Bytes>) -> Result<(), String> {
        let mut head = request(self.path);
        head.headers_mut().insert("strategy", http::HeaderValue::from_static(self.strategy));
        let answer = timeout(PATIENCE, async {
            let (response, mut upload) = open(client, head, false).await;
            _ = upload.send_data(framed(b"0123456789").into(), true);
            Answer::of(response).await
        });
        let answer = answer.await.map_err(|_| format!("no answer within {PATIENCE:?}"))?;
        if answer.status() == Some("0") && answer.body.len() == 5 + self.answer && answer.error.is_none() {
            return Ok(());
        }
        let (status, error) = (answer.status(), &answer.error);
        Err(format!("status {status:?} {:?} after {} bytes; {error:?}", answer.message(), answer.body.len()))
    }
}

/// The outcome of its calls.
#[derive(Debug)]
pub(super) struct Notes {
    /// When each phase began, the latest last.
    phases: Vec<(Instant, Phase)>,
    is_over: bool,
    /// When the last call was due that has ended.
    ended: Instant,
    /// How long each took that was due in a phase.
    calm: Vec<Duration>,
    attacked: Vec<Duration>,
    pub(super) failures: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    notes: Mutex<Notes>,
    changed: Condvar,
}

pub(super) struct Victim {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Victim {
    /// Makes these calls until it is dropped, on a thread and a connection of its own.
    pub(super) fn start(address: SocketAddr, calls: Calls) -> Self {
        let notes = Notes {
            phases: vec![(Instant::now(), Phase::Between)],
            is_over: false,
            ended: Instant::now(),
            calm: Vec::new(),
            attacked: Vec::new(),
            failures: Vec::new(),
        };
        let shared = Arc::new(Shared { notes: Mutex::new(notes), changed: Condvar::new() });
        let victim = shared.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(victim.work(address, calls));
        });
        Self { shared, thread: Some(thread) }
    }

    /// Calls that are due from now on count for this phase.
    pub(super) fn set(&self, phase: Phase) {
        self.notes().phases.push((Instant::now(), phase));
    }

    /// Waits until all calls have ended that were due before this.
    pub(super) fn settle(&self) {
        let (notes, now) = (self.notes(), Instant::now());
        let waited = self.shared.changed.wait_timeout_while(notes, 2 * LONG, |notes| notes.ended < now);
        let (notes, timeout) = waited.unwrap();
        assert!(!timeout.timed_out(), "the victim gets no further: {:?}", notes.failures);
    }

    /// The durations of the calls in each phase since the last time, and whether any call has ever failed.
    pub(super) fn take(&self) -> (Vec<Duration>, Vec<Duration>, bool) {
        let mut notes = self.notes();
        let (calm, attacked) = (mem::take(&mut notes.calm), mem::take(&mut notes.attacked));
        (calm, attacked, !notes.failures.is_empty())
    }

    pub(super) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.shared.notes.lock().unwrap()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        self.shared.notes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).is_over = true;
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

impl Shared {
    async fn work(&self, address: SocketAddr, calls: Calls) {
        let mut connection = client(address).await;
        let mut due = Instant::now();
        loop {
            if due > Instant::now() {
                sleep_until(due.into()).await;
                // A late timer is not the server's fault.
                due = Instant::now();
            }
            let made = calls.make(&connection).await;
            let took = due.elapsed();
            if made.is_err() {
                connection = client(address).await;
            }
            let mut notes = self.notes.lock().unwrap();
            if notes.is_over {
                return;
            }
            notes.ended = due;
            let phase = notes.phase(due);
            match phase {
                Phase::Between => {}
                Phase::Calm => notes.calm.push(took),
                Phase::Attacked => notes.attacked.push(took),
            }
            due += PACE;
            if phase == Phase::Between || made.is_err() {
                due = due.max(Instant::now());
            }
            notes.failures.extend(made.err());
            self.changed.notify_all();
        }
    }
}

impl Notes {
    fn phase(&self, due: Instant) -> Phase {
        let begun = self.phases.iter().rev().find(|(begin, _)| *begin <= due);
        begun.map_or(Phase::Between, |(_, phase)| *phase)
    }
}
