//! Users of streams, who call anything that the API allows, in any order.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::Poll,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response};
use teal_http2::{
    Error, Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
    server::SendResponse,
};

use crate::{
    body::{Body, End, Leaver},
    executor::{Handle, pass},
    input::Input,
    pipe::Shared,
};

/// The most steps of one user.
const STEPS: usize = 20;
const SIZES: [usize; 11] = [1, 0, 9, 100, 1023, 1025, 5_000, 16_384, 16_385, 40_000, 70_000];

/// The state shared by all users of one run.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) input: Input,
    pub(crate) time: Handle,
    /// Something happened that may cut calls short.
    pub(crate) is_disturbed: Rc<Cell<bool>>,
    /// A stream was opened before its limit was known.
    is_early: Rc<Cell<bool>>,
    /// The request and response bodies of each call, if both sides are users.
    pub(crate) calls: Option<Shared<Vec<[Shared<Body>; 2]>>>,
    /// The number of sizes in use.
    pub(crate) sizes: usize,
    /// The number of bodies that were read to the end.
    pub(crate) read: Rc<Cell<usize>>,
}

impl World {
    pub(crate) fn new(input: Input, time: Handle, has_both: bool) -> Self {
        let calls = has_both.then(Shared::default);
        Self {
            input,
            time,
            is_disturbed: Rc::default(),
            is_early: Rc::default(),
            calls,
            sizes: SIZES.len(),
            read: Rc::default(),
        }
    }

    /// Bytes of one piece of data.
    fn size(&self) -> usize {
        self.input.pick(&SIZES[..self.sizes])
    }

    fn disturb(&self) {
        self.is_disturbed.set(true);
    }

    /// A call ended early.
    fn failed(&self, error: &Error) {
        if self.is_early.get() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM) {
            self.disturb();
        }
        assert!(self.calls.is_none() || self.is_disturbed.get(), "nobody broke it off: {error}");
        _ = (error.is_remote(), error.reason(), error.is_io(), error.to_string());
    }

    fn body(&self, call: Option<usize>, is_answer: bool) -> Option<Shared<Body>> {
        Some(self.calls.as_ref()?.borrow()[call?][usize::from(is_answer)].clone())
    }

    async fn dawdle(&self) {
        match self.input.choose(8) {
            1 => pass().await,
            2 => self.time.sleep(1).await,
            3 => self.time.sleep(20).await,
            _ => {}
        }
    }
}

/// Opens streams, up to `calls`.
pub(crate) async fn open(world: World, mut send: SendRequest, calls: usize) {
    let mut opened = 0;
    for _ in 0..4 * calls {
        world.dawdle().await;
        if opened == calls || send.is_closed() {
            break;
        }
        let leavers = match (&world.calls, opened % 2) {
            (None, _) => [Leaver::Both; 2],
            (_, 0) => [Leaver::Writer, Leaver::Reader],
            _ => [Leaver::Reader, Leaver::Writer],
        };
        let body = Body::new(opened as u8, leavers[0]);
        let mut request = Request::post("http://fuzz.test/call").body(()).unwrap();
        request.headers_mut().insert("x-call", HeaderValue::from(opened));
        let end = world.input.once_in(6);
        world.is_early.set(world.is_early.get() || send.current_max_send_streams() == usize::MAX);
        match send.send_request(&request, end) {
            Ok((response, writer)) => {
                let body = Shared::new(RefCell::new(body));
                let call = world.calls.as_ref().map(|calls| {
                    calls
                        .borrow_mut()
                        .push([body.clone(), Shared::new(Body::new(!(opened as u8), leavers[1]).into())]);
                    opened
                });
                opened += 1;
                world.time.spawn("response", receive(world.clone(), response, call));
                if end {
                    body.borrow_mut().end = End::Data;
                    world.time.spawn("writer that has ended", hold(world.clone(), writer));
                } else {
                    world.time.spawn("writer", write(world.clone(), writer, true, body));
                }
            }
            Err(error) if error.is_full() => world.time.sleep(5).await,
            Err(error) => world.failed(&error),
        }
        if world.input.once_in(8) {
            send = send.clone();
        }
    }
}

async fn receive(world: World, mut response: ResponseFuture, call: Option<usize>) {
    let body = world.body(call, true);
    if world.input.once_in(20) && may_leave(body.as_ref()) {
        world.disturb();
        return;
    }
    match poll_fn(|cx| Pin::new(&mut response).poll(cx)).await {
        Ok(answer) => read(world.clone(), answer.into_body(), body).await,
        Err(error) => world.failed(&error),
    }
}

/// Answers a request.
pub(crate) fn answer(world: &World, request: Request<RecvStream>, respond: SendResponse) {
    let call = request.headers().get("x-call").and_then(|call| call.to_str().ok()?.parse().ok());
    let (up, down) = (world.body(call, false), world.body(call, true));
    world.time.spawn("reader", read(world.clone(), request.into_body(), up));
    world.time.spawn("respond", respond_with(world.clone(), respond, down.unwrap_or_default()));
}

