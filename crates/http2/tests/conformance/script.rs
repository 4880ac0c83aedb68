//! Sides polled by hand, over a scripted socket: each read, and whether it accepts data.

use std::{
    collections::VecDeque,
    env, fs, io,
    pin::Pin,
    process::Command,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use bytes::Bytes;
use http::{Request, Response};
use proptest::{collection::vec, prelude::*};
use teal_http2::{
    Budget, Limits as Bounds, Rate, RecvStream, SendStream, Settings, client,
    server::{Connection, SendResponse},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    runtime::{self, EnterGuard, Runtime},
};

use super::{side::Limits, wire::*};

/// Sides that are polled by hand need timers too.
pub(super) fn timers() -> EnterGuard<'static> {
    static RUNTIME: LazyLock<Runtime> =
        LazyLock::new(|| runtime::Builder::new_current_thread().enable_time().build().unwrap());
    RUNTIME.enter()
}

/// The socket of a side.
#[derive(Clone, Default)]
pub(super) struct Socket(Arc<Mutex<Wire>>);

#[derive(Default)]
struct Wire {
    /// Pending reads, each returned by a read of its own.
    reads: VecDeque<Vec<u8>>,
    wrote: Vec<u8>,
    is_full: bool,
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        let Some(mut read) = wire.reads.pop_front() else { return Poll::Pending };
        let rest = read.split_off(read.len().min(buf.remaining()));
        buf.put_slice(&read);
        if !rest.is_empty() {
            wire.reads.push_front(rest);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        if wire.is_full {
            return Poll::Pending;
        }
        wire.wrote.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Socket {
    /// Adds these bytes as a read of their own.
    pub(super) fn reads(&self, bytes: Vec<u8>) {
        self.0.lock().unwrap().reads.push_back(bytes);
    }

    /// Sets whether it accepts no data.
    pub(super) fn is_full(&self, is_full: bool) {
        self.0.lock().unwrap().is_full = is_full;
    }

    /// Everything written so far.
    pub(super) fn wrote(&self) -> Vec<u8> {
        self.0.lock().unwrap().wrote.clone()
    }
}

struct Server {
    connection: Connection<Socket>,
    socket: Socket,
}

impl Server {
    /// A server that has read the client's preface and these SETTINGS.
    fn new(settings: &[(u16, u32)]) -> Self {
        Self::with_budget(settings, Budget::default())
    }

    fn with_budget(settings: &[(u16, u32)], budget: Budget) -> Self {
        // These tests fill reads with unknown frames.
        let abuse = Bounds { ignored_frames: Rate::new(1_000_000, 1_000_000), ..Bounds::default() };
        let limits = Limits {
            window: Some(16 << 20),
            connection_window: Some(16 << 20),
            abuse: Some(abuse),
            ..Limits::default()
        };
        let socket = Socket::default();
        let connection = Connection::with_budget(socket.clone(), limits.into(), budget);
        let mut server = Self { connection, socket };
        let acknowledged = frame(SETTINGS, ACK, 0, &[]);
        assert!(server.read(&[PREFACE, &self::settings(settings), &acknowledged].concat()).is_none());
        server
    }

    /// Lets the server read this, and returns the resulting request.
    fn read(&mut self, bytes: &[u8]) -> Option<(Request<RecvStream>, SendResponse)> {
        if !bytes.is_empty() {
            self.socket.0.lock().unwrap().reads.push_back(bytes.to_vec());
        }
        // Much input needs more than one turn.
        (0..4).find_map(|_| match self.connection.poll_accept(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(accepted)) => Some(accepted.unwrap()),
            Poll::Ready(None) => panic!("the connection is over"),
            Poll::Pending => None,
        })
    }

    fn is_full(&mut self, is_full: bool) {
        self.socket.0.lock().unwrap().is_full = is_full;
        assert!(self.read(&[]).is_none());
    }

    /// Responds to the request on this stream.
    fn answer(&mut self, stream: u32) -> (RecvStream, SendStream) {
        let (request, mut respond) =
            self.read(&frame(HEADERS, END_HEADERS, stream, &post("/call", &[]))).expect("a request");
        (request.into_body(), respond.send_response(&Response::new(()), false).unwrap())
    }
}

/// The received and unread data.
fn unread(body: &mut RecvStream) -> Option<Bytes> {
    match body.poll_data(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Some(data)) => Some(data.unwrap()),
        Poll::Ready(None) | Poll::Pending => None,
    }
}

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

