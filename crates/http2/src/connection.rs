//! Reads and writes the socket of a connection, driven by polling.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::yield_now,
    time::{Instant, Sleep, sleep},
};

use crate::{
    budget::Budget,
    core::{Core, Ending, SETTLED_EVERY, Shared},
    error::{By, Error, Reason},
    output::Output,
    reader::Reader,
    settings::Settings,
};

/// The most bytes that are read from a client after everything was sent. If a socket is closed with unread or late
/// data, TCP discards what the client has not received yet.
const LINGERING: usize = 256 << 10;
/// Reads per turn: the data is forwarded before more is read.
const READS: u32 = 4;
/// Output of this many bytes is written without waiting for more.
const ENOUGH: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Driver<IO> {
    io: IO,
    pub(crate) core: Shared,
    reader: Reader,
    writing: Output,
    /// Written bytes may still be in a TLS buffer.
    needs_flush: bool,
    turn: Option<Turn>,
    /// The waker that is registered with the client's account.
    registered: Option<Waker>,
    /// Fires at the end of a read pause, at the shutdown timeout, or when unread data must be counted.
    timer: Option<Pin<Box<Sleep>>>,
    shut: Shut,
}

/// The work left in this turn, before other connections are served.
#[derive(Debug)]
struct Turn {
    frames: u32,
    reads: u32,
}

/// The progress of a shutdown.
#[derive(Debug)]
enum Shut {
    No,
    /// The last frames are being written.
    Flushing,
    /// Everything is written; this many bytes were received since.
    Said(usize),
    Done,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    pub(crate) fn new(io: IO, is_server: bool, settings: Settings, budget: Budget) -> Self {
        let mut writing = Output::default();
        if !is_server {
            writing.buffer().extend_from_slice(crate::frame::PREFACE);
        }
        let core = Core::new(is_server, settings, budget);
        let reader = Reader::new(is_server, &core.ours);
        Self {
            io,
            core: Shared::new(core),
            reader,
            writing,
            needs_flush: false,
            turn: None,
            registered: None,
            timer: None,
            shut: Shut::No,
        }
    }

