//! Counts the data that clients leave unread, against the budget of all connections.

use std::time::Duration;

use super::Core;

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
            let held = stream.held();
            if held == 0 {
                continue;
            }
            // Copy only data that is stuck, not data that is moving.
            if std::mem::take(&mut stream.has_moved) {
                moving.push(key);
            } else {
                stream.detach();
            }
            if held > stream.charged
                && let Some(client) = &stream.client
            {
                client.account.charge(client.stream, held - stream.charged);
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
        if stream.charged == 0 {
            return;
        }
        let held = stream.held();
        if stream.charged > held
            && let Some(client) = &stream.client
        {
            client.account.release(client.stream, stream.charged - held);
            stream.charged = held;
        }
    }
}
