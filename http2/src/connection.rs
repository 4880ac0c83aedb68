//! Reads and writes a connection's socket, for as long as somebody polls it.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    core::{Core, Ending, Shared},
    error::{By, Error, Reason},
    frame::{Head, content, flag, kind},
    head::{Fields, Uris},
    hpack::{DEFAULT_TABLE_SIZE, Decoder},
    input::Input,
    output::Output,
    receive::Data,
    settings::Settings,
};

/// Bytes that may wait for a client to read. With more, nothing is read from it either: what it makes this side
/// say is bounded so.
const HELD: usize = 1 << 20;
/// Bytes of a client that are still read once all is said. A socket that is closed with something unread, or
/// that comes later, makes TCP drop what the client has not got yet.
const LINGERING: usize = 256 << 10;
/// Reads of one turn: what came has to go on before more is worth it.
const READS: usize = 4;
/// What is to be written does not wait for more where it is so many bytes.
const ENOUGH: usize = 64 << 10;
/// Frames of one header block: many small ones are not honest.
const CONTINUATIONS: usize = 4096;

#[derive(Debug)]
pub(crate) struct Driver<IO> {
    io: IO,
    pub(crate) core: Shared,
    reader: Reader,
    writing: Output,
    /// Something was written that may still be in a buffer of TLS.
    needs_flush: bool,
    shut: Shut,
}

/// How far the end of a connection is.
#[derive(Debug)]
enum Shut {
    No,
    /// All is said; so many bytes came since.
    Said(usize),
    Done,
}

/// What cuts the input into frames.
#[derive(Debug)]
struct Reader {
    input: Input,
    decoder: Decoder,
    block: Option<Block>,
    uris: Uris,
    /// What comes first.
    expects: Expects,
    /// Bytes of the largest payload, and of the longest header list.
    payload: usize,
    list: usize,
}

#[derive(Debug, PartialEq, Eq)]
enum Expects {
    Preface,
    Settings,
    Anything,
}

/// A header block that goes on in the next frame.
#[derive(Debug)]
struct Block {
    head: Head,
    bytes: Vec<u8>,
    frames: usize,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Driver<IO> {
    pub(crate) fn new(io: IO, is_server: bool, settings: Settings) -> Self {
        let reader = Reader {
            input: Input::default(),
            decoder: Decoder::new(DEFAULT_TABLE_SIZE),
            block: None,
            uris: Uris::default(),
            expects: if is_server { Expects::Preface } else { Expects::Settings },
            payload: settings.max_frame_size as usize,
            list: settings.max_header_list_size as usize,
        };
        let mut writing = Output::default();
        if !is_server {
            writing.buffer().extend_from_slice(crate::frame::PREFACE);
        }
        let core = Shared::new(Core::new(is_server, settings));
        Self { io, core, reader, writing, needs_flush: false, shut: Shut::No }
    }

    /// Whether the peer has said what has to come first.
    pub(crate) fn has_begun(&self) -> bool {
        self.reader.expects == Expects::Anything
    }

    /// Reads and writes what can be. Ready when there is a request, or the connection is over.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut reads = 0;
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
                if !is_written && core.is_server && core.out.len() + core.writing > HELD {
                    core.driver.park(cx);
                    return Poll::Pending;
                }
                core.driver.unpark();
            }
            loop {
                reads += 1;
                if reads > READS {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                match self.reader.input.poll_read(&mut self.io, cx) {
                    Poll::Pending => {
                        ready!(self.poll_idle(cx)?);
                        break;
                    }
                    Poll::Ready(Ok(0)) => self.core.lock().fail(&Error::closed()),
                    Poll::Ready(Err(error)) => self.core.lock().fail(&error.into()),
                    Poll::Ready(Ok(_)) => {
                        let mut core = self.core.lock();
                        if let Err(reason) = self.reader.work(&mut core) {
                            core.break_off(reason, By::Library);
                        }
                        if core.ending != Ending::Now {
                            if !core.accept.is_empty() {
                                return Poll::Ready(Ok(()));
                            }
                            if core.out.len() < ENOUGH {
                                continue;
                            }
                        }
                    }
                }
                break;
            }
        }
    }

    /// Nothing is there to be read. Ready when there may be something to be written.
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        let mut core = self.core.lock();
        core.pump();
        let has_work = !core.out.is_empty() && self.writing.is_empty();
        if has_work || core.is_over() {
            return Poll::Ready(Ok(()));
        }
        core.driver.park(cx);
        Poll::Pending
    }

    /// Writes until there is nothing left.
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
                    core.fail(&error.into());
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

    /// Writes what is left, and ends.
    fn poll_shut(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if matches!(self.shut, Shut::No) {
            self.core.lock().say_goodbye();
            let is_written = self.poll_write(cx)?.is_ready();
            // Where the socket is gone, nothing more is written.
            let is_gone = self.core.lock().error.as_ref().is_some_and(Error::is_io);
            if !is_gone {
                if !is_written {
                    return Poll::Pending;
                }
                _ = ready!(Pin::new(&mut self.io).poll_shutdown(cx));
            }
            let lingers = !is_gone && self.core.lock().is_server;
            self.shut = if lingers { Shut::Said(0) } else { Shut::Done };
        }
        while let Shut::Said(read) = &mut self.shut {
            match ready!(self.reader.input.poll_drop(&mut self.io, cx)) {
                Ok(more) if more > 0 && *read < LINGERING => *read += more,
                _ => self.shut = Shut::Done,
            }
        }
        let core = self.core.lock();
        let sent_away = core.sent_away.as_ref().filter(|error| error.reason() != Some(Reason::NO_ERROR));
        Poll::Ready(core.error.as_ref().or(sent_away).cloned().map_or(Ok(()), Err))
    }
}

