//! Server-sent events, as the API streams them.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use http_body_util::BodyDataStream;
use hyper::body::Incoming;
use tokio::time::timeout;
use tokio_util::{
    codec::{FramedRead, LinesCodec, LinesCodecError},
    io::StreamReader,
    task::AbortOnDropHandle,
};

use super::{Address, ClientError, Reply};

/// The longest silence. The server sends a comment every 10 s.
const SILENCE: Duration = Duration::from_secs(30);
/// The most bytes in a line; an event has one line of data.
const LONGEST_LINE: usize = 4 << 20;

/// Events that a server sends as they happen.
pub struct Stream {
    from: Address,
    lines: FramedRead<StreamReader<BoxStream<'static, io::Result<Bytes>>, Bytes>, LinesCodec>,
    last: Option<String>,
    _connection: AbortOnDropHandle<()>,
}

/// An event.
#[derive(Debug)]
pub struct Sent {
    /// Its kind, such as `call`.
    pub kind: String,
    /// Its data.
    pub data: Reply,
}

impl Stream {
    pub(super) fn new(from: Address, body: Incoming, connection: AbortOnDropHandle<()>) -> Self {
        let bytes = BodyDataStream::new(body).map_err(io::Error::other).boxed();
        let lines = LinesCodec::new_with_max_length(LONGEST_LINE);
        let lines = FramedRead::new(StreamReader::new(bytes), lines);
        Self { from, lines, last: None, _connection: connection }
    }

    /// The last id that has come, with or without an event. Another stream goes on after it.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// Waits for the next event; `None` when the server has ended the stream.
    pub async fn next(&mut self) -> Result<Option<Sent>, ClientError> {
        let (mut kind, mut id, mut data) = (String::new(), None, None);
        while let Some(line) = self.line().await? {
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = || value.strip_prefix(' ').unwrap_or(value).to_owned();
            match field {
                "event" => kind = value(),
                "id" => id = Some(value()),
                "data" => data = Some(value()),
                _ => {}
            }
            if line.is_empty() {
                self.last = id.take().or(self.last.take());
                if let Some(json) = data.take() {
                    return Ok(Some(Sent { kind, data: Reply { json, from: self.from.clone() } }));
                }
                kind = String::new();
            }
        }
        Ok(None)
    }

    async fn line(&mut self) -> Result<Option<String>, ClientError> {
        let unanswered = |why: String| ClientError::Unanswered(self.from.clone(), why);
        match timeout(SILENCE, self.lines.next()).await {
            Err(_) => Err(unanswered(format!("nothing within {} s", SILENCE.as_secs()))),
            Ok(None) => Ok(None),
            Ok(Some(Ok(line))) => Ok(Some(line)),
            Ok(Some(Err(LinesCodecError::Io(error)))) => Err(unanswered(error.to_string())),
            Ok(Some(Err(LinesCodecError::MaxLineLengthExceeded))) => {
                let expected = format!("expected lines of at most {LONGEST_LINE} bytes");
                Err(ClientError::Foreign(self.from.clone(), expected))
            }
        }
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream").field("from", &self.from).finish_non_exhaustive()
    }
}
