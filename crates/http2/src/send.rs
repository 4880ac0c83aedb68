//! The sending side: heads are sent at once, data as windows and the socket allow.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response};

use crate::{
    budget::StreamAccount,
    core::Core,
    error::{By, Error, Reason},
    frame::{HEAD, Head, MOST, flag, kind},
    head::{Limit, put_request, put_response, put_trailers},
    hpack::Encoder,
    list::Place,
    stream::{End, Stream},
};

/// Once this many bytes wait for the socket, data waits in its stream.
pub(crate) const ROOM: usize = 128 << 10;
/// Responses to a peer that does not read are given up beyond this many times [`crate::Limits::output`]. From there
/// each call can only add its head and trailers.
const GIVEN_UP: usize = 16;

/// The number of WINDOW_UPDATE frames that one sent DATA frame explains.
const UPDATES: u64 = 8;

impl Core {
    /// Opens a stream, and returns its key.
    pub(crate) fn open(&mut self, request: &Request<()>, end: bool) -> Result<usize, Error> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        if let Some((error, _)) = &self.sent_away {
            return Err(error.clone().unprocessed());
        }
        let is_full = self.live.len() >= self.allowed.streams || self.is_busy();
        let id = self.next_id().filter(|_| !is_full).ok_or_else(Error::full)?;
        let limit = Limit(self.allowed.header_list);
        self.put_head(id, end, |encoder, out| put_request(request, limit, encoder, out))?;
        self.last = id;
        let mut stream = Box::new(Stream::new(id));
        stream.opened = self.now;
        stream.client = StreamAccount::current();
        if end {
            stream.state.send_end();
        }
        if request.method() == http::Method::HEAD {
            // Its `content-length` describes the response to a GET.
            stream.recv.is_bodiless = true;
        }
        let key = self.streams.insert(stream);
        self.live.insert(id, key);
        self.wake();
        Ok(key)
    }

    /// The id of the next stream; `None` if all ids are used.
    pub(crate) fn next_id(&self) -> Option<u32> {
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        (i64::from(id) <= MOST).then_some(id)
    }

    pub(crate) fn respond(&mut self, key: usize, response: &Response<()>, end: bool) -> Result<(), Error> {
        self.give_up_unread(key);
        let id = self.sending(key)?.id;
        let limit = Limit(self.allowed.header_list);
        self.put_head(id, end, |encoder, out| put_response(response, limit, encoder, out))?;
        self.streams[key].send.has_answered = true;
        if end {
            self.has_sent(key);
        }
        self.wake();
        Ok(())
    }

    /// Resets a stream if the peer leaves far too much unread.
    fn give_up_unread(&mut self, key: usize) {
        if self.out.len() + self.writing > GIVEN_UP * self.ours.limits.output {
            self.reset(key, Reason::ENHANCE_YOUR_CALM, By::Library);
        }
    }

    pub(crate) fn send_data(&mut self, key: usize, data: Bytes, end: bool) -> Result<(), Error> {
        let (room, most) = (self.has_capacity(), self.allowed.payload);
        let has_turn = self.pending_send.is_empty();
        let (initial, connection_window) = (self.allowed.window, self.send_window);
        let stream = self.sending(key)?;
        let send = &mut stream.send;
        let len = data.len() as i64;
        let fits = len == 0 || (room && has_turn && len <= (initial + send.window).min(connection_window));
        if send.is_empty() && fits && data.len() <= most {
            if len > 0 || end {
                send.window -= len;
                let id = stream.id;
                self.send_window -= len;
                self.put_data(id, data, end);
            }
            if end {
                self.has_sent(key);
            }
        } else {
            if end {
                send.end = End::Last;
            }
            if len > 0 {
                send.push(data);
            }
            self.schedule(key);
            self.pump();
            if self.streams.get(key).is_some_and(|stream| !stream.send.is_empty()) {
                self.unsettle(key, true);
            }
        }
        self.wake();
        Ok(())
    }

    pub(crate) fn send_trailers(&mut self, key: usize, trailers: HeaderMap) -> Result<(), Error> {
        self.give_up_unread(key);
        let limit = Limit(self.allowed.header_list);
        let stream = self.sending(key)?;
        limit.check([], &trailers)?;
        if stream.send.is_empty() {
            self.put_trailers(key, &trailers)?;
        } else {
            stream.send.end = End::Trailers(trailers.into());
        }
        self.wake();
        Ok(())
    }

    /// The stream, if more may be sent on it.
    fn sending(&mut self, key: usize) -> Result<&mut Stream, Error> {
        let stream = &mut self.streams[key];
        match stream.state.error() {
            Some(error) => Err(error.clone()),
            None if !stream.is_send_open() => Err(Error::misused("the stream's end is sent already")),
            None => Ok(stream),
        }
    }

    fn has_capacity(&self) -> bool {
        self.out.len() + self.writing < ROOM
    }

    /// Sends what windows and the socket have room for, one frame per stream in turn.
    pub(crate) fn pump(&mut self) {
        let was_open = self.send_window > 0;
        while self.has_capacity() && self.send_window > 0 {
            let Some(key) = self.pending_send.pop(&mut self.streams) else { return };
            self.send_some(key);
        }
        if was_open && self.send_window <= 0 {
            // They now wait for the peer.
            for key in self.pending_send.iter(&self.streams).collect::<Vec<_>>() {
                self.streams[key].send.writer.wake();
            }
        }
    }

    /// Sends one frame from a stream's queue.
    fn send_some(&mut self, key: usize) {
        let most = (self.allowed.window + self.streams[key].send.window).min(self.send_window);
        let most = most.clamp(0, self.allowed.payload as i64) as usize;
        if most == 0 {
            // The window has shrunk.
            return self.schedule(key);
        }
        let stream = &mut self.streams[key];
        let (id, send) = (stream.id, &mut stream.send);
        let Some((data, is_empty)) = send.pop(most) else { return };
        stream.has_moved = true;
        let len = data.len() as i64;
        send.window -= len;
        self.send_window -= len;
        let is_last = is_empty && matches!(send.end, End::Last);
        let goes_on = !is_empty && self.allowed.window + send.window > 0;
        if !goes_on {
            // There is room, or the queue is stalled until the peer makes room.
            send.writer.wake();
        }
        if stream.charged.bytes > 0 {
            self.uncharge(key);
        }
        if !is_empty {
            self.schedule(key);
        }
        self.put_data(id, data, is_last);
        if is_last {
            self.has_sent(key);
        } else if is_empty {
            self.send_waiting_trailers(key);
        }
    }

    fn send_waiting_trailers(&mut self, key: usize) {
        let end = &mut self.streams[key].send.end;
        if matches!(end, End::Trailers(_))
            && let End::Trailers(trailers) = std::mem::take(end)
            && self.put_trailers(key, &trailers).is_err()
        {
            self.reset(key, Reason::INTERNAL_ERROR, By::Library);
        }
    }

    /// Puts a stream with queued data into the right list.
    pub(crate) fn schedule(&mut self, key: usize) {
        let send = &self.streams[key].send;
        if send.is_empty() || send.links.place != Place::Nowhere {
            return;
        }
        let is_open = self.allowed.window + send.window > 0;
        let list = if is_open { &mut self.pending_send } else { &mut self.stalled };
        list.push(&mut self.streams, key);
    }

    fn put_trailers(&mut self, key: usize, trailers: &HeaderMap) -> Result<(), Error> {
        let id = self.streams[key].id;
        self.put_head(id, true, |encoder, out| {
            put_trailers(trailers, encoder, out);
            Ok(())
        })?;
        self.has_sent(key);
        Ok(())
    }

    /// Called when END_STREAM was written.
    fn has_sent(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.send.end = End::Open;
        stream.state.send_end();
        if stream.state.is_closed() {
            self.has_closed(key);
        } else if stream.handles == 0 {
            self.abandon(key);
        }
    }

    fn put_data(&mut self, stream: u32, data: Bytes, end: bool) {
        let (buckets, limits) = (&mut self.buckets, &self.ours.limits);
        buckets.pings.earn(limits.pings, 1);
        buckets.window_updates.earn(limits.window_updates, UPDATES);
        let flags = if end { flag::END_STREAM } else { 0 };
        Head { len: data.len(), kind: kind::DATA, flags, stream }.put(self.out.buffer());
        self.out.push(data);
    }

    /// Writes a header block as HEADERS and, if needed, CONTINUATION frames.
    pub(crate) fn put_head(
        &mut self,
        stream: u32,
        end: bool,
        put: impl FnOnce(&mut Encoder, &mut BytesMut) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let out = self.out.buffer();
        let start = out.len();
        out.extend_from_slice(&[0; HEAD]);
        if let Err(error) = put(&mut self.encoder, out) {
            out.truncate(start);
            return Err(error);
        }
        let len = out.len() - start - HEAD;
        let end_stream = if end { flag::END_STREAM } else { 0 };
        let most = self.allowed.payload;
        if len <= most {
            let flags = end_stream | flag::END_HEADERS;
            let head = Head { len, kind: kind::HEADERS, flags, stream };
            out[start..start + HEAD].copy_from_slice(&head.bytes());
            return Ok(());
        }
        let block = out.split_off(start + HEAD);
        out.truncate(start);
        let parts = len.div_ceil(most);
        for (n, part) in block.chunks(most).enumerate() {
            let (kind, flags) = if n == 0 { (kind::HEADERS, end_stream) } else { (kind::CONTINUATION, 0) };
            let flags = if n + 1 == parts { flags | flag::END_HEADERS } else { flags };
            Head { len: part.len(), kind, flags, stream }.put(out);
            out.extend_from_slice(part);
        }
        Ok(())
    }
}
