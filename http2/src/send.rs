//! The sending side: heads at once, data as windows and the socket allow.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};

use crate::{
    core::Core,
    error::{Error, Reason},
    frame::{HEAD, Head, MOST, flag, kind},
    head::{RawAuthority, check, put_request, put_response, put_trailers},
    hpack::Encoder,
    stream::{End, Send, Stream},
};

/// Bytes that wait for the socket before data waits in its stream.
const ROOM: usize = 128 << 10;
/// What a field counts beside its name and value (RFC 9113, 6.5.2).
const OVERHEAD: usize = 32;

/// Bytes of a request's pseudo-header fields.
fn request_size(request: &Request<()>) -> usize {
    let uri = request.uri();
    let raw = request.extensions().get::<RawAuthority>().map_or(0, |raw| raw.0.len());
    let authority = uri.authority().map_or(raw, |authority| authority.as_str().len());
    let path = uri.path_and_query().map_or(1, |path| path.as_str().len());
    let values = request.method().as_str().len() + uri.scheme_str().map_or(4, str::len) + authority + path;
    ":method:scheme:authority:path".len() + 4 * OVERHEAD + values
}

impl Core {
    /// Opens a stream. Where it is.
    pub(crate) fn open(&mut self, request: &Request<()>, end: bool) -> Result<usize, Error> {
        if let Some(error) = self.error.as_ref().or(self.sent_away.as_ref()) {
            return Err(error.clone());
        }
        let is_full = self.live.len() >= self.allowed.streams;
        let id = self.next_id().filter(|_| !is_full).ok_or_else(Error::full)?;
        self.fits(request_size(request), request.headers())?;
        self.head(id, end, |encoder, out| put_request(request, encoder, out))?;
        self.last = id;
        let mut stream = Stream::new(id, self.ours.stream_window.into(), self.allowed.window);
        if end {
            stream.send.end = End::Sent;
        }
        if request.method() == http::Method::HEAD {
            // Its length is that of another answer.
            stream.recv.is_bodiless = true;
        }
        let key = self.streams.insert(stream.into());
        self.live.insert(id, key);
        self.kick();
        Ok(key)
    }

    /// The stream that a client opens next, unless it has opened all that there are.
    pub(crate) fn next_id(&self) -> Option<u32> {
        let id = if self.last == 0 { 1 } else { self.last + 2 };
        (i64::from(id) <= MOST).then_some(id)
    }

    pub(crate) fn respond(&mut self, key: usize, response: &Response<()>, end: bool) -> Result<(), Error> {
        let stream = self.sending(key)?;
        let id = stream.id;
        self.fits(":status200".len() + OVERHEAD, response.headers())?;
        self.head(id, end, |encoder, out| put_response(response, encoder, out))?;
        if end {
            self.has_sent(key);
        }
        self.kick();
        Ok(())
    }

    pub(crate) fn send_data(&mut self, key: usize, data: Bytes, end: bool) -> Result<(), Error> {
        let (room, has_line, most) = (self.has_room(), !self.line.is_empty(), self.allowed.payload);
        let connection_window = self.send_window;
        let stream = self.sending(key)?;
        let send = &mut stream.send;
        let len = data.len() as i64;
        let fits = len == 0 || (room && !has_line && len <= send.window.min(connection_window));
        if send.queue.is_empty() && fits && data.len() <= most {
            if len > 0 || end {
                send.window -= len;
                let id = stream.id;
                self.send_window -= len;
                self.data(id, data, end);
            }
            if end {
                self.has_sent(key);
            }
        } else {
            if end {
                send.end = End::Last;
            }
            if len > 0 {
                send.queue.push_back(data);
            }
            self.line_up(key);
            self.pump();
        }
        self.kick();
        Ok(())
    }

    pub(crate) fn send_trailers(&mut self, key: usize, trailers: HeaderMap) -> Result<(), Error> {
        self.sending(key)?;
        self.fits(0, &trailers)?;
        let stream = self.sending(key)?;
        check(&trailers)?;
        if stream.send.queue.is_empty() {
            self.trailers(key, &trailers)?;
        } else {
            stream.send.end = End::Trailers(trailers.into());
        }
        self.kick();
        Ok(())
    }

