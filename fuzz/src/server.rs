//! A server's connection with a client that sends anything, and users who do anything.

use std::{cell::RefCell, rc::Rc};

use teal_http2::server;

use crate::{
    executor::Executor,
    input::Input,
    model::Model,
    pair::{Command, Todo, any_settings, budget, serve},
    peer::{Peer, Step},
    pipe::{Pipe, Socket},
    side::Side,
    users::World,
};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let input = Input::new(bytes);
    let executor = Executor::new(input.clone());
    let world = World::new(input.clone(), executor.handle.clone(), false);
    let (up, down) = (Pipe::new(usize::MAX, usize::MAX), Pipe::new(usize::MAX, usize::MAX));
    let model = Rc::new(RefCell::new(Model::new(true)));
    let kept = input.once_in(4).then(Default::default);
    let io = Socket { input: up.clone(), output: down.clone(), model: model.clone(), kept };
    let connection = server::Connection::with_budget(io, any_settings(&input), budget(&input));
    let mut ping = connection.ping_pong();
    let mut side = Side::new(executor, connection.ping_pong(), model, up, down);
    let command = Rc::new(Command::default());
    world.time.spawn("connection", serve(world.clone(), connection, command.clone()));

    let mut peer = Peer::new(input.clone(), true);
    side.say(&peer.begin(), usize::MAX);
    while !input.is_empty() {
        match side.step(&mut peer) {
            Some(Step::User(what)) => match what % 16 {
                0..3 => command.give(Todo::Graceful),
                3 => command.give(Todo::Abrupt),
                4 => command.give(Todo::DropServer),
                _ => _ = ping.send_ping(),
            },
            Some(_) => unreachable!("the side knows what to do"),
            None => {}
        }
    }
    side.end();
}
