//! The outcome of a write.

use super::{Driver, Follower, OrderError, StoreError, Written, agenda::Writing};
use crate::etcd::counters::ResyncReason;

impl<F: Follower> Driver<F> {
    /// Takes in what came of it. False if etcd was set back meanwhile.
    pub(super) fn written(&mut self, writing: Writing) -> bool {
        let mut is_ahead = true;
        match writing {
            Writing::Published(Ok(written), unwell) => {
                if let Written::Done(_) = written {
                    self.is_unsure = false;
                    self.said = unwell;
                }
                is_ahead = self.take(written);
            }
            Writing::Published(Err(error), _) => {
                tracing::debug!("The status is not published: {error}");
                self.is_unsure |= matches!(&error, StoreError::Etcd(error) if error.may_have_applied());
                if error.is_no_space() {
                    // A report of quiet cannot be taken back: whoever waits for that is not let in.
                    self.retractions.clear();
                }
            }
            Writing::Proposed(Ok(written), next, waiting) => {
                let is_done = matches!(written, Written::Done(_));
                if is_done {
                    self.follower.won(next.course.epoch);
                }
                is_ahead = self.take(written);
                match waiting {
                    Some(waiting) if is_done => self.ordered.push((next, waiting.done)),
                    // Something else came first: the order is looked at again.
                    Some(waiting) => {
                        self.read_serial = self.read_serial.max(waiting.serial);
                        self.orders.push_front(waiting);
                    }
                    None => {}
                }
            }
            Writing::Proposed(Err(error), _, waiting) => {
                tracing::debug!("The transition is not made: {error}");
                match waiting {
                    Some(waiting) if error.is_no_space() => {
                        _ = waiting.done.send(Err(OrderError::Failed(error.to_string())));
                    }
                    waiting => self.orders.extend(waiting),
                }
            }
            Writing::Timed(Ok(written), waiting) => {
                match &written {
                    Written::Done(_) => self.timed.push(waiting.done),
                    Written::Lost(_) => {
                        self.read_serial = self.read_serial.max(waiting.serial);
                        self.timers.push_front(waiting);
                    }
                }
                is_ahead = self.take(written);
            }
            Writing::Timed(Err(error), waiting) => {
                tracing::debug!("The timer is not set: {error}");
                match error.is_no_space() {
                    true => _ = waiting.done.send(Err(OrderError::Failed(error.to_string()))),
                    false => self.timers.push_front(waiting),
                }
            }
            Writing::WrongCopy => {
                self.is_listed = false;
                self.store.counters().resync(ResyncReason::Copy);
                self.feed.resync();
            }
        }
        is_ahead
    }

    fn take(&mut self, written: Written) -> bool {
        // Where nothing has changed since the board was put together, a write is not lost.
        let (board, is_ahead) = match written {
            Written::Done(board) => (board, true),
            Written::Lost(board) => {
                let is_ahead = board.revision > self.written_from;
                (board, is_ahead)
            }
        };
        if is_ahead {
            self.renew(board);
        } else {
            // To try again would not show it: a board that is not newer changes nothing.
            self.is_restoring = true;
            self.board = board;
        }
        is_ahead
    }
}
