//! The end of the connection: GOAWAY, errors and shutdown.

use super::{Core, Ending};
use crate::{
    error::{By, ConnectionError, Error, Reason},
    frame::{Head, MOST, kind},
    refusal::Refusal,
};

impl Core {
    /// Ends the connection and all its streams with an error.
    pub(crate) fn fail(&mut self, error: &Error) {
        self.ending = Ending::Now;
        if self.error.is_none() {
            self.error = Some(error.clone());
        }
        for key in std::mem::take(&mut self.accept) {
            self.streams[key].handles = 0;
            if self.streams[key].state.is_closed() {
                self.remove(key);
            }
        }
        for key in self.live.values().copied().collect::<Vec<_>>() {
            self.close(key, error.clone(), By::Peer);
        }
        self.pings.wake();
        self.wake();
    }

    /// The peer is gone. If it sent GOAWAY before, that is the reason.
    pub(crate) fn has_lost_peer(&mut self, error: Error) {
        let said = self.sent_away.as_ref().map(|(error, _)| error);
        let said = said.filter(|said| said.reason() != Some(Reason::NO_ERROR)).cloned();
        self.fail(&said.unwrap_or(error));
    }

    /// Sends GOAWAY with this last stream.
    pub(super) fn go_away(&mut self, last: u32, reason: Reason, debug: &[u8]) {
        let out = self.out.buffer();
        Head { len: 8 + debug.len(), kind: kind::GOAWAY, flags: 0, stream: 0 }.put(out);
        out.extend_from_slice(&last.to_be_bytes());
        out.extend_from_slice(&u32::from(reason).to_be_bytes());
        out.extend_from_slice(debug);
        self.wake();
    }

    /// The last stream of the peer that this side accepted. It never rises above one already sent in a GOAWAY.
    pub(super) fn last_taken(&self) -> u32 {
        match self.ending {
            Ending::Final(last) => last,
            _ if self.is_server => self.last,
            _ => 0,
        }
    }

    /// Ends the connection with an error code.
    pub(crate) fn connection_error(&mut self, error: ConnectionError, by: By) {
        if self.ending != Ending::Now {
            let debug = error.refusal.map_or("", Refusal::as_str);
            self.go_away(self.last_taken(), error.reason, debug.as_bytes());
            if let Some(refusal) = error.refusal {
                self.budget.count(refusal);
            }
            self.fail(&Error::connection(error, by));
        }
    }

    /// Announces the end with a GOAWAY and a PING; the reply to the PING marks the last stream.
    pub(crate) fn end_gracefully(&mut self) {
        if self.ending == Ending::No {
            self.ending = Ending::Announced;
            self.go_away(MOST as u32, Reason::NO_ERROR, b"");
            self.pings.put_farewell(self.out.buffer());
        }
    }

    /// Called when the peer has seen the announcement: sends the final GOAWAY.
    pub(crate) fn end_finally(&mut self) {
        if self.ending == Ending::Announced {
            self.ending = Ending::Final(self.last);
            self.go_away(self.last, Reason::NO_ERROR, b"");
        }
    }

    /// Sends GOAWAY for an end without error, unless one was sent before.
    pub(crate) fn say_goodbye(&mut self) {
        if matches!(self.ending, Ending::No | Ending::Announced) {
            let last = self.last_taken();
            self.ending = Ending::Final(last);
            self.go_away(last, Reason::NO_ERROR, b"");
        }
    }

    /// Returns whether the connection ends as soon as the output is written.
    pub(crate) fn is_over(&self) -> bool {
        let is_empty = self.live.is_empty() && self.accept.is_empty();
        let takes_none = match self.ending {
            Ending::Now => return true,
            Ending::Final(_) => true,
            Ending::No | Ending::Announced => self.sent_away.is_some(),
        };
        is_empty && (takes_none || (!self.is_server && self.openers == 0))
    }
}
