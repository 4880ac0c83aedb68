//! The receiving side: what each frame does to the connection and its streams (RFC 9113, 5 and 6).
//!
//! An error of a whole connection is given back; a stream's own is told to the peer by a RST_STREAM.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{
    core::{Core, Ending},
    error::{By, Error, Reason},
    frame::{Head, MOST, flag, kind, number, put_number},
    head::{Fields, Uris},
    stream::{self, SMALL, Stream},
};

/// So often a client may make this side reset a stream, beyond the streams that end as they should.
const FAULTS: usize = 1024;

/// A DATA frame's content.
pub(crate) enum Data<'a> {
    /// To be copied.
    Small(&'a [u8]),
    Large(Bytes),
}

impl Data<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Small(data) => data.len(),
            Self::Large(data) => data.len(),
        }
    }

    /// Whether it is better copied.
    pub(crate) fn is_small(len: usize) -> bool {
        len < SMALL
    }
}

impl Core {
    /// A DATA frame: its content, and all of it, as windows count it.
    pub(crate) fn data_came(&mut self, head: Head, data: Data<'_>) -> Result<(), Reason> {
        self.recv_window -= head.len as i64;
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if self.recv_window < 0 {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        let Some(key) = self.live.get(&head.stream).copied() else {
            self.give_back(head.len);
            return self.not_idle(head.stream);
        };
        let recv = &mut self.streams[key].recv;
        recv.window -= head.len as i64;
        let rest = recv.length.map(|length| length.checked_sub(data.len() as u64));
        let wrong = if recv.has_ended {
            Some(Reason::STREAM_CLOSED)
        } else if recv.window < 0 {
            Some(Reason::FLOW_CONTROL_ERROR)
        } else if !recv.has_begun || rest == Some(None) {
            Some(Reason::PROTOCOL_ERROR)
        } else {
            None
        };
        if let Some(reason) = wrong {
            self.give_back(head.len);
            return self.reset_for(key, reason);
        }
        recv.length = rest.flatten();
        let (len, is_ignored) = (data.len(), recv.is_ignored);
        if !is_ignored {
            match data {
                Data::Large(data) if !recv.is_behind(len) => recv.push(data),
                Data::Large(data) => recv.push_small(&data),
                Data::Small(data) => recv.push_small(data),
            }
            recv.reader.wake();
        }
        // Padding is read at once.
        let padding = head.len - len;
        if padding > 0 {
            self.give_back_stream(key, padding);
        }
        self.give_back(if is_ignored { head.len } else { padding });
        if head.has(flag::END_STREAM) {
            self.streams[key].recv.ends_apart = len == 0;
            return self.has_received(key);
        }
        Ok(())
    }

    /// A whole header block.
    pub(crate) fn head_came(&mut self, head: Head, fields: Fields, uris: &mut Uris) -> Result<(), Reason> {
        let is_end = head.has(flag::END_STREAM);
        if let Some(key) = self.live.get(&head.stream).copied() {
            let recv = &self.streams[key].recv;
            return if recv.has_ended {
                self.reset_for(key, Reason::STREAM_CLOSED)
            } else if fields.is_too_long {
                self.reset_for(key, Reason::ENHANCE_YOUR_CALM)
            } else if recv.has_begun {
                self.trailers_came(key, fields, is_end)
            } else {
                self.response_came(key, fields, is_end)
            };
        }
        if !self.is_server || head.stream <= self.last {
            self.not_idle(head.stream)?;
            // A request that takes up an old id would wait for ever. Trailers that are late hear it too.
            if self.is_server {
                self.refuse(head.stream, Reason::STREAM_CLOSED);
            }
            return Ok(());
        }
        if head.stream.is_multiple_of(2) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.last = head.stream;
        // Of what was opened after the last GOAWAY, only the compression is followed.
        if matches!(self.ending, Ending::Final(_) | Ending::Now) {
            return Ok(());
        }
        if fields.is_too_long {
            self.answer_too_long(head.stream, is_end);
            return Ok(());
        }
        let length = fields.length;
        let Ok(request) = fields.request(uris) else {
            self.refuse(head.stream, Reason::PROTOCOL_ERROR);
            return self.count_fault();
        };
        if self.live.len() >= self.ours.max_concurrent_streams as usize {
            self.refuse(head.stream, Reason::REFUSED_STREAM);
            return Ok(());
        }
        let mut stream = Stream::new(head.stream, self.ours.stream_window.into(), self.allowed.window);
        stream.recv.has_begun = true;
        stream.recv.length = length;
        stream.recv.head = Some(stream::Head::Request(request));
        let key = self.streams.insert(stream.into());
        self.live.insert(head.stream, key);
        self.accept.push_back(key);
        if is_end { self.has_received(key) } else { Ok(()) }
    }

    /// Resets a stream that is not begun.
    fn refuse(&mut self, id: u32, reason: Reason) {
        put_number(kind::RST_STREAM, id, reason.into(), self.out.buffer());
    }

    /// The peer has made this side reset a stream: at some point that's no mistake any more.
    fn count_fault(&mut self) -> Result<(), Reason> {
        self.faults += 1;
        if self.is_server && self.faults > FAULTS { Err(Reason::ENHANCE_YOUR_CALM) } else { Ok(()) }
    }

    /// Resets a stream for what the peer did.
    fn reset_for(&mut self, key: usize, reason: Reason) -> Result<(), Reason> {
        self.reset(key, reason, By::Library);
        self.count_fault()
    }

    /// Says 431 to a request whose fields are more than this side takes.
    fn answer_too_long(&mut self, id: u32, is_end: bool) {
        let said = self.head(id, true, |encoder, out| {
            encoder.begin(out);
            encoder.status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, out);
            Ok(())
        });
        if said.is_ok() && !is_end {
            self.refuse(id, Reason::NO_ERROR);
        }
    }