async fn respond_with(world: World, mut respond: SendResponse, body: Shared<Body>) {
    world.dawdle().await;
    let end = match world.input.choose(24) {
        1 if body.borrow().leaver != Leaver::Reader => {
            world.disturb();
            return;
        }
        2 => {
            world.disturb();
            return respond.send_reset(Reason::REFUSED_STREAM);
        }
        3..6 => true,
        6 if body.borrow().leaver != Leaver::Reader => {
            return reset_or(&world, |cx| respond.poll_reset(cx)).await;
        }
        _ => false,
    };
    let mut response = Response::new(());
    if world.input.once_in(4) {
        response.headers_mut().insert("x-status", HeaderValue::from(world.input.choose(9)));
    }
    match respond.send_response(&response, end) {
        Ok(writer) if end => {
            body.borrow_mut().end = End::Data;
            hold(world, writer).await;
        }
        Ok(writer) => write(world, writer, false, body).await,
        Err(error) => world.failed(&error),
    }
}

/// Waits some time for a reset, which ends the call.
async fn reset_or(
    world: &World,
    mut poll: impl FnMut(&mut std::task::Context<'_>) -> Poll<Result<Reason, Error>>,
) {
    world.disturb();
    let mut sleep = Box::pin(world.time.sleep(10));
    poll_fn(|cx| match poll(cx) {
        Poll::Ready(_) => Poll::Ready(()),
        Poll::Pending => sleep.as_mut().poll(cx),
    })
    .await;
}

/// Keeps a handle after everything is sent.
async fn hold(world: World, mut writer: SendStream) {
    world.dawdle().await;
    if world.input.once_in(4) {
        assert!(writer.send_data(Bytes::from_static(b"late"), false).is_err(), "it has ended");
    }
}

async fn write(world: World, mut writer: SendStream, is_request: bool, body: Shared<Body>) {
    for _ in 0..STEPS {
        world.dawdle().await;
        let sent = match world.input.choose(24) {
            0..2 => break,
            2 => {
                let data = body.borrow_mut().next(world.size());
                body.borrow_mut().end = End::Data;
                let sent = writer.send_data(data, true);
                return ended(world, writer, is_request, sent).await;
            }
            3 => {
                body.borrow_mut().end = End::Data;
                let sent = writer.send_data(Bytes::new(), true);
                return ended(world, writer, is_request, sent).await;
            }
            4 if body.borrow().leaver != Leaver::Reader => {
                world.disturb();
                return;
            }
            5 => {
                world.disturb();
                return writer.send_reset(Reason::CANCEL);
            }
            6 => {
                _ = writer.is_stalled();
                Ok(())
            }
            // Without waiting until it is ready.
            7..10 => {
                let data = body.borrow_mut().next(world.size());
                writer.send_data(data, false)
            }
            _ => match poll_fn(|cx| writer.poll_ready(cx)).await {
                Ok(()) => {
                    let data = body.borrow_mut().next(world.size());
                    writer.send_data(data, false)
                }
                error => error,
            },
        };
        if let Err(error) = sent {
            return world.failed(&error);
        }
    }
    body.borrow_mut().end = End::Trailers;
    let trailers = HeaderMap::from_iter([("x-sent".parse().unwrap(), HeaderValue::from(body.borrow().sent))]);
    let sent = writer.send_trailers(trailers);
    ended(world, writer, is_request, sent).await;
}

async fn ended(world: World, mut writer: SendStream, is_request: bool, sent: Result<(), Error>) {
    match sent {
        Ok(()) if is_request => {
            flush(&world, &mut writer).await;
            hold(world, writer).await;
        }
        Ok(()) => hold(world, writer).await,
        Err(error) => world.failed(&error),
    }
}

/// Waits until everything is sent. A request whose last handle is dropped before that is cut short; a response is
/// not.
async fn flush(world: &World, writer: &mut SendStream) {
    if world.input.once_in(8) {
        return world.disturb();
    }
    if let Err(error) = poll_fn(|cx| writer.poll_ready(cx)).await {
        world.failed(&error);
    }
}

fn may_leave(body: Option<&Shared<Body>>) -> bool {
    body.is_none_or(|body| body.borrow().leaver != Leaver::Writer)
}

async fn read(world: World, mut reader: RecvStream, body: Option<Shared<Body>>) {
    let mut received = 0;
    loop {
        world.dawdle().await;
        if world.input.once_in(40) && may_leave(body.as_ref()) {
            world.disturb();
            return;
        }
        match poll_fn(|cx| reader.poll_data(cx)).await {
            Some(Ok(data)) => {
                if let Some(body) = &body {
                    body.borrow().check(received, &data);
                }
                received += data.len();
            }
            Some(Err(error)) => {
                world.failed(&error);
                let again = poll_fn(|cx| reader.poll_data(cx)).await;
                assert!(matches!(again, Some(Err(_))), "an error, and then {again:?}");
                return;
            }
            None => break,
        }
    }
    let trailers = match poll_fn(|cx| reader.poll_trailers(cx)).await {
        Ok(trailers) => trailers,
        // The rest of the call was cut short in the meantime.
        Err(error) => return world.failed(&error),
    };
    assert!(reader.is_end_stream(), "nothing more comes");
    let Some(body) = body else { return };
    let body = body.borrow();
    assert_ne!(body.end, End::Open, "a body that was broken off ends well");
    assert_eq!(received, body.sent, "a body that was cut off ends well");
    let x_sent = trailers.and_then(|trailers| trailers.get("x-sent").cloned());
    let expected = (body.end == End::Trailers).then(|| HeaderValue::from(body.sent));
    assert_eq!(x_sent, expected, "other trailers than were sent");
    world.read.set(world.read.get() + 1);
}
