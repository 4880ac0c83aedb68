//! Counts the data that clients leave unread, against the budget of all connections.

use std::time::Duration;

use super::Core;
use crate::held::Held;

impl Core {
    /// The time until reading resumes.
    pub(crate) fn slowed_for(&self) -> Option<Duration> {
        let (_, until) = self.slowed?;
        let left = until.checked_sub(self.nanos_since_start())?;
        Some(Duration::from_nanos(left)).filter(|left| !left.is_zero())
    }

    /// Notes that a stream holds more than was counted. It is counted at the next turn, unless the data is read
    /// before.
    pub(crate) fn unsettle(&mut self, key: usize, is_slice: bool) {
        self.slices += usize::from(is_slice);
        let stream = &mut self.streams[key];
        if !std::mem::replace(&mut stream.is_unsettled, true) {
            self.unsettled.push(key);
        }
    }

    pub(super) fn settle(&mut self) {
        (self.settled, self.slices) = (self.now, 0);
        let mut moving = Vec::new();
        for key in std::mem::take(&mut self.unsettled) {
            let Some(stream) = self.streams.get_mut(key) else { continue };
            stream.is_unsettled = false;
            let held = stream.held(self.is_server);
            if held.bytes == 0 {
                continue;
            }
            // Copy only data that is stuck, not data that is moving.
            if std::mem::take(&mut stream.has_moved) {
                moving.push(key);
            } else {
                stream.detach();
            }
            let (more, _) = held.beside(stream.charged);
            if more != Held::default()
                && let Some(client) = &stream.client
            {
                client.account.charge(client.stream, more);
                stream.charged = held;
            }
        }
        self.slices = usize::from(!moving.is_empty());
        for key in moving {
            self.unsettle(key, false);
        }
    }

    /// Notes that a stream holds less than before.
    pub(crate) fn uncharge(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        let (_, less) = stream.held(self.is_server).beside(stream.charged);
        if less != Held::default()
            && let Some(client) = &stream.client
        {
            client.account.release(client.stream, less);
            stream.charged.sub(less);
        }
    }
}
