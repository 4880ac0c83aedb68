//! DATA frames, and the windows that they count against.

use super::{Data, GROWTH, Received};
use crate::{
    core::Core,
    error::Reason,
    frame::{Head, flag, kind, put_number},
    refusal::Refusal,
};

impl Core {
    /// Handles a DATA frame. Its whole payload counts against the windows.
    pub(crate) fn recv_data(&mut self, head: Head, data: Data<'_>) -> Received {
        let (limits, is_end) = (self.ours.limits, head.has(flag::END_STREAM));
        self.recv_window -= head.len as i64;
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        if self.recv_window < 0 {
            return Err(Reason::FLOW_CONTROL_ERROR.into());
        }
        if data.len() > 0 {
            self.buckets.pings.earn(limits.pings, 1);
        } else if !is_end && !self.buckets.empty_data.take(limits.empty_data, self.now) {
            return Err(Refusal::EmptyDataFlood.into());
        }
        let Some(key) = self.live.get(&head.stream).copied() else {
            self.release_capacity(head.len);
            self.not_idle(head.stream)?;
            return self.recv_on_closed(head.stream, head.len);
        };
        let initial = self.recv_initial;
        let stream = &mut self.streams[key];
        let recv = &mut stream.recv;
        recv.window -= head.len as i64;
        let rest = recv.length.map(|length| length.checked_sub(data.len() as u64));
        let wrong = if stream.state.is_recv_end() {
            Some(Reason::STREAM_CLOSED)
        } else if initial + recv.window < 0 {
            Some(Reason::FLOW_CONTROL_ERROR)
        } else if !recv.has_begun || rest == Some(None) {
            Some(Reason::PROTOCOL_ERROR)
        } else {
            None
        };
        if let Some(reason) = wrong {
            self.release_capacity(head.len);
            return self.reset_for(key, reason);
        }
        recv.length = rest.flatten();
        let (len, is_ignored) = (data.len(), recv.is_ignored);
        recv.has_bare_end = is_end && len == 0;
        if !is_ignored && len > 0 {
            let is_slice = matches!(data, Data::Large(_));
            match data {
                Data::Large(data) => recv.push(data),
                Data::Small(data) => recv.push_small(data),
            }
            recv.reader.wake();
            self.unsettle(key, is_slice);
        }
        // Padding counts as read at once.
        let padding = head.len - len;
        if padding > 0 {
            self.release_stream_capacity(key, padding);
        }
        self.release_capacity(if is_ignored { head.len } else { padding });
        if is_end { self.recv_end(key) } else { Ok(()) }
    }

    /// Handles DATA or HEADERS on a closed stream. Frames that the peer sent before it knew are ignored.
    pub(super) fn recv_on_closed(&mut self, id: u32, len: usize) -> Received {
        if self.resets.expects(id, len) {
            return Ok(());
        }
        put_number(kind::RST_STREAM, id, Reason::STREAM_CLOSED.into(), self.out.buffer());
        self.count_stream_error()
    }

    /// Handles END_STREAM.
    pub(super) fn recv_end(&mut self, key: usize) -> Received {
        let stream = &mut self.streams[key];
        if stream.recv.length.is_some_and(|length| length > 0) {
            return self.reset_for(key, Reason::PROTOCOL_ERROR);
        }
        stream.state.recv_end();
        stream.recv.reader.wake();
        if stream.state.is_closed() {
            self.has_closed(key);
        }
        Ok(())
    }

    /// Called when data was read or dropped. Returns credit to the connection's window once it is half of what is
    /// left of the window, so that unread data of some streams never starves the others.
    pub(crate) fn release_capacity(&mut self, len: usize) {
        self.unreleased += len as u32;
        if self.unreleased > 0 && i64::from(self.unreleased) >= self.recv_window {
            self.recv_window += i64::from(self.unreleased);
            put_number(kind::WINDOW_UPDATE, 0, std::mem::take(&mut self.unreleased), self.out.buffer());
            self.wake();
        }
    }

    /// The same for a stream's window, which grows each time.
    pub(crate) fn release_stream_capacity(&mut self, key: usize, len: usize) {
        let initial = self.recv_initial;
        let most = self.ours.stream_window - self.ours.initial_stream_window;
        let stream = &mut self.streams[key];
        let recv = &mut stream.recv;
        recv.unreleased += len as u32;
        let left = initial + recv.window;
        if i64::from(recv.unreleased) < left || recv.unreleased == 0 || !stream.state.is_recv_open() {
            return;
        }
        let size = self.ours.initial_stream_window + recv.grown;
        let more = (size.saturating_mul(GROWTH - 1)).min(most - recv.grown);
        let is_granted =
            more > 0 && stream.client.as_ref().is_none_or(|client| client.account.grant(more as usize));
        if is_granted {
            recv.grown += more;
        }
        let credit = std::mem::take(&mut recv.unreleased) + if is_granted { more } else { 0 };
        recv.window += i64::from(credit);
        put_number(kind::WINDOW_UPDATE, stream.id, credit, self.out.buffer());
        self.wake();
    }
}
