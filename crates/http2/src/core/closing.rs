//! The end of a stream: reset, closed, or abandoned by its handles.

use super::Core;
use crate::{
    error::{By, Error, Reason},
    frame::{kind, put_number},
    stream::{Cause, State},
};

impl Core {
    /// Ends a stream early, and sends RST_STREAM unless the peer ended it.
    pub(crate) fn reset(&mut self, key: usize, reason: Reason, by: By) {
        let stream = &mut self.streams[key];
        if stream.state.is_closed() {
            return;
        }
        if by != By::Peer {
            let (id, window) = (stream.id, self.recv_initial + stream.recv.window);
            self.resets.push(id, window);
            put_number(kind::RST_STREAM, id, reason.into(), self.out.buffer());
        }
        self.close(key, Error::reset(reason, by), by);
    }

    /// Closes a stream without sending a frame.
    pub(crate) fn close(&mut self, key: usize, error: Error, by: By) {
        self.drop_queue(key);
        let stream = &mut self.streams[key];
        let is_whole = !self.is_server && stream.state.is_recv_end() && by == By::Peer;
        stream.state = State::Closed(if is_whole { Cause::Answered(error) } else { Cause::Error(error) });
        if by != By::Peer {
            self.ignore(key);
        } else if self.is_server {
            self.drop_unread(key);
        }
        self.streams[key].wake();
        self.has_closed(key);
    }

    /// Called when a stream has closed: from now on only its handles refer to it.
    pub(crate) fn has_closed(&mut self, key: usize) {
        self.live.remove(&self.streams[key].id);
        if self.streams[key].handles == 0 {
            self.remove(key);
        }
        if self.live.is_empty() {
            self.wake();
        }
    }

    pub(super) fn remove(&mut self, key: usize) {
        self.ignore(key);
        self.drop_queue(key);
        let stream = self.streams.remove(key);
        if let Some(client) = &stream.client {
            if stream.charged.bytes > 0 {
                client.account.release(client.stream, stream.charged);
            }
            if stream.recv.grown > 0 {
                client.account.return_grant(stream.recv.grown as usize);
            }
        }
    }

    /// Discards unread and future data of a stream.
    pub(crate) fn ignore(&mut self, key: usize) {
        self.streams[key].recv.is_ignored = true;
        self.drop_unread(key);
    }

    pub(super) fn drop_unread(&mut self, key: usize) {
        let unread = self.streams[key].recv.clear();
        if unread > 0 {
            self.uncharge(key);
            self.release_capacity(unread);
        }
    }

    pub(super) fn drop_queue(&mut self, key: usize) {
        self.pending_send.remove(&mut self.streams, key);
        self.stalled.remove(&mut self.streams, key);
        if !self.streams[key].send.is_empty() {
            self.streams[key].send.clear();
            self.uncharge(key);
        }
    }

    /// Drops a handle. A stream without handles is over; a response ends after all data handed over was sent.
    pub(crate) fn release(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.handles -= 1;
        if stream.handles > 0 {
            return;
        }
        if stream.state.is_closed() {
            self.remove(key);
        } else if self.is_server && stream.is_ending() {
            self.ignore(key);
        } else {
            self.abandon(key);
        }
    }

    /// Called when nothing reads what the peer still sends.
    pub(crate) fn abandon(&mut self, key: usize) {
        let has_answered = self.is_server && !self.streams[key].is_send_open();
        self.reset(key, if has_answered { Reason::NO_ERROR } else { Reason::CANCEL }, By::User);
        self.wake();
    }
}
