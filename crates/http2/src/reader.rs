//! Passes the frames that were read to the core.

use crate::{
    core::{Core, Ending},
    error::{ConnectionError, Reason},
    frame::{Head, PAYLOAD, content, flag, kind},
    head::{Fields, Uris},
    hpack::{DEFAULT_TABLE_SIZE, DecodeError, Decoder},
    input::Input,
    recv::Data,
    refusal::Refusal,
    settings::Settings,
};

/// This many bytes of a header block count as one frame.
const HEADER_BYTES: usize = 128;
/// A field may be one byte of a block. So this many bytes of a header list, as its limit counts them, count as one frame
/// too, above the size of an ordinary list.
const LIST_BYTES: usize = 256;
const ORDINARY_LIST: usize = 1 << 10;

#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) input: Input,
    /// There may be more frames to handle.
    pub(crate) has_more: bool,
    decoder: Decoder,
    block: Option<Block>,
    uris: Uris,
    /// The required start of the connection.
    expects: Expects,
    /// The largest payload and the longest header list, in bytes.
    payload: usize,
    list: usize,
    allows_blanks: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Expects {
    Preface,
    Settings,
    Anything,
}

/// A header block that continues in the next frame.
#[derive(Debug)]
struct Block {
    head: Head,
    bytes: Vec<u8>,
    frames: usize,
}

impl Reader {
    pub(crate) fn new(is_server: bool, settings: &Settings) -> Self {
        Self {
            input: Input::default(),
            has_more: false,
            decoder: Decoder::new(DEFAULT_TABLE_SIZE),
            block: None,
            uris: Uris::default(),
            expects: if is_server { Expects::Preface } else { Expects::Settings },
            payload: settings.max_frame_size as usize,
            list: settings.max_header_list_size as usize,
            allows_blanks: settings.allows_blanks,
        }
    }

    /// Returns whether the preface and the first SETTINGS have arrived.
    pub(crate) fn has_begun(&self) -> bool {
        self.expects == Expects::Anything
    }

    /// Handles the available frames, at most `frames`, while reading is allowed.
    pub(crate) fn work(&mut self, core: &mut Core, frames: &mut u32) -> Result<(), ConnectionError> {
        self.has_more = false;
        if self.expects == Expects::Preface {
            if self.input.preface()?.is_none() {
                return Ok(());
            }
            self.expects = Expects::Settings;
        }
        while let Some(head) = self.input.next(self.payload)? {
            if self.expects == Expects::Settings {
                if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                    return Err(Reason::PROTOCOL_ERROR.into());
                }
                self.expects = Expects::Anything;
            }
            let list = self.frame(head, core)?;
            // A header block costs more than other frames.
            let is_block = matches!(head.kind, kind::HEADERS | kind::CONTINUATION);
            let block = if is_block { head.len } else { 0 };
            let cost = 1 + (block / HEADER_BYTES).max(list.saturating_sub(ORDINARY_LIST) / LIST_BYTES);
            *frames = frames.saturating_sub(cost as u32);
            if core.ending == Ending::Now {
                break;
            }
            if *frames == 0 || core.slowed.is_some_and(|(_, until)| until > core.now) {
                self.has_more = true;
                break;
            }
        }
        self.input.tidy();
        Ok(())
    }

    /// Handles the next frame and consumes it. Returns the size of the header list that it ends, in bytes.
    fn frame(&mut self, head: Head, core: &mut Core) -> Result<usize, ConnectionError> {
        let mut size = 0;
        let payload = self.input.payload(head);
        let goes_on = self.block.as_ref().map(|block| block.head.stream);
        if goes_on.is_some_and(|stream| head.kind != kind::CONTINUATION || head.stream != stream) {
            return Err(Reason::PROTOCOL_ERROR.into());
        }
        match head.kind {
            kind::DATA => {
                let content = content(head, payload)?;
                if !Data::is_small(content.len()) {
                    let data = self.input.take(head).slice(content);
                    core.recv_data(head, Data::Large(data))?;
                    return Ok(0);
                }
                core.recv_data(head, Data::Small(&payload[content]))?;
            }
            kind::HEADERS => {
                if head.stream == 0 {
                    return Err(Reason::PROTOCOL_ERROR.into());
                }
                let content = content(head, payload)?;
                if head.has(flag::END_HEADERS) {
                    let mut list = Fields::new(self.allows_blanks);
                    fields(&mut self.decoder, &payload[content], &mut list, self.list)?;
                    size = list.size;
                    core.recv_headers(head, list, &mut self.uris)?;
                } else {
                    self.block = Some(Block { head, bytes: payload[content].to_vec(), frames: 0 });
                }
            }
            kind::CONTINUATION => {
                let block = self.block.as_mut().ok_or(Reason::PROTOCOL_ERROR)?;
                block.bytes.extend_from_slice(payload);
                block.frames += 1;
                // Each frame could have carried this much.
                let needed = block.bytes.len() / PAYLOAD;
                if block.bytes.len() > 2 * self.list.max(self.payload) {
                    return Err(Refusal::HeaderList.into());
                }
                if block.frames > needed + core.ours.limits.continuations {
                    return Err(Refusal::ContinuationFlood.into());
                }
                if head.has(flag::END_HEADERS)
                    && let Some(block) = self.block.take()
                {
                    let mut list = Fields::new(self.allows_blanks);
                    fields(&mut self.decoder, &block.bytes, &mut list, self.list)?;
                    size = list.size;
                    core.recv_headers(block.head, list, &mut self.uris)?;
                }
            }
            kind::PRIORITY if head.stream == 0 => return Err(Reason::PROTOCOL_ERROR.into()),
            kind::PRIORITY if head.len != 5 => return Err(Reason::FRAME_SIZE_ERROR.into()),
            kind::RST_STREAM => core.recv_reset(head, payload)?,
            kind::SETTINGS => core.recv_settings(head, payload)?,
            kind::PUSH_PROMISE => return Err(Reason::PROTOCOL_ERROR.into()),
            kind::PING => core.recv_ping(head, payload)?,
            kind::GOAWAY => core.recv_go_away(head, payload)?,
            kind::WINDOW_UPDATE => core.recv_window_update(head, payload)?,
            // PRIORITY and unknown frames.
            _ => core.recv_ignored()?,
        }
        self.input.pass(head);
        Ok(size)
    }
}

/// Decodes a complete header block.
fn fields(
    decoder: &mut Decoder,
    block: &[u8],
    fields: &mut Fields,
    most: usize,
) -> Result<(), ConnectionError> {
    decoder.decode(block, |decoded| fields.take(decoded, most)).map_err(|error| match error {
        DecodeError::Unwanted => Refusal::HeaderList.into(),
        _ => Reason::COMPRESSION_ERROR.into(),
    })
}
