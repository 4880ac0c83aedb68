//! An instance among others: etcd has a thread and a runtime of its own. So a busy network thread does not cost the lease,
//! and an etcd that hangs stops no call that does not need it.

use std::{
    collections::BTreeMap,
    future::pending,
    io,
    net::SocketAddr,
    sync::mpsc,
    thread::{self, JoinHandle},
    time::Duration,
};

use etcd::Client;
use futures::future::join_all;
use switch::{
    Switch,
    etcd::{Handle, StoreError, Task},
};
use tokio::{
    runtime::{self, Runtime},
    select,
    sync::oneshot,
    time::{Instant, sleep, timeout},
};
use tracing::{error, info, warn};

use super::not_started;
use crate::{
    cli::environment,
    config::{InstanceConfig, host},
};

/// How long a start waits for an etcd that does not answer.
const WAITS: Duration = Duration::from_secs(10);
/// From one attempt to join to the next.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the end waits for puts and deletions that are on their way.
const FLUSHES_WITHIN: Duration = Duration::from_secs(3);
/// How long the end waits for etcd in all. After that the key goes with its lease.
const LEAVES_WITHIN: Duration = Duration::from_secs(5);

/// A live instance.
#[derive(Debug)]
pub(super) struct Instance {
    handle: Handle,
    ttl: Duration,
    thread: EtcdThread,
}

/// The thread runs until this is dropped.
#[derive(Debug)]
struct EtcdThread {
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Instance {
    /// Joins the other instances. Resolves once calls can be let in. If this is dropped before, the attempt ends.
    pub(super) async fn join(switch: &Switch, config: InstanceConfig) -> io::Result<Self> {
        let (end, ended) = oneshot::channel();
        let (done, joined) = oneshot::channel();
        let (shared, ttl) = (switch.clone(), config.ttl);
        // A runtime that a thread owns when it cannot be started would panic.
        let (hand_over, handed_over) = mpsc::channel::<Runtime>();
        let run = move || {
            let Ok(runtime) = handed_over.recv() else { return };
            runtime.block_on(async move {
                select! {
                    _ = ended => {}
                    () = drive(shared, config, done) => {}
                }
            });
            // A name that is being resolved may not delay the end.
            runtime.shutdown_background();
        };
        let refused = |error| not_started("etcd thread", error);
        let thread = thread::Builder::new().name("etcd".to_owned()).spawn(run).map_err(refused)?;
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(refused)?;
        hand_over.send(runtime).expect("the thread waits for it");
        let thread = EtcdThread { end: Some(end), thread: Some(thread) };
        joined.await.map_err(|_| io::Error::other("the thread of etcd panicked"))??;
        let handle = switch.store().cloned().ok_or_else(|| io::Error::other("the switch is not shared"))?;
        Ok(Self { handle, ttl, thread })
    }

    /// Tells the other instances where its admin API is, and its engines.
    pub(super) fn introduce(&self, admin: Option<SocketAddr>, engines: BTreeMap<String, String>) {
        self.handle.set_admin(admin.map(|at| reachable(at, &host())));
        self.handle.set_settings(engines);
        self.handle.changed();
    }

    /// Leaves, once all that calls have changed is in etcd. Does not wait for an etcd that does not answer.
    pub(super) async fn leave(self) {
        match timeout(LEAVES_WITHIN, self.handle.leave(FLUSHES_WITHIN)).await {
            Ok(Ok(())) => info!("Left the other instances"),
            Ok(Err(error)) => self.is_missed(&error.to_string()),
            Err(_) => self.is_missed("etcd does not answer"),
        }
        drop(self.thread);
    }

    fn is_missed(&self, why: &str) {
        let ttl = humantime::format_duration(self.ttl);
        warn!("Not left: {why}; the other instances may wait for this one, for {ttl} at most");
    }
}

impl Drop for EtcdThread {
    fn drop(&mut self) {
        drop(self.end.take());
        // It has nothing left to wait for.
        _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Joins, and stays for as long as it is polled.
async fn drive(switch: Switch, config: InstanceConfig, done: oneshot::Sender<io::Result<()>>) {
    match join(&switch, &config).await {
        Ok(mut task) => {
            _ = done.send(Ok(()));
            if let Err(fault) = task.ended().await {
                error!(
                    "What follows etcd has ended by a fault, and nothing new is let in until a restart: {fault}"
                );
            }
            pending().await
        }
        Err(error) => _ = done.send(Err(error)),
    }
}

async fn join(switch: &Switch, config: &InstanceConfig) -> io::Result<Task> {
    let until = Instant::now() + WAITS;
    let store = config.store();
    let (mut is_first, mut is_inspected) = (true, false);
    loop {
        let joined = match store.check().await {
            Ok(()) => {
                if !std::mem::replace(&mut is_inspected, true) {
                    inspect(&config.client).await?;
                }
                switch.share(store.clone(), &config.name, config.ttl).await
            }
            Err(error) => Err(error),
        };
        match joined {
            Ok(task) => return Ok(task),
            Err(error) if error.is_outage() && Instant::now() < until => {
                if std::mem::take(&mut is_first) {
                    warn!("Waiting for etcd: {error}");
                }
                sleep(AGAIN).await;
            }
            Err(error) => return Err(named(&error)),
        }
    }
}

/// Warns of old members. Fails if the members are not of one cluster: the instances would not agree.
async fn inspect(client: &Client) -> io::Result<()> {
    let members: Vec<&str> = client.members().collect();
    let found = join_all((0..members.len()).map(|member| client.status(member))).await;
    let mut first = None;
    for (member, status) in members.into_iter().zip(found) {
        // A member that is down is found by the next request.
        let Ok(status) = status else { continue };
        let (at, cluster) = *first.get_or_insert((member, status.cluster));
        if cluster != status.cluster {
            let error = format!("{member}: expected a member of the same etcd cluster as {at}");
            return Err(blame("etcd", &error));
        }
        if let Some(wanted) = status.wanted_version() {
            let version = &status.version;
            warn!("etcd {version} at {member} has known faults: expected {wanted} or newer");
        }
    }
    Ok(())
}

/// Where others reach a listener: an address that stands for all addresses means nothing on another host.
fn reachable(at: SocketAddr, host: &str) -> String {
    if at.ip().is_unspecified() { format!("{host}:{}", at.port()) } else { at.to_string() }
}

/// The error with the flag at fault.
fn named(error: &StoreError) -> io::Error {
    let flag = match error {
        StoreError::Bad(_) | StoreError::TooManyQueries { .. } | StoreError::Crowded { .. } => "etcd-prefix",
        StoreError::Etcd(etcd::Error::NeedsUser { .. } | etcd::Error::WrongPassword { .. }) => "etcd-user",
        StoreError::Etcd(_) => "etcd",
    };
    blame(flag, &error.to_string())
}

fn blame(flag: &str, error: &str) -> io::Error {
    let line = error.replace(['\n', '\r'], " ");
    io::Error::other(format!("--{flag} (or {}): {line}", environment(flag)))
}

#[cfg(test)]
mod tests {
    use super::reachable;

    #[test]
    fn all_addresses_are_the_hosts_name() {
        for (at, told) in [
            ("0.0.0.0:50061", "web-1:50061"),
            ("[::]:50061", "web-1:50061"),
            ("10.0.0.1:50061", "10.0.0.1:50061"),
            ("[fd00::1]:50061", "[fd00::1]:50061"),
        ] {
            assert_eq!(reachable(at.parse().unwrap(), "web-1"), told);
        }
    }
}
