//! The receiving side: the effect of each frame on the connection and its streams (RFC 9113, 5 and 6).
//!
//! Connection errors are returned. Stream errors are sent to the peer as RST_STREAM.

use bytes::Bytes;
use http::{Response, StatusCode};

use crate::{
    budget::StreamAccount,
    core::{Core, Ending},
    error::{By, ConnectionError, Error, Reason},
    frame::{Head, MOST, flag, kind, number, put_number},
    head::{Fields, Uris},
    refusal::Refusal,
    stream::{self, SMALL, Stream},
};

/// Header lists of at most this many bytes are not counted.
const SHORT_LIST: usize = 4 << 10;
/// When half of a window was read, the window grows to this many times its size.
const GROWTH: u32 = 4;

type Received = Result<(), ConnectionError>;

/// The content of a DATA frame.
pub(crate) enum Data<'a> {
    /// Short data, to be copied.
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

    /// Returns whether data of this length should be copied.
    pub(crate) fn is_small(len: usize) -> bool {
        len < SMALL
    }
}

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
    fn recv_on_closed(&mut self, id: u32, len: usize) -> Received {
        if self.resets.expects(id, len) {
            return Ok(());
        }
        put_number(kind::RST_STREAM, id, Reason::STREAM_CLOSED.into(), self.out.buffer());
        self.count_stream_error()
    }

    /// Handles a complete header block.
    pub(crate) fn recv_headers(&mut self, head: Head, fields: Fields, uris: &mut Uris) -> Received {
        let limits = self.ours.limits;
        self.buckets.ignored_frames.earn(limits.ignored_frames, 2);
        let is_end = head.has(flag::END_STREAM);
        if let Some(key) = self.live.get(&head.stream).copied() {
            let stream = &self.streams[key];
            return if stream.state.is_recv_end() {
                self.reset_for(key, Reason::STREAM_CLOSED)
            } else if fields.is_too_long {
                self.budget.count(Refusal::HeaderList);
                self.reset_for(key, Reason::ENHANCE_YOUR_CALM)
            } else if stream.recv.has_begun {
                self.recv_trailers(key, fields, is_end)
            } else {
                self.recv_response(key, fields, is_end)
            };
        }
        if !self.is_server || head.stream <= self.last {
            self.not_idle(head.stream)?;
            // A used id is never reused (RFC 9113, 5.1.1).
            if self.is_server && !self.resets.expects(head.stream, 0) {
                return Err(Reason::STREAM_CLOSED.into());
            }
            return Ok(());
        }
        if head.stream.is_multiple_of(2) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        self.last = head.stream;
        // For streams opened after the final GOAWAY, only the header compression is kept in sync.
        if matches!(self.ending, Ending::Final(_) | Ending::Now) {
            self.resets.push(head.stream, self.recv_initial);
            return Ok(());
        }
        if fields.is_too_long {
            self.answer_too_long(head.stream, is_end);
            return Ok(());
        }
        self.recv_request(head.stream, fields, uris, is_end)
    }

    fn recv_request(&mut self, id: u32, fields: Fields, uris: &mut Uris, is_end: bool) -> Received {
        let (length, size) = (fields.length, fields.size);
        let Ok(request) = fields.request(uris) else {
            self.refuse(id, Reason::PROTOCOL_ERROR);
            return self.count_stream_error();
        };
        if self.live.len() >= self.ours.max_concurrent_streams as usize {
            self.refuse(id, Reason::REFUSED_STREAM);
            // The peer may not know our limit yet.
            return if self.awaits_ack { Ok(()) } else { self.count_stream_error() };
        }
        let mut stream = Box::new(Stream::new(id));
        stream.opened = self.now;
        stream.client =
            self.account.as_ref().map(|account| StreamAccount { account: account.clone(), stream: id });
        stream.recv.has_begun = true;
        stream.recv.length = length;
        stream.recv.head = Some(stream::Head::Request(request));
        let key = self.streams.insert(stream);
        self.live.insert(id, key);
        self.accept.push_back(key);
        self.count_list(key, size);
        if is_end { self.recv_end(key) } else { Ok(()) }
    }

    /// Adds a long header list to the bytes that the stream holds.
    fn count_list(&mut self, key: usize, size: usize) {
        if size > SHORT_LIST {
            self.streams[key].recv.listed += size;
            self.unsettle(key, false);
        }
    }

    /// Resets a stream before it begins.
    fn refuse(&mut self, id: u32, reason: Reason) {
        self.resets.push(id, self.recv_initial);
        put_number(kind::RST_STREAM, id, reason.into(), self.out.buffer());
    }

    /// Counts a stream error of the peer. Too many of them end the connection.
    fn count_stream_error(&mut self) -> Received {
        self.stream_errors += 1;
        let is_over = self.is_server && self.stream_errors > self.ours.limits.stream_errors;
        if is_over { Err(Refusal::StreamErrors.into()) } else { Ok(()) }
    }

    /// Resets a stream because of an error of the peer.
    fn reset_for(&mut self, key: usize, reason: Reason) -> Received {
        self.reset(key, reason, By::Library);
        self.count_stream_error()
    }

    /// Responds with 431 to a request whose header list is too long.
    fn answer_too_long(&mut self, id: u32, is_end: bool) {
        self.budget.count(Refusal::HeaderList);
        let said = self.put_head(id, true, |encoder, out| {
            encoder.begin(out);
            encoder.status(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, out);
            Ok(())
        });
        if said.is_ok() && !is_end {
            self.refuse(id, Reason::NO_ERROR);
        }
    }

    fn recv_response(&mut self, key: usize, fields: Fields, is_end: bool) -> Received {
        let (length, size) = (fields.length, fields.size);
        let recv = &mut self.streams[key].recv;
        match fields.response() {
            // An informational response; the final one is still to come.
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
        self.count_list(key, size);
        if is_end { self.recv_end(key) } else { Ok(()) }
    }

    fn recv_trailers(&mut self, key: usize, fields: Fields, is_end: bool) -> Received {
        let size = fields.size;
        let Some(trailers) = fields.trailers().ok().filter(|_| is_end) else {
            return self.reset_for(key, Reason::PROTOCOL_ERROR);
        };
        self.streams[key].recv.trailers = Some(trailers);
        self.count_list(key, size);
        self.recv_end(key)
    }

    /// Handles END_STREAM.
    fn recv_end(&mut self, key: usize) -> Received {
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

    pub(crate) fn recv_reset(&mut self, head: Head, payload: &[u8]) -> Received {
        let reason = number(payload)?.into();
        let Some(key) = self.live.get(&head.stream).copied() else {
            return self.not_idle(head.stream);
        };
        let limits = &self.ours.limits;
        let stream = &self.streams[key];
        let is_young = u128::from(self.now - stream.opened) < limits.reset_within.as_nanos();
        let is_rapid = self.is_server && is_young && !stream.send.has_answered;
        if is_rapid && !self.buckets.resets.take(limits.resets, self.now) {
            self.slow_down()?;
        }
        self.reset(key, reason, By::Peer);
        Ok(())
    }

    /// Pauses reading until the peer may reset streams again. Ends the connection if the peer never pauses.
    fn slow_down(&mut self) -> Received {
        let limits = &self.ours.limits;
        let since = self.slowed.map_or(self.now, |(since, _)| since);
        if u128::from(self.now - since) > limits.slowed_for.as_nanos() {
            return Err(Refusal::RapidReset.into());
        }
        if self.slowed.is_none() {
            self.budget.count(Refusal::RapidReset);
        }
        let wait = self.buckets.resets.wait(limits.resets, self.now);
        self.slowed = Some((since, self.now + wait.as_nanos() as u64));
        Ok(())
    }

    pub(crate) fn recv_settings(&mut self, head: Head, payload: &[u8]) -> Received {
        let limits = &self.ours.limits;
        if !self.buckets.settings.take(limits.settings, self.now) {
            return Err(Refusal::SettingsFlood.into());
        }
        let before = self.allowed.window;
        self.allowed.update(head, payload, self.is_server, limits.settings_entries)?;
        if head.has(flag::ACK) {
            // It acknowledges our only SETTINGS frame.
            if !std::mem::take(&mut self.awaits_ack) {
                return Err(Reason::PROTOCOL_ERROR.into());
            }
            self.recv_initial = self.ours.initial_stream_window.into();
            return Ok(());
        }
        for size in self.allowed.header_table.take().into_iter().flatten() {
            self.encoder.set_max_size(size);
        }
        if self.allowed.window > before {
            self.widen_all()?;
        }
        self.acknowledge(kind::SETTINGS, &[]);
        Ok(())
    }

    /// The initial window has grown; grows each stream's window with it.
    fn widen_all(&mut self) -> Received {
        if self.allowed.window + self.most_widened > MOST {
            let streams = self.live.values().map(|key| self.streams[*key].send.window);
            self.most_widened = streams.max().unwrap_or(0).max(0);
            if self.allowed.window + self.most_widened > MOST {
                return Err(Reason::FLOW_CONTROL_ERROR.into());
            }
        }
        let open = |stream: &Stream| self.allowed.window + stream.send.window > 0;
        let keys = self.stalled.iter(&self.streams).filter(|key| open(&self.streams[*key]));
        for key in keys.collect::<Vec<_>>() {
            self.stalled.remove(&mut self.streams, key);
            self.schedule(key);
        }
        Ok(())
    }

    pub(crate) fn recv_window_update(&mut self, head: Head, payload: &[u8]) -> Received {
        let more = i64::from(number(payload)?) & MOST;
        if !self.buckets.window_updates.take(self.ours.limits.window_updates, self.now) {
            return Err(Refusal::WindowUpdateFlood.into());
        }
        if head.stream == 0 {
            self.send_window += more;
            return match more {
                0 => Err(Reason::PROTOCOL_ERROR.into()),
                _ if self.send_window > MOST => Err(Reason::FLOW_CONTROL_ERROR.into()),
                _ => Ok(()),
            };
        }
        let Some(key) = self.live.get(&head.stream).copied() else {
            return self.not_idle(head.stream);
        };
        let send = &mut self.streams[key].send;
        send.window += more;
        if more == 0 {
            return self.reset_for(key, Reason::PROTOCOL_ERROR);
        }
        if self.allowed.window + send.window > MOST {
            return self.reset_for(key, Reason::FLOW_CONTROL_ERROR);
        }
        self.most_widened = self.most_widened.max(send.window);
        if self.allowed.window + send.window > 0 {
            self.stalled.remove(&mut self.streams, key);
            self.schedule(key);
        }
        Ok(())
    }

    pub(crate) fn recv_ping(&mut self, head: Head, payload: &[u8]) -> Received {
        match (head.stream, payload.len()) {
            (0, 8) if !self.buckets.pings.take(self.ours.limits.pings, self.now) => {
                return Err(Refusal::PingFlood.into());
            }
            (0, 8) if !head.has(flag::ACK) => self.acknowledge(kind::PING, payload),
            (0, 8) if self.pings.recv_pong(payload) => self.end_finally(),
            (0, 8) => {}
            (0, _) => return Err(Reason::FRAME_SIZE_ERROR.into()),
            _ => return Err(Reason::PROTOCOL_ERROR.into()),
        }
        Ok(())
    }

    pub(crate) fn recv_go_away(&mut self, head: Head, payload: &[u8]) -> Received {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let ([last, reason], debug) = match payload.as_chunks::<4>().0.first_chunk::<2>() {
            Some(words) => (words.map(u32::from_be_bytes), &payload[8..]),
            None => return Err(Reason::FRAME_SIZE_ERROR.into()),
        };
        let last = last & MOST as u32;
        // A later GOAWAY must not raise the last stream (RFC 9113, 6.8).
        if self.sent_away.as_ref().is_some_and(|(_, before)| last > *before) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        let error = Error::go_away(reason.into(), debug);
        if !self.is_server {
            let unprocessed = error.clone().unprocessed();
            for (id, key) in self.live.iter().map(|(id, key)| (*id, *key)).collect::<Vec<_>>() {
                if id > last {
                    self.close(key, unprocessed.clone(), By::Peer);
                }
            }
        }
        self.sent_away = Some((error, last));
        Ok(())
    }

    /// Handles a frame without effect.
    pub(crate) fn recv_ignored(&mut self) -> Received {
        let has_room = self.buckets.ignored_frames.take(self.ours.limits.ignored_frames, self.now);
        if has_room { Ok(()) } else { Err(Refusal::IgnoredFrameFlood.into()) }
    }

    /// Fails if the stream was never opened. Frames for a closed stream are merely late.
    fn not_idle(&self, id: u32) -> Received {
        let is_clients = !id.is_multiple_of(2);
        if is_clients && id <= self.last { Ok(()) } else { Err(Reason::PROTOCOL_ERROR.into()) }
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

/// Returns whether a response is interim. (HTTP/2 has no 101.)
fn is_interim(response: &Response<()>) -> bool {
    response.status().is_informational() && response.status() != StatusCode::SWITCHING_PROTOCOLS
}

/// Returns whether a response has no body, whatever its `content-length`.
fn is_bodiless(response: &Response<()>) -> bool {
    matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
