//! A client's connection with a server that sends anything, and users who do anything.

use std::{cell::RefCell, rc::Rc};

use teal_http2::client;

use crate::{
    executor::Executor,
    input::Input,
    model::Model,
    pair::{Command, Todo, any_settings, drive},
    peer::{Peer, Step},
    pipe::{Pipe, Socket},
    side::Side,
    users::{World, open},
};

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let input = Input::new(bytes);
    let executor = Executor::new(input.clone());
    let world = World::new(input.clone(), executor.handle.clone(), false);
    let (up, down) = (Pipe::new(usize::MAX, usize::MAX), Pipe::new(usize::MAX, usize::MAX));
    let model = Rc::new(RefCell::new(Model::new(false)));
    let kept = input.once_in(4).then(Default::default);
    let io = Socket { input: down.clone(), output: up.clone(), model: model.clone(), kept };
    let (send, connection) = client::new(io, any_settings(&input));
    let mut ping = connection.ping_pong();
    let mut side = Side::new(executor, connection.ping_pong(), model, down, up);
    let command = Rc::new(Command::default());
    world.time.spawn("connection", drive(world.clone(), connection, command.clone()));
    let mut send = Some(send);

    let mut peer = Peer::new(input.clone(), false);
    side.say(&peer.begin(), usize::MAX);
    while !input.is_empty() {
        match side.step(&mut peer) {
            Some(Step::User(what)) => match (what % 16, &send) {
                (0, _) => send = None,
                (1, _) => command.give(Todo::DropClient),
                (2 | 3, _) => _ = ping.send_ping(),
                (calls, Some(send)) => {
                    world.time.spawn("opener", open(world.clone(), send.clone(), calls.into()));
                }
                _ => {}
            },
            Some(_) => unreachable!("the side knows what to do"),
            None => {}
        }
    }
    drop(send);
    side.end();
}