const ALONE: &str = "TEAL_HTTP2_TEST_ALONE";

#[test]
fn small_unread_frames_cost_little_extra_memory() {
    let _timers = timers();
    // In a process of its own, where nothing else uses memory.
    if env::var_os(ALONE).is_none() {
        let name = "script::small_unread_frames_cost_little_extra_memory";
        let mut alone = Command::new(env::current_exe().unwrap());
        let output = alone.args(["--exact", name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    let data =
        |at: usize| -> Vec<u8> { (0..1_024).map(|byte| (at * 31 + byte * 7 + at / 256) as u8).collect() };
    let filler = frame(0x16, 0, 0, &[1; 15_000]).repeat(2);
    let mut server = Server::new(&[]);
    let (mut body, _sink) = server.answer(1);
    let before = resident();
    for at in 0..8_192 {
        assert!(server.read(&[&filler[..], &frame(DATA, 0, 1, &data(at)), &filler].concat()).is_none());
    }
    let grown = resident().saturating_sub(before);
    assert!(grown < 40 << 20, "8 MiB unread take {grown} bytes");
    let mut read = Vec::new();
    while let Some(data) = unread(&mut body) {
        read.extend(data);
    }
    assert!(read == (0..8_192).flat_map(data).collect::<Vec<_>>(), "what is read is not what came");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// The length of each frame, and whether data is read after it.
    #[test]
    fn frames_of_all_sizes_are_read_unchanged(
        frames in vec((prop_oneof![0..40_usize, 900..1_200_usize, 4_000..16_384_usize], any::<bool>()), 1..80),
        cut in prop_oneof![1..3_000_usize, 3_000..70_000_usize],
        reads in any::<bool>(),
    ) {
        let _timers = timers();
        let mut server = Server::new(&[]);
        let (mut body, _sink) = server.answer(1);
        let (mut came, mut read) = (Vec::new(), Vec::new());
        let mut waiting = Vec::new();
        for (at, (len, is_read)) in frames.iter().enumerate() {
            let data: Vec<_> = (0..*len).map(|byte| (at * 31 + byte + byte / 251) as u8).collect();
            waiting.extend(frame(DATA, 0, 1, &data));
            came.extend(data);
            while waiting.len() >= cut {
                let rest = waiting.split_off(cut);
                prop_assert!(server.read(&std::mem::replace(&mut waiting, rest)).is_none());
            }
            if reads && *is_read {
                read.extend(unread(&mut body).unwrap_or_default());
            }
        }
        prop_assert!(server.read(&[waiting, frame(DATA, END_STREAM, 1, &[])].concat()).is_none());
        while let Some(data) = unread(&mut body) {
            read.extend(data);
        }
        prop_assert!(read == came, "{} bytes of {}", read.len(), came.len());
        prop_assert!(body.is_end_stream());
    }
}

#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Woken {
    /// Returns whether it was woken since the last call.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[test]
fn waiters_learn_of_a_window_taken_elsewhere() {
    let _timers = timers();
    let mut server = Server::new(&[(INITIAL_WINDOW_SIZE, 1 << 20), (MAX_FRAME_SIZE, 1 << 20)]);
    assert!(server.read(&window(0, 200_000 - 65_535)).is_none());
    let (_, mut first) = server.answer(1);
    let (_, mut second) = server.answer(3);
    server.is_full(true);
    // As much as the output limit allows, and the rest of the window.
    first.send_data(vec![b'a'; 150_000].into(), false).unwrap();
    first.send_data(vec![b'a'; 50_000].into(), false).unwrap();
    let data = vec![b'b'; 10_000];
    second.send_data(data.clone().into(), false).unwrap();
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(second.poll_ready(&mut cx).is_pending());
    assert!(!second.is_stalled(), "it waits for the socket");
    woken.take();
    server.is_full(false);
    assert!(woken.take(), "the window is used up");
    assert!(second.poll_ready(&mut cx).is_pending());
    assert!(second.is_stalled());
    assert!(!first.is_stalled());
    assert!(server.read(&window(0, 4_000)).is_none());
    assert!(woken.take(), "it is stalled again");
    assert!(second.poll_ready(&mut cx).is_pending() && second.is_stalled());
    assert!(server.read(&window(0, 10_000)).is_none());
    assert!(woken.take(), "all has left");
    assert!(matches!(second.poll_ready(&mut cx), Poll::Ready(Ok(()))));
    assert!(!second.is_stalled());
    let wrote = &server.socket.0.lock().unwrap().wrote;
    assert!(wrote.ends_with(&frame(DATA, 0, 3, &data[4_000..])));
}

#[test]
fn answers_are_read_while_requests_are_blocked() {
    let _timers = timers();
    let socket = Socket::default();
    let (mut requests, mut connection) = client::new(socket.clone(), Settings::default());
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |bytes: Vec<u8>| {
        socket.0.lock().unwrap().reads.push_back(bytes);
        assert!(Pin::new(&mut connection).poll(&mut cx).is_pending());
    };
    read(settings(&[]));
    socket.0.lock().unwrap().is_full = true;
    let request = Request::post("http://side.test/call").header("x-long", "v".repeat(10_000));
    let request = request.body(()).unwrap();
    let sent = (0..400).map(|_| requests.send_request(&request, true));
    let mut calls: Vec<_> = sent.take_while(Result::is_ok).flatten().collect();
    assert!((20..40).contains(&calls.len()), "{} calls of 10 KB wait for the socket", calls.len());
    assert!(requests.send_request(&request, true).is_err_and(|error| error.is_full()));
    read(frame(PING, 0, 0, &[0; 8]));
    read(frame(HEADERS, WHOLE, 1, &[0x88]));
    let answer = Pin::new(&mut calls[0].0).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(answer, Poll::Ready(Ok(_))), "{answer:?}");
}

#[test]
fn a_turn_ends_after_one_long_list() {
    let _timers = timers();
    let mut server = Server::new(&[]);
    // A field of the dynamic table, and 900 times its index: each is one byte on the wire.
    let first = [&post("/call", &[])[..], b"\x40\x01a\x01b"].concat();
    let long = [&post("/call", &[])[..], &[0xbe; 900]].concat();
    let requests = (0..64_u32).map(|call| {
        let list = if call == 0 { &first } else { &long };
        frame(HEADERS, WHOLE, 1 + 2 * call, list)
    });
    server.socket.reads(requests.collect::<Vec<_>>().concat());
    let mut taken = Vec::new();
    while taken.iter().sum::<usize>() < 64 {
        let turn = std::iter::from_fn(|| {
            match server.connection.poll_accept(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(accepted) => Some(accepted.expect("the connection goes on").unwrap()),
                Poll::Pending => None,
            }
        });
        taken.push(turn.count());
        assert!(taken.len() <= 128, "{taken:?}");
    }
    // The first one is short.
    assert!(taken.iter().all(|requests| *requests <= 2), "requests of each turn: {taken:?}");
}

#[test]
fn long_responses_count_for_the_process_alone() {
    const LONG: usize = 2_500_000;
    let _timers = timers();
    // A share of 1 MiB.
    let budget = Budget::new(16 << 20);
    let mut server = Server::with_budget(&[], budget.clone());
    let respond = |server: &mut Server, number: u32| {
        let (_, mut sink) = server.answer(1 + 2 * number);
        sink.send_data(vec![7; LONG].into(), true).unwrap();
        sink
    };
    let is_lost = |sink: &mut SendStream| {
        matches!(sink.poll_ready(&mut Context::from_waker(Waker::noop())), Poll::Ready(Err(_)))
    };
    let mut sinks: Vec<_> = (0..6).map(|number| respond(&mut server, number)).collect();
    // What is queued is charged a little later.
    while budget.used() < 6 * LONG - 65_535 {
        assert!(server.read(&[]).is_none());
        assert!(!sinks.iter_mut().any(is_lost), "{} of 16 MiB", budget.used());
    }
    sinks.push(respond(&mut server, 6));
    while !sinks.iter_mut().any(is_lost) {
        assert!(server.read(&[]).is_none());
    }
    // The oldest, down to seven eighths.
    let lost: Vec<_> = sinks.iter_mut().map(is_lost).collect();
    assert_eq!(lost, [true, true, false, false, false, false, false]);
    assert!(budget.used() <= 14 << 20, "{}", budget.used());
}
