//! HEADERS frames: requests, responses and trailers.

use http::StatusCode;

use super::{Received, SHORT_LIST, is_bodiless, is_interim};
use crate::{
    budget::StreamAccount,
    core::{Core, Ending},
    error::Reason,
    frame::{Head, flag},
    head::{Fields, Uris},
    refusal::Refusal,
    stream::{self, Stream},
};

impl Core {
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
    pub(super) fn count_list(&mut self, key: usize, size: usize) {
        if size > SHORT_LIST {
            self.streams[key].recv.listed += size;
            self.unsettle(key, false);
        }
    }

    /// Responds with 431 to a request whose header list is too long.
    pub(super) fn answer_too_long(&mut self, id: u32, is_end: bool) {
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
}
