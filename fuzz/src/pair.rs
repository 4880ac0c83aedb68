//! Both sides with each other, over small sockets, with users who cancel at random.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Poll, Waker},
};

use teal_http2::{Budget, Limits, PingPong, Rate, Reason, Settings, client, fuzzing::Inspector, server};

use crate::{
    executor::Executor,
    input::Input,
    model::Model,
    pipe::{Pipe, Shared, Socket},
    users::{self, World},
};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let input = Input::new(bytes);
    let mut executor = Executor::new(input.clone());
    let mut world = World::new(input.clone(), executor.handle.clone(), true);
    let capacities = [1_usize, 7, 64, 1_000, 70_000, 1 << 20];
    let pipe = || Pipe::new(input.pick(&capacities).max(1), input.pick(&[usize::MAX, 1, 10, 5_000]));
    let (up, down) = (pipe(), pipe());
    if [&up, &down].iter().any(|pipe| pipe.borrow().is_narrow()) {
        world.sizes = 5;
    }
    let models = [true, false].map(|is_server| Rc::new(RefCell::new(Model::new(is_server))));
    let kept = || input.once_in(4).then(Default::default);
    let server_io =
        Socket { input: up.clone(), output: down.clone(), model: models[0].clone(), kept: kept() };
    let client_io =
        Socket { input: down.clone(), output: up.clone(), model: models[1].clone(), kept: kept() };

    let has_little = input.once_in(8);
    let budget = if has_little { Budget::new(16 * 70_000) } else { Budget::default() };
    world.is_disturbed.set(has_little);
    let server = server::Connection::with_budget(server_io, settings(&input), budget);
    let (send, client) = client::new(client_io, settings(&input));
    let inspectors = [Inspector::new(server.ping_pong()), Inspector::new(client.ping_pong())];
    let pings = [server.ping_pong(), client.ping_pong()];
    let command = Rc::new(Command::default());
    let calls = input.choose(12);
    world.time.spawn("server", serve(world.clone(), server, command.clone()));
    world.time.spawn("client", drive(world.clone(), client, command.clone()));
    world.time.spawn("opener", users::open(world.clone(), send, calls));
    world.time.spawn("director", direct(world.clone(), command, [up.clone(), down.clone()], pings));

    let check = || {
        for (inspector, side) in inspectors.iter().zip(["server", "client"]) {
            inspector.check().unwrap_or_else(|problem| panic!("{side}: {problem}"));
        }
    };
    loop {
        executor.run(check);
        if up.borrow().bytes.is_empty() && down.borrow().bytes.is_empty() {
            for (inspector, model) in inspectors.iter().zip(&models) {
                model.borrow().compare(&inspector.snapshot());
            }
        }
        if !executor.pass_time() {
            break;
        }
    }
    let unfinished = executor.unfinished();
    assert!(unfinished.is_empty(), "they wait for ever: {unfinished:?}");
    if !world.is_disturbed.get() {
        let opened = world.calls.as_ref().map_or(0, |calls| calls.borrow().len());
        assert_eq!(world.read.get(), 2 * opened, "bodies of {opened} calls");
    }
}

/// Settings under which calls work normally.
fn settings(input: &Input) -> Settings {
    let initial_stream_window = input.pick(&[65_535, 65_536, 100_000, 1 << 20, (1 << 31) - 1]);
    Settings {
        max_concurrent_streams: input.pick(&[256, 1, 2, 5]),
        initial_stream_window,
        stream_window: initial_stream_window.max(input.pick(&[1 << 20, 65_535, 70_000, (1 << 31) - 1])),
        connection_window: input.pick(&[65_535, 65_536, 100_000, 1 << 20, (1 << 31) - 1]),
        max_frame_size: input.pick(&[16_384, 16_385, 50_000, (1 << 24) - 1]),
        limits: Limits { frames_per_turn: input.pick(&[128, 1, 3]), ..Limits::default() },
        ..Settings::default()
    }
}