impl<IO> Drop for Driver<IO> {
    fn drop(&mut self) {
        self.core.lock().fail(&Error::closed());
    }
}

impl Reader {
    /// Works on all frames that are there.
    fn work(&mut self, core: &mut Core) -> Result<(), Reason> {
        if self.expects == Expects::Preface {
            if self.input.preface()?.is_none() {
                return Ok(());
            }
            self.expects = Expects::Settings;
        }
        while let Some(head) = self.input.next(self.payload)? {
            if self.expects == Expects::Settings {
                if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                self.expects = Expects::Anything;
            }
            self.frame(head, core)?;
            if core.ending == Ending::Now {
                break;
            }
        }
        self.input.tidy();
        Ok(())
    }

    /// Works on the next frame and passes over it.
    fn frame(&mut self, head: Head, core: &mut Core) -> Result<(), Reason> {
        let payload = self.input.payload(head);
        let goes_on = self.block.as_ref().map(|block| block.head.stream);
        if goes_on.is_some_and(|stream| head.kind != kind::CONTINUATION || head.stream != stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        match head.kind {
            kind::DATA => {
                let content = content(head, payload)?;
                if !Data::is_small(content.len()) {
                    let data = self.input.take(head).slice(content);
                    return core.data_came(head, Data::Large(data));
                }
                core.data_came(head, Data::Small(&payload[content]))?;
            }
            kind::HEADERS => {
                if head.stream == 0 {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                let content = content(head, payload)?;
                if head.has(flag::END_HEADERS) {
                    let fields = fields(&mut self.decoder, &payload[content], self.list)?;
                    core.head_came(head, fields, &mut self.uris)?;
                } else {
                    self.block = Some(Block { head, bytes: payload[content].to_vec(), frames: 0 });
                }
            }
            kind::CONTINUATION => {
                let block = self.block.as_mut().ok_or(Reason::PROTOCOL_ERROR)?;
                block.bytes.extend_from_slice(payload);
                block.frames += 1;
                if block.bytes.len() > 2 * self.list.max(self.payload) || block.frames > CONTINUATIONS {
                    return Err(Reason::ENHANCE_YOUR_CALM);
                }
                if head.has(flag::END_HEADERS)
                    && let Some(block) = self.block.take()
                {
                    let fields = fields(&mut self.decoder, &block.bytes, self.list)?;
                    core.head_came(block.head, fields, &mut self.uris)?;
                }
            }
            kind::PRIORITY if head.stream == 0 => return Err(Reason::PROTOCOL_ERROR),
            kind::PRIORITY if head.len != 5 => return Err(Reason::FRAME_SIZE_ERROR),
            kind::RST_STREAM => core.reset_came(head, payload)?,
            kind::SETTINGS => core.settings_came(head, payload)?,
            kind::PUSH_PROMISE => return Err(Reason::PROTOCOL_ERROR),
            kind::PING => core.ping_came(head, payload)?,
            kind::GOAWAY => core.go_away_came(head, payload)?,
            kind::WINDOW_UPDATE => core.window_came(head, payload)?,
            // What isn't known is passed over.
            _ => {}
        }
        self.input.pass(head);
        Ok(())
    }
}

/// The fields of a whole block.
fn fields(decoder: &mut Decoder, block: &[u8], most: usize) -> Result<Fields, Reason> {
    let mut fields = Fields::default();
    decoder
        .decode(block, |field, size| fields.take(field, size, most))
        .map_err(|_| Reason::COMPRESSION_ERROR)?;
    Ok(fields)
}
