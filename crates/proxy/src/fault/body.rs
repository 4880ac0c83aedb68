//! The response body: passed through, created here, or shaped.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use grpc::{PREFIX_LEN, Prefix};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use super::registry::ActiveFault;
use crate::server::BoxError;

/// The number of writes per second of a throttled body.
const BEATS: u64 = 20;

/// The body that the client gets: first frames that were created or read before, then the rest of the backend's body.
#[derive(Debug)]
pub struct FaultBody<B> {
    rest: Option<B>,
    /// Boxed, because most responses have none of it and all are moved.
    more: Option<Box<More>>,
}

/// The state of a body that is not passed through.
#[derive(Debug, Default)]
struct More {
    front: VecDeque<Frame<Bytes>>,
    shaped: Option<Shaped>,
}

impl<B> FaultBody<B> {
    /// The backend's body, passed through.
    pub(super) fn passing(inner: B) -> Self {
        Self { rest: Some(inner), more: None }
    }

    /// An empty body.
    pub(super) fn empty() -> Self {
        Self { rest: None, more: None }
    }

    /// A body of these frames.
    pub(super) fn of(front: VecDeque<Frame<Bytes>>) -> Self {
        Self { rest: None, more: Some(Box::new(More { front, shaped: None })) }
    }

    /// Puts frames that were already read back in front of the body.
    pub(super) fn behind(mut self, front: impl Iterator<Item = Frame<Bytes>>) -> Self {
        let more = self.more.get_or_insert_default();
        more.front = front.chain(more.front.drain(..)).collect();
        self
    }

    /// Shapes the body.
    pub(super) fn shaped(mut self, shaping: Shaping) -> Self {
        self.more.get_or_insert_default().shaped = Some(Shaped {
            shaping,
            messages: Messages::default(),
            chunk: Bytes::new(),
            next: None,
            sleep: None,
        });
        self
    }
}

/// How a body is shaped.
#[derive(Debug, Default)]
pub(super) struct Shaping {
    /// The body ends after this many bytes.
    pub(super) left: Option<u64>,
    /// The rate, in bytes per second.
    pub(super) rate: Option<u64>,
    /// The rules that delay each message.
    pub(super) waits: Vec<Arc<ActiveFault>>,
}

impl Shaping {
    pub(super) fn is_needed(&self) -> bool {
        self.left.is_some() || self.rate.is_some() || !self.waits.is_empty()
    }
}

/// The state of shaping.
#[derive(Debug)]
struct Shaped {
    shaping: Shaping,
    messages: Messages,
    /// Data that was received and not sent.
    chunk: Bytes,
    /// Data to send after the sleep.
    next: Option<Bytes>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Shaped {
    /// Ready with data to send now, or with `None` if it needs more data first.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.next.is_none() && !self.chunk.is_empty() {
            self.cut();
        }
        if let Some(sleep) = &mut self.sleep {
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(self.next.take())
    }

    fn is_over(&self) -> bool {
        self.shaping.left == Some(0) && self.next.is_none()
    }

    /// Splits off the next part, and sets its delay.
    fn cut(&mut self) {
        let Shaping { left, rate, waits } = &mut self.shaping;
        let beat = rate.map_or(u64::MAX, |rate| (rate / BEATS).max(1));
        let most = usize::try_from(beat.min(left.unwrap_or(u64::MAX))).unwrap_or(usize::MAX);
        let (part, is_start) = self.messages.split(&mut self.chunk, most);
        if let Some(left) = left {
            *left -= part.len() as u64;
        }
        let mut wait = Duration::ZERO;
        if let Some(rate) = rate {
            wait += Duration::from_secs_f64(part.len() as f64 / *rate as f64);
        }
        if is_start {
            let delays = waits.iter().filter_map(|fault| Some(fault.pick(fault.rule.effect.delay?.1)));
            wait += delays.sum::<Duration>();
        }
        self.next = Some(part);
        self.sleep = (!wait.is_zero()).then(|| Box::pin(sleep(wait)));
    }
}

/// Tracks message boundaries.
#[derive(Debug, Default)]
struct Messages {
    prefix: Vec<u8>,
    left: usize,
}

impl Messages {
    /// Splits off at most `most` bytes, without crossing the end of a message. Also returns whether a message begins.
    fn split(&mut self, chunk: &mut Bytes, most: usize) -> (Bytes, bool) {
        let is_start = self.left == 0 && self.prefix.is_empty();
        let most = most.min(chunk.len());
        let mut taken = 0;
        while taken < most {
            if self.left > 0 {
                let more = self.left.min(most - taken);
                self.left -= more;
                taken += more;
            } else {
                self.prefix.push(chunk[taken]);
                taken += 1;
                if self.prefix.len() < PREFIX_LEN {
                    continue;
                }
                self.left = Prefix::read(&self.prefix).map_or(0, |prefix| prefix.len as usize);
                self.prefix.clear();
            }
            if self.left == 0 && self.prefix.is_empty() {
                break;
            }
        }
        (chunk.split_to(taken), is_start)
    }
}

impl<B> Body for FaultBody<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { rest, more } = &mut *self;
        let Some(More { front, shaped }) = more.as_deref_mut() else {
            return match rest {
                Some(rest) => Pin::new(rest).poll_frame(cx).map_err(Into::into),
                None => Poll::Ready(None),
            };
        };
        loop {
            if let Some(shaped) = shaped {
                if shaped.is_over() {
                    *rest = None;
                    return Poll::Ready(None);
                }
                if let Some(part) = ready!(shaped.poll_part(cx)) {
                    return Poll::Ready(Some(Ok(Frame::data(part))));
                }
            }
            let frame = match (front.pop_front(), &mut *rest) {
                (Some(frame), _) => frame,
                (None, None) => return Poll::Ready(None),
                (None, Some(rest)) => match ready!(Pin::new(rest).poll_frame(cx)) {
                    Some(Ok(frame)) => frame,
                    Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                    None => return Poll::Ready(None),
                },
            };
            match shaped {
                Some(shaped) => match frame.into_data() {
                    Ok(chunk) => shaped.chunk = chunk,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                None => return Poll::Ready(Some(Ok(frame))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_empty = |more: &More| more.shaped.is_none() && more.front.is_empty();
        self.more.as_deref().is_none_or(is_empty) && self.rest.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.more, &self.rest) {
            (None, Some(rest)) => rest.size_hint(),
            (None, None) => SizeHint::with_exact(0),
            (Some(_), _) => SizeHint::default(),
        }
    }
}
