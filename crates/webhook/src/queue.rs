//! The events that wait for one receiver, in order. The oldest leave when there is no room.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{delivery::Delivery, limits::Limits};

/// A queue with a limit for the number of events and one for their bytes.
#[derive(Debug)]
pub(crate) struct Queue {
    events: usize,
    bytes: usize,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Arc<Delivery>>,
    bytes: usize,
    /// Nothing more will come.
    is_closed: bool,
}

impl Queue {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self { events: limits.events, bytes: limits.bytes, state: Mutex::default(), changed: Notify::new() }
    }

    /// Adds an event. Returns the number of events that had to leave for it, or with it if it is too large.
    pub(crate) fn push(&self, delivery: Arc<Delivery>) -> u64 {
        let size = delivery.size();
        let mut dropped = 0;
        let mut state = self.state.lock();
        while !state.waiting.is_empty()
            && (state.waiting.len() >= self.events || state.bytes + size > self.bytes)
        {
            state.take();
            dropped += 1;
        }
        if size > self.bytes || self.events == 0 {
            return dropped + 1;
        }
        state.bytes += size;
        state.waiting.push_back(delivery);
        drop(state);
        self.changed.notify_one();
        dropped
    }

    /// Waits for the next event; `None` once the queue is closed and empty. One task may wait.
    pub(crate) async fn next(&self) -> Option<Arc<Delivery>> {
        loop {
            {
                let mut state = self.state.lock();
                match state.take() {
                    None if state.is_closed => return None,
                    None => {}
                    delivery => return delivery,
                }
            }
            self.changed.notified().await;
        }
    }

    /// Empties the queue.
    pub(crate) fn clear(&self) -> u64 {
        let mut state = self.state.lock();
        state.bytes = 0;
        std::mem::take(&mut state.waiting).len() as u64
    }

    /// Returns whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().waiting.is_empty()
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&self) {
        self.state.lock().is_closed = true;
        self.changed.notify_one();
    }
}

impl State {
    fn take(&mut self) -> Option<Arc<Delivery>> {
        let delivery = self.waiting.pop_front()?;
        self.bytes -= delivery.size();
        Some(delivery)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tokio::time::Instant;

    use super::*;

    fn delivery(id: usize, bytes: usize) -> Arc<Delivery> {
        let (id, body) = (id.to_string(), Bytes::from(vec![b'x'; bytes]));
        Arc::new(Delivery { id, kind: "fault", body, at: Instant::now() })
    }

    async fn rest(queue: &Queue) -> Vec<String> {
        queue.close();
        let mut ids = Vec::new();
        while let Some(delivery) = queue.next().await {
            ids.push(delivery.id.clone());
        }
        ids
    }

    #[tokio::test]
    async fn the_oldest_leave_a_full_queue() {
        let queue = Queue::new(&Limits { events: 3, ..Limits::default() });
        let dropped: Vec<_> = (0..5).map(|id| queue.push(delivery(id, 10))).collect();
        assert_eq!(dropped, [0, 0, 0, 1, 1]);
        assert_eq!(rest(&queue).await, ["2", "3", "4"]);
        assert!(queue.is_empty());
    }

    #[tokio::test]
    async fn bytes_are_limited_too() {
        let room = delivery(0, 1_000).size() * 2;
        let queue = Queue::new(&Limits { bytes: room, ..Limits::default() });
        for (id, bytes, dropped) in [(0, 1_000, 0), (1, 1_000, 0), (2, 10, 1), (3, 1_001, 1), (4, 9_000, 3)] {
            assert_eq!(queue.push(delivery(id, bytes)), dropped, "{id}");
        }
        assert_eq!(queue.push(delivery(5, 1_000)), 0);
        assert_eq!(queue.push(delivery(6, 1_000)), 0);
        assert_eq!(queue.clear(), 2);
        assert_eq!(queue.push(delivery(7, 1_000)), 0);
        assert_eq!(rest(&queue).await, ["7"]);
    }

    #[tokio::test]
    async fn the_next_event_is_awaited() {
        let queue = Arc::new(Queue::new(&Limits::default()));
        let waits = tokio::spawn({
            let queue = queue.clone();
            async move { (queue.next().await.map(|next| next.id.clone()), queue.next().await) }
        });
        tokio::task::yield_now().await;
        queue.push(delivery(1, 1));
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(waits.await.unwrap(), (Some("1".to_owned()), None));
    }
}
