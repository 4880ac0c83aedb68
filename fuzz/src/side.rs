//! One side of a connection, whose peer is the input.

use teal_http2::{PingPong, fuzzing::Inspector};

use crate::{
    executor::Executor,
    model::Model,
    peer::{Peer, Step},
    pipe::{Pipe, Shared},
};

/// The most tenths of a second that reading may pause in total: less than a connection may take to end.
const PAUSES: usize = 50;

pub(crate) struct Side {
    executor: Executor,
    inspector: Inspector,
    model: Shared<Model>,
    /// What the peer sends, and what it receives.
    input: Shared<Pipe>,
    output: Shared<Pipe>,
}

impl Side {
    pub(crate) fn new(
        executor: Executor,
        ping_pong: PingPong,
        model: Shared<Model>,
        input: Shared<Pipe>,
        output: Shared<Pipe>,
    ) -> Self {
        Self { executor, inspector: Inspector::new(ping_pong), model, input, output }
    }

    /// Performs the next event, unless it is an operation for the user of the connection.
    pub(crate) fn step(&mut self, peer: &mut Peer) -> Option<Step> {
        let step = peer.step(&self.model.borrow());
        match step {
            Step::Say(bytes, part) => self.say(&bytes, part),
            Step::Room(room) => self.output.borrow_mut().resize(room),
            Step::End => self.input.borrow_mut().end(),
            Step::Break => {
                self.input.borrow_mut().break_it();
                self.output.borrow_mut().break_it();
            }
            Step::Time => _ = self.executor.pass_time(),
            Step::User(_) => return Some(step),
        }
        self.settle();
        None
    }

    pub(crate) fn say(&mut self, bytes: &[u8], part: usize) {
        let mut input = self.input.borrow_mut();
        if input.has_ended {
            return;
        }
        input.part = part;
        input.put(bytes);
        drop(input);
        self.settle();
    }

    /// Runs until nothing happens. Afterwards all input was handled and all output was written.
    fn settle(&mut self) {
        loop {
            self.executor.run(|| self.inspector.check().unwrap_or_else(|problem| panic!("{problem}")));
            let mut output = self.output.borrow_mut();
            let is_blocked = output.capacity != usize::MAX;
            if is_blocked || output.drain().is_empty() {
                drop(output);
                if !is_blocked {
                    self.check();
                }
                return;
            }
        }
    }

    fn check(&self) {
        let snapshot = self.inspector.snapshot();
        self.model.borrow().compare(&snapshot);
        // Output after the end is discarded.
        let is_over = self.model.borrow().has_gone_away() && snapshot.streams.is_empty();
        if snapshot.has_ended || is_over {
            return;
        }
        assert_eq!(snapshot.output, 0, "bytes wait to be written, and nobody writes");
        let unread = self.input.borrow().bytes.len();
        assert!(unread == 0 || snapshot.is_slowed, "bytes wait to be read, and nobody reads");
        for stream in &snapshot.streams {
            let is_free = stream.queued > 0 && stream.send_window > 0 && snapshot.send_window > 0;
            assert!(!is_free, "data of {} may go, and nobody sends it", stream.id);
        }
    }

    /// The peer reads everything and ends; afterwards no task may be waiting.
    pub(crate) fn end(mut self) {
        self.output.borrow_mut().resize(usize::MAX);
        self.settle();
        self.input.borrow_mut().end();
        loop {
            self.settle();
            if !self.executor.pass_time() {
                break;
            }
        }
        // Reading may pause, but nothing may wait for the shutdown timeout of a connection.
        for _ in 0..PAUSES {
            Executor::advance(100);
            self.settle();
        }
        let unfinished = self.executor.unfinished();
        assert!(unfinished.is_empty(), "they wait for ever: {unfinished:?}");
    }
}
