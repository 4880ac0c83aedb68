//! The request body. Its first message may be read for the query id before it passes on unchanged.

use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use grpc::{Coding, PREFIX_LEN, Prefix, read_string};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use protocol::Strategy;

use crate::messages::MessageTap;

/// The most bytes of a message that are held, or inflated, to find its query id.
pub(super) const HELD: usize = 64 * 1024;

pin_project! {
    /// The body, starting with the bytes that were held.
    pub struct RequestBody<B: Body> {
        strategy: Option<Strategy>,
        // What is read of the first message.
        gathered: BytesMut,
        held: Bytes,
        // The end came by itself while a message was waited for: so it is passed on.
        is_over: bool,
        // What ended the reading, if that wasn't data: trailers or an error.
        next: Option<Box<Result<Frame<Bytes>, B::Error>>>,
        meter: Option<Meter>,
        #[pin]
        inner: B,
    }
}

impl<B: Body<Data = Bytes>> RequestBody<B> {
    /// Wraps a body, with nothing held.
    pub fn new(inner: B) -> Self {
        Self {
            strategy: None,
            gathered: BytesMut::new(),
            held: Bytes::new(),
            is_over: false,
            next: None,
            meter: None,
            inner,
        }
    }

    /// The strategy that the gate admitted the request under; `None` without a gate. A layer behind the gate can tell the
    /// service:
    ///
    /// ```
    /// # use http::Request;
    /// # use teal_proxy::gate::RequestBody;
    /// # use tower::ServiceExt as _;
    /// # type Body = http_body_util::Empty<bytes::Bytes>;
    /// # let service = tower::service_fn(async |_: Request<RequestBody<Body>>| Ok::<_, std::io::Error>(()));
    /// let service = service.map_request(|mut request: Request<RequestBody<_>>| {
    ///     let strategy = request.body().strategy();
    ///     request.extensions_mut().insert(strategy);
    ///     request
    /// });
    /// # drop(service.oneshot(Request::new(RequestBody::new(Body::new()))));
    /// ```
    pub fn strategy(&self) -> Option<Strategy> {
        self.strategy
    }

    /// Stores the strategy for the service behind the gate. It is kept in the body because extensions cost three
    /// allocations a call.
    pub(crate) fn let_in(&mut self, strategy: Strategy) {
        self.strategy = Some(strategy);
    }

    /// Counts the bytes that are passed on from now on, and shows them to the tap.
    pub(super) fn observe(&mut self, bytes: Arc<AtomicU64>, tap: Option<MessageTap>) {
        self.meter = Some(Meter { bytes, tap });
    }

    /// Holds the first message until it is whole (64 KiB at most), and reads the string in `field`, such
    /// as the query id. Returns `None` if it is unreadable, and an empty string if the message has none.
    pub(super) fn poll_string(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        field: u32,
        coding: Option<Coding>,
    ) -> Poll<Option<String>> {
        ready!(self.as_mut().poll_hold(cx, HELD));
        Poll::Ready(string(self.project().held, field, coding))
    }

    /// Holds the first message until it is whole, and returns it uncompressed. Returns `None` if it is unreadable,
    /// or longer than `limit`.
    pub(crate) fn poll_message(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        limit: usize,
        headers: &HeaderMap,
    ) -> Poll<Option<Bytes>> {
        ready!(self.as_mut().poll_hold(cx, limit));
        Poll::Ready(message(self.project().held, headers, limit))
    }

    fn poll_hold(mut self: Pin<&mut Self>, cx: &mut Context<'_>, limit: usize) -> Poll<()> {
        let this = self.as_mut().project();
        let is_empty = this.gathered.is_empty() && this.inner.is_end_stream();
        if is_empty || *this.is_over || this.next.is_some() || is_enough(this.held, limit) {
            return Poll::Ready(());
        }
        this.gathered.extend_from_slice(&std::mem::take(this.held));
        loop {
            let this = self.as_mut().project();
            match ready!(this.inner.poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(chunk) if this.gathered.is_empty() && is_enough(&chunk, limit) => {
                        *this.held = chunk;
                        break;
                    }
                    Ok(chunk) => {
                        this.gathered.extend_from_slice(&chunk);
                        if is_enough(this.gathered, limit) {
                            break;
                        }
                    }
                    Err(frame) => {
                        *this.next = Some(Box::new(Ok(frame)));
                        break;
                    }
                },
                Some(Err(error)) => {
                    *this.next = Some(Box::new(Err(error)));
                    break;
                }
                None => {
                    *this.is_over = true;
                    break;
                }
            }
        }
        let this = self.project();
        if this.held.is_empty() {
            *this.held = this.gathered.split().freeze();
        }
        Poll::Ready(())
    }
}

/// Returns whether as much of the first message is there as is ever held.
fn is_enough(bytes: &[u8], limit: usize) -> bool {
    Prefix::read(bytes).is_some_and(|prefix| bytes.len() >= limit.min(PREFIX_LEN + prefix.len as usize))
}

/// Returns the first message, if it is whole, readable and not longer than `limit`.
pub(crate) fn message(bytes: &[u8], headers: &HeaderMap, limit: usize) -> Option<Bytes> {
    let prefix = Prefix::read(bytes)?;
    let message = bytes[PREFIX_LEN..].get(..prefix.len as usize)?;
    match prefix.flag {
        0 => Some(Bytes::copy_from_slice(message)),
        1 => Coding::of(headers)?.inflate(message, limit).map(Bytes::from),
        _ => None,
    }
}

/// Observes the bytes that are passed on.
#[derive(Debug)]
struct Meter {
    /// Their number. Nobody else adds to it.
    bytes: Arc<AtomicU64>,
    tap: Option<MessageTap>,
}

impl Meter {
    fn pass(&self, chunk: &Bytes) {
        self.bytes.store(self.bytes.load(Ordering::Relaxed) + chunk.len() as u64, Ordering::Relaxed);
        if let Some(tap) = &self.tap {
            tap.sent(chunk);
        }
    }
}

fn string(bytes: &[u8], field: u32, coding: Option<Coding>) -> Option<String> {
    let prefix = Prefix::read(bytes)?;
    let there = &bytes[PREFIX_LEN..];
    let message = &there[..there.len().min(prefix.len as usize)];
    let inflated;
    let message = match prefix.flag {
        0 => message,
        1 => {
            inflated = coding?.inflate(message, HELD)?;
            &inflated
        }
        _ => return None,
    };
    match read_string(message, field).ok()? {
        Some(id) => Some(id.to_owned()),
        // It may stand behind the cut.
        None if there.len() < prefix.len as usize => None,
        None => Some(String::new()),
    }
}

impl<B: Body<Data = Bytes>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        if !this.held.is_empty() {
            if let Some(meter) = this.meter {
                meter.pass(this.held);
            }
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(this.held)))));
        }
        match this.next.take() {
            Some(next) => Poll::Ready(Some(*next)),
            None if std::mem::take(this.is_over) => Poll::Ready(None),
            None => {
                let frame = ready!(this.inner.poll_frame(cx));
                let chunk = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
                if let (Some(meter), Some(chunk)) = (this.meter.as_ref(), chunk) {
                    meter.pass(chunk);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_empty() && self.next.is_none() && !self.is_over && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let inner = self.inner.size_hint();
        let held = self.held.len() as u64;
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper + held);
        }
        hint.set_lower(inner.lower() + held);
        hint
    }
}

impl<B: Body> fmt::Debug for RequestBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").field("held", &self.held.len()).finish_non_exhaustive()
    }
}
