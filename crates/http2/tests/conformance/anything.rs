//! For any input and any use, a side stays consistent and writes valid HTTP/2.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use proptest::{collection::vec, prelude::*};
use teal_http2::{
    Reason, RecvStream, SendStream, Settings,
    client::{self, ResponseFuture, SendRequest},
    server::{self, SendResponse},
};

use super::{
    script::{Socket, timers},
    wire::*,
};

/// The next event.
#[derive(Clone, Debug)]
enum Event {
    /// These frames arrive, in one read.
    Came(Vec<u8>),
    /// The socket accepts nothing, or accepts data again.
    Full(bool),
    /// The call with this index performs an action.
    Does(usize, Action),
}

#[derive(Clone, Copy, Debug)]
enum Action {
    Begin { end: bool },
    Read,
    Send { len: usize, end: bool },
    Trailers,
    Reset,
    DropReader,
    DropWriter,
}

fn frames() -> impl Strategy<Value = Vec<u8>> {
    let stream = 0..8_u32;
    let number = prop_oneof![0..3_u32, 1000..70_000_u32, Just(u32::MAX >> 1), any::<u32>()];
    let setting = (1..8_u16, number.clone());
    let head = prop_oneof![
        Just(post("/call", &[])),
        Just(post("/call", &[("content-length", "5")])),
        Just(block(&[(":status", "200")])),
        Just(block(&[(":status", "103")])),
        Just(block(&[("grpc-status", "0")])),
        Just(vec![0x88]),
        Just(vec![0xbe, 0xbf]),
        vec(any::<u8>(), 0..20),
    ];
    prop_oneof![
        6 => (stream.clone(), any::<u8>(), head.clone()).prop_map(|(stream, flags, block)| {
            frame(HEADERS, flags & (END_STREAM | END_HEADERS) | END_HEADERS, stream, &block)
        }),
        6 => (stream.clone(), any::<bool>(), 0..9000_usize).prop_map(|(stream, end, len)| {
            frame(DATA, end.into(), stream, &vec![7; len])
        }),
        3 => (stream.clone(), number.clone()).prop_map(|(stream, more)| window(stream, more)),
        2 => (stream.clone(), number).prop_map(|(stream, code)| reset(stream, code)),
        2 => vec(setting, 0..3).prop_map(|changes| settings(&changes)),
        1 => stream.clone().prop_map(|last| goaway(last, 0)),
        1 => (0..12_u8, any::<u8>(), stream.clone(), vec(any::<u8>(), 0..20))
            .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload)),
        1 => (stream, head).prop_map(|(stream, block)| {
            let (first, rest) = block.split_at(block.len() / 2);
            [frame(HEADERS, 0, stream, first), frame(CONTINUATION, END_HEADERS, stream, rest)].concat()
        }),
    ]
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let action = prop_oneof![
        3 => any::<bool>().prop_map(|end| Action::Begin { end }),
        3 => Just(Action::Read),
        4 => (prop_oneof![0..100_usize, 10_000..90_000_usize], any::<bool>())
            .prop_map(|(len, end)| Action::Send { len, end }),
        1 => Just(Action::Trailers),
        1 => Just(Action::Reset),
        1 => Just(Action::DropReader),
        1 => Just(Action::DropWriter),
    ];
    let event = prop_oneof![
        5 => vec(frames(), 1..5).prop_map(|frames| Event::Came(frames.concat())),
        1 => any::<bool>().prop_map(Event::Full),
        6 => (0..8_usize, action).prop_map(|(call, action)| Event::Does(call, action)),
    ];
    vec(event, 1..60)
}

/// The handles of a call.
#[derive(Default)]
struct Call {
    respond: Option<SendResponse>,
    response: Option<ResponseFuture>,
    reader: Option<RecvStream>,
    writer: Option<SendStream>,
}