    fn response_came(&mut self, key: usize, fields: Fields, is_end: bool) -> Result<(), Reason> {
        let length = fields.length;
        let recv = &mut self.streams[key].recv;
        match fields.response() {
            // Informational: the answer is still to come.
            Ok(response) if is_interim(&response) && !is_end => return Ok(()),
            Ok(response) if !response.status().is_informational() => {
                let is_bodiless = recv.is_bodiless || is_bodiless(&response);
                recv.length = length.filter(|_| !is_bodiless);
                recv.head = Some(stream::Head::Response(response));
                recv.has_begun = true;
                recv.reader.wake();
            }
            _ => return self.reset_for(key, Reason::PROTOCOL_ERROR),
        }
        if is_end { self.has_received(key) } else { Ok(()) }
    }

    fn trailers_came(&mut self, key: usize, fields: Fields, is_end: bool) -> Result<(), Reason> {
        let Some(trailers) = fields.trailers().ok().filter(|_| is_end) else {
            return self.reset_for(key, Reason::PROTOCOL_ERROR);
        };
        self.streams[key].recv.trailers = Some(trailers);
        self.has_received(key)
    }

    /// The peer has ended a stream.
    fn has_received(&mut self, key: usize) -> Result<(), Reason> {
        let stream = &mut self.streams[key];
        let recv = &mut stream.recv;
        if recv.length.is_some_and(|length| length > 0) {
            return self.reset_for(key, Reason::PROTOCOL_ERROR);
        }
        recv.has_ended = true;
        recv.reader.wake();
        if stream.is_over() {
            self.over(key);
        }
        Ok(())
    }

    pub(crate) fn reset_came(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        let reason = number(payload)?.into();
        let Some(key) = self.live.get(&head.stream).copied() else {
            return self.not_idle(head.stream);
        };
        if self.is_server && self.accept.iter().rev().any(|waiting| *waiting == key) {
            self.early_resets += 1;
            if self.early_resets > self.ours.max_early_resets {
                return Err(Reason::ENHANCE_YOUR_CALM);
            }
        }
        self.reset(key, reason, By::Peer);
        Ok(())
    }

