//! Errors that end a stream or a connection early.

use std::{error, fmt, io, sync::Arc};

use crate::refusal::Refusal;

/// An error code of HTTP/2 (RFC 9113, 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(u32);

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $words:literal;)*) => {
        impl Reason {
            $($(#[$doc])* pub const $name: Self = Self($code);)*

            fn known(self) -> Option<(&'static str, &'static str)> {
                match self.0 {
                    $($code => Some((stringify!($name), $words)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    /// Nothing is wrong.
    NO_ERROR = 0, "not a result of an error";
    /// The peer violated the protocol.
    PROTOCOL_ERROR = 1, "unspecific protocol error detected";
    /// An internal error of this side.
    INTERNAL_ERROR = 2, "unexpected internal error encountered";
    /// More data than the window allows, or a window that grows too large.
    FLOW_CONTROL_ERROR = 3, "flow-control protocol violated";
    /// Settings were not acknowledged.
    SETTINGS_TIMEOUT = 4, "settings ACK not received in timely manner";
    /// A frame on a half-closed stream.
    STREAM_CLOSED = 5, "received frame when stream half-closed";
    /// A frame of a wrong size.
    FRAME_SIZE_ERROR = 6, "frame with invalid size";
    /// The stream was not processed and is safe to retry.
    REFUSED_STREAM = 7, "refused stream before processing any application logic";
    /// The stream is no longer needed.
    CANCEL = 8, "stream no longer needed";
    /// The header compression is out of sync.
    COMPRESSION_ERROR = 9, "unable to maintain the header compression context";
    /// The connection of a CONNECT was reset.
    CONNECT_ERROR = 10, "connection established in response to a CONNECT request was reset or abnormally closed";
    /// The peer causes too much load.
    ENHANCE_YOUR_CALM = 11, "detected excessive load generating behavior";
    /// TLS does not meet the requirements.
    INADEQUATE_SECURITY = 12, "security properties do not meet minimum requirements";
    /// The endpoint requires HTTP/1.1.
    HTTP_1_1_REQUIRED = 13, "endpoint requires HTTP/1.1";
}

impl From<u32> for Reason {
    fn from(code: u32) -> Self {
        Self(code)
    }
}

impl From<Reason> for u32 {
    fn from(reason: Reason) -> Self {
        reason.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "Reason({:#x})", self.0),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.known() {
            Some((_, words)) => f.write_str(words),
            None => write!(f, "unknown reason {:#x}", self.0),
        }
    }
}

/// The side that ended a stream or a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Peer,
    User,
    /// This crate, because of an error of the peer.
    Library,
}

/// Why a stream or its connection ended.
#[derive(Clone, Debug)]
pub struct Error(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Reset(Reason, By),
    GoAway(GoAway),
    Io(Arc<io::Error>),
    Full,
    HeaderList { size: usize, limit: usize },
    Misused(&'static str),
}

/// A GOAWAY from either side.
#[derive(Clone, Debug)]
struct GoAway {
    reason: Reason,
    by: By,
    /// The debug data, printable characters only.
    debug: Option<Arc<str>>,
    refusal: Option<Refusal>,
    /// The peer did not process this stream.
    is_unprocessed: bool,
}

/// A connection error caused by the peer: the code, and the limit that was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConnectionError {
    pub(crate) reason: Reason,
    pub(crate) refusal: Option<Refusal>,
}

impl From<Reason> for ConnectionError {
    fn from(reason: Reason) -> Self {
        Self { reason, refusal: None }
    }
}

impl From<Refusal> for ConnectionError {
    fn from(refusal: Refusal) -> Self {
        Self { reason: Reason::ENHANCE_YOUR_CALM, refusal: Some(refusal) }
    }
}

/// The most bytes of debug data that are kept.
const DEBUG_DATA: usize = 256;

impl Error {
    pub(crate) fn reset(reason: Reason, by: By) -> Self {
        Self(Kind::Reset(reason, by))
    }

    /// An error for a connection that this side ends.
    pub(crate) fn connection(error: ConnectionError, by: By) -> Self {
        let ConnectionError { reason, refusal } = error;
        let debug = refusal.map(|refusal| refusal.as_str().into());
        Self(Kind::GoAway(GoAway { reason, by, debug, refusal, is_unprocessed: false }))
    }

    /// An error for a connection that the peer ends, with its debug data.
    pub(crate) fn go_away(reason: Reason, debug: &[u8]) -> Self {
        let printable: String = debug
            .trim_ascii()
            .iter()
            .take(DEBUG_DATA)
            .map(|byte| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '?' })
            .collect();
        let debug = (!printable.is_empty()).then(|| printable.into());
        Self(Kind::GoAway(GoAway { reason, by: By::Peer, debug, refusal: None, is_unprocessed: false }))
    }

    /// Marks the stream as not processed by the peer.
    pub(crate) fn unprocessed(mut self) -> Self {
        if let Kind::GoAway(GoAway { is_unprocessed, .. }) = &mut self.0 {
            *is_unprocessed = true;
        }
        self
    }

    /// The connection has no room for another stream.
    pub(crate) fn full() -> Self {
        Self(Kind::Full)
    }

    /// The peer does not accept a header list of this size.
    pub(crate) fn header_list(size: usize, limit: usize) -> Self {
        Self(Kind::HeaderList { size, limit })
    }

    /// The caller asks for something that HTTP/2 does not have.
    pub(crate) fn misused(what: &'static str) -> Self {
        Self(Kind::Misused(what))
    }

    pub(crate) fn closed() -> Self {
        io::Error::new(io::ErrorKind::BrokenPipe, "the peer has closed the connection").into()
    }

    /// Returns whether the connection failed, or was closed by the peer or by the task that polled it.
    pub fn is_io(&self) -> bool {
        matches!(self.0, Kind::Io(_))
    }

    /// Returns whether a GOAWAY of either side ended it.
    pub fn is_go_away(&self) -> bool {
        matches!(self.0, Kind::GoAway(_))
    }

    /// Returns whether a RST_STREAM of either side ended it.
    pub fn is_reset(&self) -> bool {
        matches!(self.0, Kind::Reset(..))
    }

    /// Returns whether the connection had no room; no stream was opened.
    pub fn is_full(&self) -> bool {
        matches!(self.0, Kind::Full)
    }

    /// Returns whether the peer ended it.
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Kind::Reset(_, By::Peer) | Kind::GoAway(GoAway { by: By::Peer, .. }))
    }

    /// Returns whether the peer did not process the stream, so that a retry is safe: its GOAWAY names a lower stream,
    /// or it refused this one.
    pub fn is_unprocessed(&self) -> bool {
        match &self.0 {
            Kind::Reset(reason, By::Peer) => *reason == Reason::REFUSED_STREAM,
            Kind::GoAway(go_away) => go_away.is_unprocessed,
            _ => false,
        }
    }

    /// The size of a header list that was not sent, and the largest size that the peer accepts
    /// (SETTINGS_MAX_HEADER_LIST_SIZE), in bytes. The stream and the connection continue.
    pub fn oversized_header_list(&self) -> Option<(usize, usize)> {
        match self.0 {
            Kind::HeaderList { size, limit } => Some((size, limit)),
            _ => None,
        }
    }

    /// The debug data of a GOAWAY: at most 256 bytes, with `?` for unprintable characters.
    pub fn debug_data(&self) -> &str {
        match &self.0 {
            Kind::GoAway(go_away) => go_away.debug.as_deref().unwrap_or(""),
            _ => "",
        }
    }

    /// The limit that the peer exceeded, if that is why this side ended the connection.
    pub fn refusal(&self) -> Option<Refusal> {
        match &self.0 {
            Kind::GoAway(go_away) => go_away.refusal,
            _ => None,
        }
    }

    /// The error code, if a frame ended it.
    pub fn reason(&self) -> Option<Reason> {
        match &self.0 {
            Kind::Reset(reason, _) | Kind::GoAway(GoAway { reason, .. }) => Some(*reason),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self(Kind::Io(Arc::new(error)))
    }
}

impl From<Reason> for Error {
    /// Creates the error of a stream that this side reset.
    fn from(reason: Reason) -> Self {
        Self::reset(reason, By::User)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, reason, by, debug) = match &self.0 {
            Kind::Reset(reason, by) => ("stream error", reason, by, None),
            Kind::GoAway(GoAway { reason, by, debug, .. }) => {
                ("connection error", reason, by, debug.as_deref())
            }
            Kind::Io(error) => return error.fmt(f),
            Kind::Full => return f.write_str("the connection accepts no more streams"),
            Kind::HeaderList { size, limit } => {
                return write!(f, "a header list of {size} bytes, the peer accepts {limit}");
            }
            Kind::Misused(what) => return f.write_str(what),
        };
        let by = match by {
            By::Peer => "received",
            By::User => "sent by user",
            By::Library => "detected",
        };
        write!(f, "{what} {by}: {reason}")?;
        debug.map_or(Ok(()), |debug| write!(f, ": {debug}"))
    }
}

impl error::Error for Error {}