    /// Returns whether the preface and the first SETTINGS have arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.reader.has_begun()
    }

    /// Reads and writes as much as possible. Ready when there is a request, or the connection is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.turn.is_none() {
            self.begin_turn(cx);
        }
        let polled = self.poll_turn(cx);
        if polled.is_pending() {
            self.turn = None;
        }
        polled
    }

    fn begin_turn(&mut self, cx: &Context<'_>) {
        let mut core = self.core.lock();
        if let Some(account) = &core.account
            && self.registered.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker()))
        {
            account.register(cx.waker());
            self.registered = Some(cx.waker().clone());
        }
        core.begin_turn();
        self.turn = Some(Turn { frames: core.ours.limits.frames_per_turn, reads: READS });
    }

    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let is_written = self.poll_write(cx)?.is_ready();
            {
                let mut core = self.core.lock();
                if core.is_over() {
                    drop(core);
                    return self.poll_shut(cx);
                }
                if !core.accept.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                if !is_written && core.is_backed_up() {
                    core.driver.park(cx);
                    return Poll::Pending;
                }
                core.driver.unpark();
            }
            if self.poll_slowed(cx).is_pending() {
                ready!(self.poll_idle(cx)?);
                continue;
            }
            ready!(self.poll_read(cx)?);
        }
    }

    /// Handles available frames until the turn is over. Ready when there may be something to write or accept.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            let turn = self.turn.get_or_insert(Turn { frames: 0, reads: 0 });
            if turn.frames == 0 || (turn.reads == 0 && !self.reader.has_more) {
                return poll_yield(cx);
            }
            if !self.reader.has_more {
                turn.reads -= 1;
                match self.reader.input.poll_read(&mut self.io, cx) {
                    Poll::Pending => {
                        // A peer that pauses has stopped flooding.
                        self.core.lock().slowed = None;
                        return self.poll_idle(cx);
                    }
                    Poll::Ready(Ok(0)) => {
                        self.core.lock().has_lost_peer(Error::closed());
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Err(error)) => {
                        self.core.lock().has_lost_peer(error.into());
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Ok(_)) => {}
                }
            }
            let mut core = self.core.lock();
            if let Err(error) = self.reader.work(&mut core, &mut turn.frames) {
                core.connection_error(error, By::Library);
            }
            let is_over = core.ending == Ending::Now;
            if is_over || !core.accept.is_empty() || core.out.len() >= ENOUGH || core.slowed.is_some() {
                return Poll::Ready(Ok(()));
            }
        }
    }

    /// Ready when reading is allowed again.
    fn poll_slowed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.core.lock().slowed_for() else { return Poll::Ready(()) };
        self.start_timer(left);
        self.poll_timer(cx)
    }

    /// Called when there is nothing to read. Ready when there may be something to write.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut core = self.core.lock();
        core.pump();
        let has_work = !core.out.is_empty() && self.writing.is_empty();
        if has_work || core.is_over() {
            return Poll::Ready(Ok(()));
        }
        core.driver.park(cx);
        let has_slices = core.slices > 0;
        drop(core);
        if has_slices {
            // Data still unread at that time is counted.
            if self.timer.as_ref().is_none_or(|timer| timer.is_elapsed()) {
                self.start_timer(SETTLED_EVERY);
            }
            if self.poll_timer(cx).is_ready() {
                return poll_yield(cx);
            }
        }
        Poll::Pending
    }

    /// Writes until the output is empty.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        loop {
            self.needs_flush |= !self.writing.is_empty();
            let mut written = self.writing.poll_write(&mut self.io, cx);
            let mut core = self.core.lock();
            core.writing = self.writing.len();
            if matches!(written, Poll::Ready(Ok(()))) {
                core.pump();
                if core.out.is_empty() && self.needs_flush {
                    drop(core);
                    written = Pin::new(&mut self.io).poll_flush(cx);
                    self.needs_flush = written.is_pending();
                    core = self.core.lock();
                }
            }
            match written {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => {
                    core.has_lost_peer(error.into());
                    core.out = Output::default();
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(())) if core.out.is_empty() => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(())) => {}
            }
            std::mem::swap(&mut core.out, &mut self.writing);
            core.writing = self.writing.len();
        }
    }

    /// Writes the remaining output, and closes the socket.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if matches!(self.shut, Shut::No) {
            let mut core = self.core.lock();
            core.say_goodbye();
            let most = core.ours.limits.shutdown;
            drop(core);
            self.timer = None;
            self.start_timer(most);
            self.shut = Shut::Flushing;
        }
        if self.poll_timer(cx).is_ready() {
            self.shut = Shut::Done;
        }
        if matches!(self.shut, Shut::Flushing) {
            // Nothing is written to a broken socket.
            let is_gone = |core: &Core| core.error.as_ref().is_some_and(Error::is_io);
            if !is_gone(&self.core.lock()) && self.poll_write(cx)?.is_pending() {
                // The peer may also be shutting down, and waiting for this side to read.
                ready!(self.poll_drain(cx, &mut 0, usize::MAX));
                return Poll::Pending;
            }
            let is_gone = is_gone(&self.core.lock());
            if !is_gone {
                _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            }
            let lingers = !is_gone && self.core.lock().is_server;
            self.shut = if lingers { Shut::Said(0) } else { Shut::Done };
        }
        if let Shut::Said(mut read) = self.shut {
            let drained = self.poll_drain(cx, &mut read, LINGERING);
            self.shut = Shut::Said(read);
            ready!(drained);
            self.shut = Shut::Done;
        }
        let core = self.core.lock();
        let sent_away = core.sent_away.as_ref().map(|(error, _)| error);
        let sent_away = sent_away.filter(|error| error.reason() != Some(Reason::NO_ERROR));
        Poll::Ready(core.error.as_ref().or(sent_away).cloned().map_or(Ok(()), Err))
    }

    /// Reads and discards. Ready at end of stream, or once `most` bytes were read.
    fn poll_drain(&mut self, cx: &mut Context<'_>, read: &mut usize, most: usize) -> Poll<()> {
        for _ in 0..READS {
            match ready!(self.reader.input.poll_drop(&mut self.io, cx)) {
                Ok(more) if more > 0 && *read < most => *read += more,
                _ => return Poll::Ready(()),
            }
        }
        poll_yield(cx)
    }

    fn start_timer(&mut self, left: Duration) {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(left)));
        let deadline = Instant::now() + left;
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx))
    }
}

/// Yields to other tasks and to the I/O driver: a task that only wakes itself would run before the driver.
fn poll_yield<T>(cx: &mut Context<'_>) -> Poll<T> {
    _ = pin!(yield_now()).poll(cx);
    Poll::Pending
}

impl<IO> Drop for Driver<IO> {
    fn drop(&mut self) {
        self.core.lock().fail(&Error::closed());
    }
}

#[cfg(test)]
mod tests;