    /// A stream on which more may be sent.
    fn sending(&mut self, key: usize) -> Result<&mut Stream, Error> {
        let stream = &mut self.streams[key];
        match &stream.error {
            Some(error) => Err(error.clone()),
            None if !stream.send.is_open() => Err(Error::misused("the stream's end is sent already")),
            None => Ok(stream),
        }
    }

    /// Whether the peer takes a header list: fields, and so many bytes beside them.
    fn fits(&self, more: usize, fields: &HeaderMap) -> Result<(), Error> {
        let Some(most) = self.allowed.header_list else { return Ok(()) };
        let field = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + OVERHEAD;
        let size = more + fields.iter().map(field).sum::<usize>();
        if size > most { Err(Error::oversized(size, most)) } else { Ok(()) }
    }

    fn has_room(&self) -> bool {
        self.out.len() + self.writing < ROOM
    }

    /// Sends what windows and the socket have room for, a frame of each stream in turn.
    pub(crate) fn pump(&mut self) {
        let was_open = self.send_window > 0;
        while self.has_room() && self.send_window > 0 {
            let Some(key) = self.line.pop_front() else { return };
            self.streams[key].send.is_in_line = false;
            self.send_some(key);
        }
        if was_open && self.send_window <= 0 {
            // From now on they wait for the peer.
            for key in &self.line {
                self.streams[*key].send.writer.wake();
            }
        }
    }

    /// Sends a frame of a stream's queue.
    fn send_some(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        let (id, send) = (stream.id, &mut stream.send);
        let Some(front) = send.queue.front_mut() else { return };
        let most = send.window.min(self.send_window).clamp(0, self.allowed.payload as i64) as usize;
        let data = if front.len() <= most {
            send.queue.pop_front().expect("it is in front")
        } else {
            front.split_to(most)
        };
        let len = data.len() as i64;
        send.window -= len;
        self.send_window -= len;
        let is_empty = send.queue.is_empty();
        let is_last = is_empty && matches!(send.end, End::Last);
        if !is_empty && send.window > 0 {
            self.line_up(key);
        } else {
            // There is room, or none before the peer makes some.
            send.writer.wake();
        }
        if len > 0 || is_last {
            self.data(id, data, is_last);
        }
        if is_last {
            self.has_sent(key);
        } else if is_empty {
            self.send_waiting_trailers(key);
        }
    }

    fn send_waiting_trailers(&mut self, key: usize) {
        let end = &mut self.streams[key].send.end;
        if matches!(end, End::Trailers(_))
            && let End::Trailers(trailers) = std::mem::replace(end, End::Open)
            && self.trailers(key, &trailers).is_err()
        {
            self.reset(key, Reason::INTERNAL_ERROR, crate::error::By::Library);
        }
    }

    /// Puts a stream in the line, if its window lets it send.
    pub(crate) fn line_up(&mut self, key: usize) {
        let send = &mut self.streams[key].send;
        if !send.queue.is_empty() && send.window > 0 && !send.is_in_line {
            send.is_in_line = true;
            self.line.push_back(key);
        }
    }

    fn trailers(&mut self, key: usize, trailers: &HeaderMap) -> Result<(), Error> {
        let id = self.streams[key].id;
        self.head(id, true, |encoder, out| {
            put_trailers(trailers, encoder, out);
            Ok(())
        })?;
        self.has_sent(key);
        Ok(())
    }

    /// The end of a stream's sending side has been written.
    fn has_sent(&mut self, key: usize) {
        let stream = &mut self.streams[key];
        stream.send.end = End::Sent;
        if stream.recv.has_ended {
            self.over(key);
        } else if stream.handles == 0 {
            self.abandon(key);
        }
    }

    fn data(&mut self, stream: u32, data: Bytes, end: bool) {
        let flags = if end { flag::END_STREAM } else { 0 };
        Head { len: data.len(), kind: kind::DATA, flags, stream }.put(self.out.buffer());
        self.out.push(data);
    }

    /// Writes a header block, in as many frames as it takes.
    pub(crate) fn head(
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

impl Send {
    /// Whether more may be sent.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.end, End::Open)
    }

    /// Whether all was handed over, and some of it waits.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.end, End::Last | End::Trailers(_))
    }
}