    pub(crate) fn settings_came(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        let before = self.allowed.window;
        self.allowed.update(head, payload, self.is_server)?;
        if head.has(flag::ACK) {
            return Ok(());
        }
        if let Some(size) = self.allowed.header_table.take() {
            self.encoder.set_max_size(size);
        }
        let more = self.allowed.window - before;
        if more != 0 {
            for key in self.live.values().copied().collect::<Vec<_>>() {
                self.widen(key, more)?;
            }
        }
        self.acknowledge(kind::SETTINGS, &[]);
        Ok(())
    }

    fn widen(&mut self, key: usize, more: i64) -> Result<(), Reason> {
        let send = &mut self.streams[key].send;
        send.window += more;
        if send.window > MOST {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        self.line_up(key);
        Ok(())
    }

    pub(crate) fn window_came(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        let more = i64::from(number(payload)?) & MOST;
        if head.stream == 0 {
            self.send_window += more;
            return match more {
                0 => Err(Reason::PROTOCOL_ERROR),
                _ if self.send_window > MOST => Err(Reason::FLOW_CONTROL_ERROR),
                _ => Ok(()),
            };
        }
        let Some(key) = self.live.get(&head.stream).copied() else {
            return self.not_idle(head.stream);
        };
        match self.widen(key, more) {
            _ if more == 0 => self.reset_for(key, Reason::PROTOCOL_ERROR),
            Err(reason) => self.reset_for(key, reason),
            Ok(()) => Ok(()),
        }
    }

    pub(crate) fn ping_came(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        match (head.stream, payload.len()) {
            (0, 8) if !head.has(flag::ACK) => self.acknowledge(kind::PING, payload),
            (0, 8) if self.pings.answered(payload) => self.end_finally(),
            (0, 8) => {}
            (0, _) => return Err(Reason::FRAME_SIZE_ERROR),
            _ => return Err(Reason::PROTOCOL_ERROR),
        }
        Ok(())
    }

    pub(crate) fn go_away_came(&mut self, head: Head, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let [last, reason] =
            *payload.as_chunks::<4>().0.first_chunk::<2>().ok_or(Reason::FRAME_SIZE_ERROR)?;
        let (last, reason) = (i64::from(u32::from_be_bytes(last)) & MOST, u32::from_be_bytes(reason).into());
        let error = Error::sent_away(reason, &payload[8..]);
        if !self.is_server {
            for (id, key) in self.live.iter().map(|(id, key)| (*id, *key)).collect::<Vec<_>>() {
                if i64::from(id) > last {
                    self.cut(key, &error);
                }
            }
        }
        self.sent_away = Some(error);
        Ok(())
    }

    /// What comes for a stream that is over is late; for one that never was, it is wrong.
    fn not_idle(&self, id: u32) -> Result<(), Reason> {
        let is_clients = !id.is_multiple_of(2);
        if is_clients && id <= self.last { Ok(()) } else { Err(Reason::PROTOCOL_ERROR) }
    }

    /// Data was read or dropped: the connection's window is given back from time to time.
    pub(crate) fn give_back(&mut self, len: usize) {
        self.owed += len as u32;
        if self.owed >= self.ours.connection_window / 2 {
            self.recv_window += i64::from(self.owed);
            put_number(kind::WINDOW_UPDATE, 0, std::mem::take(&mut self.owed), self.out.buffer());
            self.kick();
        }
    }

    /// So does a stream's.
    pub(crate) fn give_back_stream(&mut self, key: usize, len: usize) {
        let stream = &mut self.streams[key];
        let (id, is_over) = (stream.id, stream.is_over());
        let recv = &mut stream.recv;
        recv.owed += len as u32;
        if recv.owed >= self.ours.stream_window / 2 && !recv.has_ended && !is_over {
            recv.window += i64::from(recv.owed);
            put_number(kind::WINDOW_UPDATE, id, std::mem::take(&mut recv.owed), self.out.buffer());
            self.kick();
        }
    }
}

/// Whether the answer is still to come. (There is no switching of protocols in HTTP/2.)
fn is_interim(response: &Response<()>) -> bool {
    response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS
}

/// Whether an answer has no body, whatever its `content-length` says.
fn is_bodiless(response: &Response<()>) -> bool {
    matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