/// Settings that tolerate little beside calls.
pub(crate) fn any_settings(input: &Input) -> Settings {
    let mut settings = settings(input);
    if input.once_in(2) {
        let few = Rate::new(5, 1000);
        let limits = &mut settings.limits;
        (limits.settings, limits.pings, limits.ignored_frames) = (few, few, few);
        (limits.empty_data, limits.window_updates, limits.resets) = (few, few, few);
        (limits.settings_entries, limits.continuations, limits.stream_errors) = (3, 2, 5);
        limits.output = 20_000;
        settings.max_header_list_size = 500;
        settings.allows_blanks = true;
    }
    settings
}

/// A budget that is exhausted soon, or not.
pub(crate) fn budget(input: &Input) -> Budget {
    if input.once_in(4) { Budget::new(16 * 70_000) } else { Budget::default() }
}

/// The next operation on a connection.
#[derive(Default)]
pub(crate) struct Command {
    todo: Cell<Option<Todo>>,
    wakers: RefCell<Vec<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Todo {
    Graceful,
    Abrupt,
    DropServer,
    DropClient,
}

impl Command {
    pub(crate) fn give(&self, todo: Todo) {
        self.todo.set(Some(todo));
        self.wakers.take().into_iter().for_each(Waker::wake);
    }

    fn take(&self, is_mine: impl Fn(Todo) -> bool, waker: &Waker) -> Option<Todo> {
        self.wakers.borrow_mut().push(waker.clone());
        let todo = self.todo.get().filter(|todo| is_mine(*todo))?;
        self.todo.take();
        Some(todo)
    }
}

/// Accepts requests until the connection is over or dropped.
pub(crate) async fn serve(world: World, mut connection: server::Connection<Socket>, command: Rc<Command>) {
    loop {
        let next = poll_fn(|cx| {
            match command.take(|todo| todo != Todo::DropClient, cx.waker()) {
                Some(Todo::Graceful) => connection.graceful_shutdown(),
                Some(Todo::Abrupt) => connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
                Some(_) => return Poll::Ready(None),
                None => {}
            }
            connection.poll_accept(cx)
        });
        match next.await {
            Some(Ok((request, respond))) => users::answer(&world, request, respond),
            Some(Err(error)) => {
                let is_known = world.calls.is_none() || world.is_disturbed.get();
                assert!(is_known, "the server's connection failed: {error}");
                return;
            }
            None => return,
        }
    }
}

/// Drives a client's connection until it is over or dropped.
pub(crate) async fn drive(world: World, mut connection: client::Connection<Socket>, command: Rc<Command>) {
    let over = poll_fn(|cx| {
        if command.take(|todo| todo == Todo::DropClient, cx.waker()).is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut connection).poll(cx)
    });
    if let Err(error) = over.await {
        let is_known = world.calls.is_none() || world.is_disturbed.get();
        assert!(is_known, "the client's connection failed: {error}");
    }
}

/// Performs at most one operation on the connection.
async fn direct(world: World, command: Rc<Command>, pipes: [Shared<Pipe>; 2], mut pings: [PingPong; 2]) {
    for _ in 0..world.input.choose(4) {
        world.time.sleep(world.input.choose(8) as u64).await;
        let what = world.input.choose(12);
        if (1..7).contains(&what) {
            world.is_disturbed.set(true);
        }
        match what {
            1 => command.give(Todo::Graceful),
            2 => command.give(Todo::Abrupt),
            3 => command.give(Todo::DropServer),
            4 => command.give(Todo::DropClient),
            5 => pipes.iter().for_each(|pipe| pipe.borrow_mut().break_it()),
            6 => world.input.pick(&pipes).borrow_mut().end(),
            7 => pipes.iter().for_each(|pipe| pipe.borrow_mut().resize(1 << 16)),
            8 => _ = pings[world.input.choose(2)].send_ping(),
            9 => _ = pings[world.input.choose(2)].ping().await,
            _ => {}
        }
    }
}