impl Call {
    /// The outcome does not matter here.
    fn does(&mut self, action: Action, cx: &mut Context<'_>) {
        if let Some(response) = &mut self.response
            && let Poll::Ready(answered) = std::pin::Pin::new(response).poll(cx)
        {
            self.response = None;
            self.reader = answered.ok().map(Response::into_body);
        }
        match action {
            Action::Begin { end } => {
                if let Some(mut respond) = self.respond.take() {
                    self.writer = respond.send_response(&Response::new(()), end).ok();
                }
            }
            Action::Read => {
                if let Some(reader) = &mut self.reader
                    && let Poll::Ready(None) = reader.poll_data(cx)
                {
                    assert!(reader.poll_trailers(cx).is_ready());
                    assert!(reader.is_end_stream());
                }
            }
            Action::Send { len, end } => {
                if let Some(writer) = &mut self.writer {
                    _ = writer.poll_ready(cx);
                    _ = writer.send_data(Bytes::from(vec![9; len]), end);
                }
            }
            Action::Trailers => {
                _ = self.writer.as_mut().map(|writer| writer.send_trailers(HeaderMap::new()));
            }
            Action::Reset => _ = self.writer.as_mut().map(|writer| writer.send_reset(Reason::CANCEL)),
            Action::DropReader => (self.reader, self.response) = (None, None),
            Action::DropWriter => (self.writer, self.respond) = (None, None),
        }
    }
}

/// Checks that the output consists of complete frames, each of a kind and length that the peer may receive.
fn judge(mut wrote: &[u8], largest: usize) {
    while let Some((head, rest)) = wrote.split_first_chunk::<9>() {
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(len <= largest && head[3] <= CONTINUATION && head[3] != 5, "{head:?}");
        assert!(len <= rest.len(), "a frame is cut off");
        wrote = &rest[len..];
    }
    assert!(wrote.is_empty());
}

/// The largest frame that SETTINGS of these events may allow.
const LARGEST: usize = (1 << 24) - 1;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn a_server_stays_whole(events in events()) {
        let _timers = timers();
        let mut cx = Context::from_waker(Waker::noop());
        let socket = Socket::default();
        let mut connection = server::Connection::new(socket.clone(), Settings::default());
        let mut calls: Vec<Call> = Vec::new();
        socket.reads([PREFACE, &settings(&[])].concat());
        for event in events {
            match event {
                Event::Came(bytes) => socket.reads(bytes),
                Event::Full(is_full) => socket.is_full(is_full),
                Event::Does(call, action) => {
                    if let Some(call) = calls.get_mut(call) {
                        call.does(action, &mut cx);
                    }
                }
            }
            while let Poll::Ready(Some(Ok((request, respond)))) = connection.poll_accept(&mut cx) {
                let reader = Some(request.into_body());
                calls.push(Call { respond: Some(respond), reader, ..Call::default() });
            }
        }
        socket.is_full(false);
        drop(calls);
        for _ in 0..100 {
            _ = connection.poll_accept(&mut cx);
        }
        judge(&socket.wrote(), LARGEST);
    }

    #[test]
    fn a_client_stays_whole(events in events()) {
        let _timers = timers();
        let mut cx = Context::from_waker(Waker::noop());
        let socket = Socket::default();
        let (mut send, mut connection): (SendRequest, _) = client::new(socket.clone(), Settings::default());
        let mut calls: Vec<Call> = Vec::new();
        let mut is_over = false;
        socket.reads(settings(&[]));
        for event in events {
            match event {
                Event::Came(bytes) => socket.reads(bytes),
                Event::Full(is_full) => socket.is_full(is_full),
                Event::Does(_, Action::Begin { end }) => {
                    let request = Request::post("http://side.test/call").body(()).unwrap();
                    if let Ok((response, writer)) = send.send_request(&request, end) {
                        calls.push(Call { response: Some(response), writer: Some(writer), ..Call::default() });
                    }
                }
                Event::Does(call, action) => {
                    if let Some(call) = calls.get_mut(call) {
                        call.does(action, &mut cx);
                    }
                }
            }
            for _ in 0..3 {
                is_over = is_over || std::pin::Pin::new(&mut connection).poll(&mut cx).is_ready();
            }
        }
        socket.is_full(false);
        drop((calls, send));
        for _ in 0..100 {
            is_over = is_over || std::pin::Pin::new(&mut connection).poll(&mut cx).is_ready();
        }
        prop_assert!(is_over, "nobody wants it any more");
        judge(&socket.wrote()[PREFACE.len()..], LARGEST);
    }
}
