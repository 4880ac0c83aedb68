//! Writes the switch's state to its file, on a thread of its own, so that nothing else waits for the disk.

use std::{
    io,
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::SystemTime,
};

use tokio::sync::oneshot;
use tracing::{info, warn};

use super::saved_state::{SavedState, StateFile};

enum Order {
    Write(SavedState, SystemTime),
    /// Signals that all states before it are written.
    Flush(oneshot::Sender<()>),
}

/// A handle to the writing thread, which ends with the last clone.
#[derive(Clone, Debug)]
pub(super) struct StateWriter {
    orders: Sender<Order>,
}

impl StateWriter {
    /// Writes the present state at once, to check that it can be written.
    pub(super) fn start(file: StateFile, now: SavedState) -> io::Result<Self> {
        file.write(&now, SystemTime::now())?;
        let (orders, received) = channel();
        thread::Builder::new().name("state".to_owned()).spawn(move || write(&file, &received))?;
        Ok(Self { orders })
    }

    /// Queues the state for writing, unless a later one replaces it.
    pub(super) fn keep(&self, kept: SavedState) {
        _ = self.orders.send(Order::Write(kept, SystemTime::now()));
    }

    /// Resolves when everything queued is written, or could not be.
    pub(super) fn flush(&self) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        // Without the thread it resolves at once.
        _ = self.orders.send(Order::Flush(done));
        wait
    }
}

fn write(file: &StateFile, orders: &Receiver<Order>) {
    let mut failed: Option<String> = None;
    while let Ok(first) = orders.recv() {
        let (mut latest, mut flushed) = (None, Vec::new());
        for order in std::iter::once(first).chain(orders.try_iter()) {
            match order {
                Order::Write(kept, at) => latest = Some((kept, at)),
                Order::Flush(done) => flushed.push(done),
            }
        }
        if let Some((kept, at)) = latest {
            let path = file.path().display();
            match file.write(&kept, at) {
                Ok(()) if failed.take().is_some() => info!("The state is written to {path} again"),
                Ok(()) => {}
                Err(error) => {
                    // A repeated failure is logged once.
                    let why = error.to_string();
                    if failed.as_ref() != Some(&why) {
                        warn!("The state cannot be written to {path}: {why}");
                    }
                    failed = Some(why);
                }
            }
        }
        for done in flushed {
            _ = done.send(());
        }
    }
}
