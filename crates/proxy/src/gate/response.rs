//! The response body: passes frames on while it reads the query id, appends the notice and
//! observes the outcome.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use futures::{FutureExt, future::BoxFuture};
use grpc::{Appender, Failure, PREFIX_LEN, Prefix, header::is_success, read_string};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use switch::RequestGuard;

use super::{Counters, observe::ObserveCall, plan::HeldMessage, request::HELD};

/// The size limit of a message that is inflated to be appended to, before and after, in bytes.
const INFLATED: usize = 16 * 1024 * 1024;
/// Up to this size, in bytes, a message is held until it is whole before it is appended to. One that breaks off passes
/// unchanged.
const SMALL: usize = 16 * 1024;

pin_project! {
    /// The body that the client receives.
    pub struct ResponseBody<B: Body, C = Infallible> {
        #[pin]
        kind: Kind<B, C>,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind<B: Body, C> {
        /// The body of a rejection, or none.
        Own { body: Option<Bytes> },
        /// A body that the gate does not read.
        Foreign { #[pin] inner: B },
        /// The body of an admitted call. An error waits in `broken` until the bytes held before it are sent.
        Answer { #[pin] inner: B, answer: Answer<C>, broken: Option<B::Error> },
    }
}

/// The work that is left on the response of an admitted call.
#[derive(Debug)]
pub(super) struct Answer<C> {
    /// `None` once the outcome is known.
    guard: Option<RequestGuard>,
    /// `None` once the outcome is known.
    observer: Option<C>,
    work: Work,
    /// A message that waits until the query it names is on record.
    recording: Option<Box<Recording>>,
    /// Trailers that wait until the bytes before them are sent.
    trailers: Option<HeaderMap>,
    /// Nothing more of the engine's body is sent.
    is_cut: bool,
}

/// A message that names a query, which is being put on record.
struct Recording {
    recorded: BoxFuture<'static, Result<(), String>>,
    message: Bytes,
}

#[derive(Debug)]
enum Work {
    /// Passes frames on as they are.
    Passing,
    /// Appends the field to a message that passes.
    Append(Appender),
    /// Holds the message until it is whole.
    Hold(Hold),
}

/// The first message as far as it has arrived, and what to do with it once it is whole.
#[derive(Debug)]
pub(super) struct Hold {
    pub(super) held: BytesMut,
    pub(super) message: HeldMessage,
    pub(super) counters: Arc<Counters>,
}

impl<B: Body, C> ResponseBody<B, C> {
    pub(super) fn own(body: Option<Bytes>) -> Self {
        Self { kind: Kind::Own { body } }
    }

    pub(super) fn foreign(inner: B) -> Self {
        Self { kind: Kind::Foreign { inner } }
    }

    pub(super) fn answer(inner: B, answer: Answer<C>) -> Self {
        Self { kind: Kind::Answer { inner, answer, broken: None } }
    }
}

impl<C: ObserveCall> Answer<C> {
    /// Passes the body on, and reports the outcome to `guard`.
    pub(super) fn passing(guard: RequestGuard, observer: Option<C>) -> Self {
        Self::new(guard, observer, Work::Passing)
    }

    /// Applies `hold` to the first message.
    pub(super) fn holding(guard: RequestGuard, observer: Option<C>, hold: Hold) -> Self {
        Self::new(guard, observer, Work::Hold(hold))
    }

    fn new(guard: RequestGuard, observer: Option<C>, work: Work) -> Self {
        Self { guard: Some(guard), observer, work, recording: None, trailers: None, is_cut: false }
    }

    /// Whether what is left of the body leaves as it comes.
    fn is_passing(&self) -> bool {
        matches!(self.work, Work::Passing) && self.recording.is_none()
    }

    /// Takes a chunk, and returns the bytes to send for it; none if more are needed.
    fn push(&mut self, chunk: Bytes) -> Bytes {
        match &mut self.work {
            Work::Passing => chunk,
            Work::Append(appender) => appender.push(chunk),
            Work::Hold(hold) => {
                if hold.held.is_empty() && chunk.len() >= hold.wants(&chunk) {
                    return self.release(chunk);
                }
                hold.held.extend_from_slice(&chunk);
                if hold.held.len() < hold.wants(&hold.held) {
                    return Bytes::new();
                }
                let held = hold.held.split().freeze();
                self.release(held)
            }
        }
    }

    /// Returns the bytes to send before the end of the stream.
    fn finish(&mut self) -> Bytes {
        match &mut self.work {
            Work::Passing => Bytes::new(),
            Work::Append(appender) => appender.finish(),
            Work::Hold(hold) => hold.held.split().freeze(),
        }
    }

    /// Goes on with bytes that are no longer held.
    fn release(&mut self, bytes: Bytes) -> Bytes {
        let Work::Hold(hold) = std::mem::replace(&mut self.work, Work::Passing) else { return bytes };
        let inflated = hold.inflate(&bytes);
        let mut recorded = None;
        let read = |field| read_string(first_message(inflated.as_deref().unwrap_or(&bytes))?, field).ok()?;
        if let (Some(id), Some(guard)) = (hold.message.query_id.and_then(read), &mut self.guard) {
            recorded = guard.record(id);
            if let Some(observer) = &mut self.observer {
                observer.began(id);
            }
        }
        if let (Some(session), Some(observer)) = (hold.message.session.and_then(read), &mut self.observer) {
            observer.logged_in(session);
        }
        let sent = match hold.message.notice {
            None => bytes,
            Some(notice) => self.append(notice, inflated, bytes, &hold.counters),
        };
        match recorded {
            None => sent,
            Some(recorded) => {
                self.recording = Some(Box::new(Recording { recorded, message: sent }));
                Bytes::new()
            }
        }
    }

    /// Appends the notice to the message that these bytes begin with, and to what follows of it.
    fn append(&mut self, notice: Bytes, inflated: Option<Bytes>, bytes: Bytes, counters: &Counters) -> Bytes {
        let mut appender = Appender::new(notice);
        let sent = match (inflated, Prefix::read(&bytes)) {
            (Some(inflated), _) => appender.push(inflated),
            (None, Some(Prefix { flag: 1, .. })) => {
                counters.count_untouched();
                if let Some(observer) = &self.observer {
                    observer.untouched();
                }
                bytes
            }
            (None, _) => appender.push(bytes),
        };
        self.work = Work::Append(appender);
        sent
    }

    /// Sends UNAVAILABLE in place of all that is left: the client must not see a query that is not on record.
    fn fail(&mut self, why: &str) {
        (self.work, self.is_cut) = (Work::Passing, true);
        self.trailers = Some(Failure::Unavailable.trailers(why));
    }

    /// Reports bytes that are sent.
    fn count(&mut self, sent: &Bytes) {
        if let Some(observer) = &mut self.observer {
            observer.sent(sent);
        }
    }

    /// Reports the end of the stream, with its trailers.
    fn end(&mut self, trailers: Option<&HeaderMap>) {
        let Some(guard) = self.guard.take() else { return };
        let effect = guard.answered(trailers.is_some_and(is_success));
        if let Some(observer) = self.observer.take() {
            observer.over(trailers, effect);
        }
    }
}

impl Hold {
    /// The number of bytes to hold before they are released.
    fn wants(&self, bytes: &[u8]) -> usize {
        let Some(prefix) = Prefix::read(bytes) else { return PREFIX_LEN };
        let limit = match prefix.flag {
            1 if self.message.notice.is_some() && self.message.coding.is_some() => INFLATED,
            _ if self.message.query_id.is_some() || self.message.session.is_some() => HELD,
            _ => SMALL,
        };
        match PREFIX_LEN + prefix.len as usize {
            whole if whole <= limit => whole,
            // Of a long answer to a begin what fits is read, the rest isn't waited for.
            _ if limit == HELD => HELD,
            _ => PREFIX_LEN,
        }
    }

    /// Returns the whole message uncompressed, with its prefix and the bytes behind it.
    fn inflate(&self, bytes: &[u8]) -> Option<Bytes> {
        let prefix = Prefix::read(bytes).filter(|prefix| prefix.flag == 1 && prefix.len > 0)?;
        let (message, behind) = bytes[PREFIX_LEN..].split_at_checked(prefix.len as usize)?;
        let limit = if self.message.notice.is_some() { INFLATED } else { HELD };
        let message = self.message.coding?.inflate(message, limit)?;
        let mut inflated = BytesMut::with_capacity(PREFIX_LEN + message.len() + behind.len());
        Prefix { flag: 0, len: u32::try_from(message.len()).ok()? }.write(&mut inflated);
        inflated.extend_from_slice(&message);
        inflated.extend_from_slice(behind);
        Some(inflated.freeze())
    }
}

/// Returns the first message, as far as it has arrived, if it is not compressed.
fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let prefix = Prefix::read(bytes).filter(|prefix| prefix.flag == 0)?;
    let rest = &bytes[PREFIX_LEN..];
    Some(&rest[..rest.len().min(prefix.len as usize)])
}

impl<B: Body<Data = Bytes>, C: ObserveCall> Body for ResponseBody<B, C> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let (mut inner, answer, broken) = match self.project().kind.project() {
            KindProj::Own { body } => return Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            KindProj::Foreign { inner } => return inner.poll_frame(cx),
            KindProj::Answer { inner, answer, broken } => (inner, answer, broken),
        };
        loop {
            if let Some(error) = broken.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if let Some(recording) = &mut answer.recording {
                let recorded = ready!(recording.recorded.poll_unpin(cx));
                let message = answer.recording.take().map(|recording| recording.message).unwrap_or_default();
                if let Err(why) = recorded {
                    answer.fail(&why);
                } else if !message.is_empty() {
                    answer.count(&message);
                    return Poll::Ready(Some(Ok(Frame::data(message))));
                }
            }
            if let Some(trailers) = answer.trailers.take() {
                answer.end(Some(&trailers));
                return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
            }
            if answer.is_cut {
                return Poll::Ready(None);
            }
            let (sent, is_last) = match ready!(inner.as_mut().poll_frame(cx)) {
                None => (answer.finish(), true),
                Some(Err(error)) => {
                    *broken = Some(error);
                    (answer.finish(), false)
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) => (answer.push(chunk), false),
                    Err(frame) => {
                        answer.trailers = frame.into_trailers().ok();
                        (answer.finish(), false)
                    }
                },
            };
            if !sent.is_empty() {
                answer.count(&sent);
                return Poll::Ready(Some(Ok(Frame::data(sent))));
            }
            if is_last {
                answer.end(None);
                return Poll::Ready(None);
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Own { body } => body.is_none(),
            Kind::Foreign { inner } => inner.is_end_stream(),
            Kind::Answer { inner, answer, .. } => {
                answer.is_passing() && answer.trailers.is_none() && (answer.is_cut || inner.is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Own { body } => SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Foreign { inner } => inner.size_hint(),
            Kind::Answer { inner, answer, .. } if answer.is_passing() => inner.size_hint(),
            Kind::Answer { .. } => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").field("message", &self.message).finish_non_exhaustive()
    }
}

impl<B: Body + fmt::Debug, C> fmt::Debug for ResponseBody<B, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, inner) = match &self.kind {
            Kind::Own { .. } => ("Own", None),
            Kind::Foreign { inner } => ("Foreign", Some(inner)),
            Kind::Answer { inner, .. } => ("Answer", Some(inner)),
        };
        f.debug_struct("ResponseBody").field("kind", &kind).field("inner", &inner).finish_non_exhaustive()
    }
}
