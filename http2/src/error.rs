//! What ends a stream or a connection before its time.

use std::{error, fmt, io, sync::Arc};

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
    /// The peer broke the protocol.
    PROTOCOL_ERROR = 1, "unspecific protocol error detected";
    /// This side has a fault.
    INTERNAL_ERROR = 2, "unexpected internal error encountered";
    /// More data than a window allows, or a window that grows too large.
    FLOW_CONTROL_ERROR = 3, "flow-control protocol violated";
    /// Settings were not acknowledged.
    SETTINGS_TIMEOUT = 4, "settings ACK not received in timely manner";
    /// A frame on a stream that is half-closed.
    STREAM_CLOSED = 5, "received frame when stream half-closed";
    /// A frame of a wrong size.
    FRAME_SIZE_ERROR = 6, "frame with invalid size";
    /// The stream was not worked on: it may be tried again.
    REFUSED_STREAM = 7, "refused stream before processing any application logic";
    /// The stream isn't needed any more.
    CANCEL = 8, "stream no longer needed";
    /// The header compression is out of step.
    COMPRESSION_ERROR = 9, "unable to maintain the header compression context";
    /// The connection of a CONNECT was reset.
    CONNECT_ERROR = 10, "connection established in response to a CONNECT request was reset or abnormally closed";
    /// The peer asks for too much.
    ENHANCE_YOUR_CALM = 11, "detected excessive load generating behavior";
    /// TLS is not good enough.
    INADEQUATE_SECURITY = 12, "security properties do not meet minimum requirements";
    /// HTTP/1.1 is asked for.
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

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Peer,
    User,
    /// This crate, because of what the peer did.
    Library,
}

/// Why a stream, or its whole connection, has ended.
#[derive(Clone, Debug)]
pub struct Error(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Reset(Reason, By),
    GoAway(GoAway),
    Io(Arc<io::Error>),
    Full,
    /// Bytes of a header list, and how many the peer takes.
    Oversized(usize, usize),
    Misused(&'static str),
}

#[derive(Clone, Debug)]
struct GoAway {
    reason: Reason,
    by: By,
    debug: Arc<str>,
    is_unprocessed: bool,
}

/// Bytes of a GOAWAY's debug data that are kept.
const DEBUG_DATA: usize = 256;

impl Error {
    pub(crate) fn reset(reason: Reason, by: By) -> Self {
        Self(Kind::Reset(reason, by))
    }

    pub(crate) fn go_away(reason: Reason, by: By) -> Self {
        Self(Kind::GoAway(GoAway { reason, by, debug: "".into(), is_unprocessed: false }))
    }

    /// What a GOAWAY of the peer says to the streams that it leaves out.
    pub(crate) fn sent_away(reason: Reason, debug: &[u8]) -> Self {
        let printable = debug.iter().filter(|byte| matches!(byte, b' '..=b'~')).take(DEBUG_DATA);
        let debug = printable.map(|byte| char::from(*byte)).collect::<String>().into();
        Self(Kind::GoAway(GoAway { reason, by: By::Peer, debug, is_unprocessed: true }))
    }

    /// The same, to the streams that the peer may have worked on.
    pub(crate) fn processed(mut self) -> Self {
        if let Kind::GoAway(go_away) = &mut self.0 {
            go_away.is_unprocessed = false;
        }
        self
    }

    /// A header list has more bytes than the peer takes.
    pub(crate) fn oversized(size: usize, most: usize) -> Self {
        Self(Kind::Oversized(size, most))
    }

    /// No stream can be opened now.
    pub(crate) fn full() -> Self {
        Self(Kind::Full)
    }

    /// The caller asks for what HTTP/2 does not have.
    pub(crate) fn misused(what: &'static str) -> Self {
        Self(Kind::Misused(what))
    }

    pub(crate) fn closed() -> Self {
        io::Error::new(io::ErrorKind::BrokenPipe, "the peer has closed the connection").into()
    }

    /// Whether the connection failed, or was closed by the peer, or by whoever polled it.
    pub fn is_io(&self) -> bool {
        matches!(self.0, Kind::Io(_))
    }

    /// Whether a GOAWAY ended it, of either side.
    pub fn is_go_away(&self) -> bool {
        matches!(self.0, Kind::GoAway(_))
    }

    /// Whether a RST_STREAM ended it, of either side.
    pub fn is_reset(&self) -> bool {
        matches!(self.0, Kind::Reset(..))
    }

    /// Whether the connection has no room for the stream: none was opened.
    pub fn is_full(&self) -> bool {
        matches!(self.0, Kind::Full)
    }

    /// Whether the peer ended it.
    pub fn is_remote(&self) -> bool {
        matches!(self.0, Kind::Reset(_, By::Peer) | Kind::GoAway(GoAway { by: By::Peer, .. }))
    }

    /// Bytes of the header list that was to be sent, and how many the peer takes, where that is what failed:
    /// nothing was encoded then.
    pub fn oversized_header_list(&self) -> Option<(usize, usize)> {
        match self.0 {
            Kind::Oversized(size, most) => Some((size, most)),
            _ => None,
        }
    }

    /// The debug data of the peer's GOAWAY: printable ASCII, at most 256 bytes.
    pub fn debug_data(&self) -> &str {
        match &self.0 {
            Kind::GoAway(go_away) => &go_away.debug,
            _ => "",
        }
    }

    /// Whether the peer says that it has not worked on the stream, or the stream was not opened.
    pub fn is_unprocessed(&self) -> bool {
        match &self.0 {
            Kind::Reset(reason, By::Peer) => *reason == Reason::REFUSED_STREAM,
            Kind::GoAway(go_away) => go_away.is_unprocessed,
            Kind::Full | Kind::Oversized(..) => true,
            _ => false,
        }
    }

    /// The code of what ended it, if it was a frame.
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
    /// As if this side had reset the stream.
    fn from(reason: Reason) -> Self {
        Self::reset(reason, By::User)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, reason, by) = match &self.0 {
            Kind::Reset(reason, by) => ("stream error", reason, by),
            Kind::GoAway(GoAway { reason, by, .. }) => ("connection error", reason, by),
            Kind::Io(error) => return error.fmt(f),
            Kind::Full => return f.write_str("the connection takes no more streams"),
            Kind::Misused(what) => return f.write_str(what),
            Kind::Oversized(size, most) => {
                return write!(f, "a header list has {size} bytes, the peer takes {most}");
            }
        };
        let by = match by {
            By::Peer => "received",
            By::User => "sent by user",
            By::Library => "detected",
        };
        write!(f, "{what} {by}: {reason}")?;
        match self.debug_data() {
            "" => Ok(()),
            debug => write!(f, ": {debug}"),
        }
    }
}

impl error::Error for Error {}
