//! The effect of a rule on a call.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD, prelude::BASE64_STANDARD};
use bytes::Bytes;
use grpc::CODES;
use http::StatusCode;
use http2::Reason;
use prost::Message as _;
use protocol::Strategy;
use rand::Rng;
use tonic::Code;

use super::grammar::{BadRule, bytes, count, duration, flag};

/// A delay, an outcome, or both.
#[derive(Clone, Debug, Default)]
pub struct Effect {
    /// The delay, and where it applies.
    pub delay: Option<(At, Delay)>,
    /// The outcome of the call.
    pub outcome: Option<Outcome>,
    /// Whether it applies only to calls that fetch a batch.
    pub is_of_fetches: bool,
}

/// The point at which a delay applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum At {
    /// Before the call.
    #[default]
    Call,
    /// Before its response.
    Answer,
    /// Before each message of its response.
    Message,
}

/// The length of a delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Delay {
    /// A fixed time.
    Fixed(Duration),
    /// Uniformly distributed between two times.
    Range(Duration, Duration),
    /// Normally distributed, with this mean and standard deviation.
    Normal(Duration, Duration),
}

/// The outcome of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It fails with an error.
    Status(Failure),
    /// Its stream is reset.
    Reset(Reason),
    /// Its connection gets a GOAWAY.
    GoAway(Reason),
    /// Its connection is cut.
    Disconnect,
    /// It gets no response.
    Hang,
    /// It is rejected with a 456.
    Mismatch,
    /// The response announces this strategy.
    Notice(Strategy),
    /// The response carries its notice twice.
    DuplicateNotice,
    /// A fetch returns an empty batch.
    EmptyBatch,
    /// A result ends after this many batches.
    EndAfter(u64),
    /// The response body is shaped.
    Shape(Shape),
}

/// How the bytes of a response change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// It ends after this many bytes, without trailers.
    Cut(u64),
    /// It is sent at this many bytes per second.
    Throttled(u64),
    /// This many bytes of a result batch are flipped.
    Corrupt(u64),
}

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The gRPC status; `None` if the response is not gRPC.
    pub code: Option<Code>,
    /// The message.
    pub message: String,
    /// An encoded `google.rpc.Status`, or empty.
    pub details: Bytes,
    /// The HTTP status.
    pub http: StatusCode,
}

impl Effect {
    pub(super) fn read(pairs: &[(String, String)]) -> Result<Self, BadRule> {
        let mut effect = Self::default();
        let mut at = None;
        for (key, value) in pairs {
            let bad = |expected: String| BadRule::new(key, value, expected);
            match key.as_str() {
                "at" => at = Some(place(value).map_err(bad)?),
                "delay" => effect.delay = Some((At::Call, delay(value).map_err(bad)?)),
                "slow-batches" => {
                    effect.delay = Some((At::Answer, delay(value).map_err(bad)?));
                    effect.is_of_fetches = true;
                }
                _ => {
                    let Some(outcome) = outcome(key, value, pairs).map_err(bad)? else { continue };
                    if effect.outcome.replace(outcome).is_some() {
                        return Err(bad("contradicts another effect: a call has one outcome".to_owned()));
                    }
                }
            }
        }
        if let (Some(at), Some(delay)) = (at, &mut effect.delay) {
            delay.0 = at;
        }
        effect.is_of_fetches |= matches!(
            effect.outcome,
            Some(Outcome::EmptyBatch | Outcome::EndAfter(_) | Outcome::Shape(Shape::Corrupt(_)))
        );
        Ok(effect)
    }

    /// Returns whether anything about it is random.
    pub(super) fn is_random(&self) -> bool {
        let is_random = |delay: &(At, Delay)| !matches!(delay.1, Delay::Fixed(_));
        self.delay.as_ref().is_some_and(is_random)
            || matches!(self.outcome, Some(Outcome::Shape(Shape::Corrupt(_))))
    }
}

fn outcome(key: &str, value: &str, pairs: &[(String, String)]) -> Result<Option<Outcome>, String> {
    let status = |code, message: &str| {
        let (message, details) = (message.to_owned(), Bytes::new());
        Outcome::Status(Failure { code: Some(code), message, details, http: StatusCode::OK })
    };
    let has = |name: &str| pairs.iter().any(|(key, _)| key == name);
    Ok(Some(match key {
        "status" => Outcome::Status(failure(value, pairs)?),
        "http-status" if !has("status") => {
            let (message, details) = (String::new(), Bytes::new());
            Outcome::Status(Failure { code: None, message, details, http: http_status(value)? })
        }
        "reset" => Outcome::Reset(reason(value)?),
        "goaway" => Outcome::GoAway(reason(value)?),
        "notice" => Outcome::Notice(value.parse().map_err(|_| "expected blue or green")?),
        "truncate" => match value.strip_suffix("batches").or_else(|| value.strip_suffix("batch")) {
            Some(batches) => Outcome::EndAfter(
                batches.trim().parse().map_err(|_| "expected a number of batches such as 2batches")?,
            ),
            None => Outcome::Shape(Shape::Cut(
                bytes(value)
                    .ok_or("expected a size such as 100B, or a number of batches such as 2batches")?,
            )),
        },
        "throttle" => {
            let rate = value.strip_suffix("/s").and_then(bytes).filter(|rate| *rate > 0);
            Outcome::Shape(Shape::Throttled(rate.ok_or("expected a rate above 0 such as 10KiB/s")?))
        }
        "corrupt" => Outcome::Shape(Shape::Corrupt(count(value)?)),
        "disconnect" => flag(value).map(|()| Outcome::Disconnect)?,
        "hang" => flag(value).map(|()| Outcome::Hang)?,
        "mismatch" => flag(value).map(|()| Outcome::Mismatch)?,
        "duplicate-notice" => flag(value).map(|()| Outcome::DuplicateNotice)?,
        "empty-batch" => flag(value).map(|()| Outcome::EmptyBatch)?,
        "access-denied" => flag(value).map(|()| status(Code::Internal, "Access denied"))?,
        "suspended" => {
            flag(value).map(|()| status(Code::Unavailable, "status: 503, cluster is suspended"))?
        }
        _ => return Ok(None),
    }))
}

fn failure(status: &str, pairs: &[(String, String)]) -> Result<Failure, String> {
    let code = code(status)?;
    let get = |key: &str| pairs.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str());
    let message = get("message").unwrap_or_default().to_owned();
    let details = match get("details") {
        None => Bytes::new(),
        Some(text) => details(code, &message, text)?,
    };
    let http = get("http-status").map(http_status).transpose()?.unwrap_or(StatusCode::OK);
    Ok(Failure { code: Some(code), message, details, http })
}

fn code(text: &str) -> Result<Code, String> {
    let named = CODES.iter().position(|name| name.eq_ignore_ascii_case(text));
    let number = named.or_else(|| text.parse().ok()).filter(|number| (1..CODES.len()).contains(number));
    let expected = || format!("expected a gRPC status from 1 to 16, or one of {}", CODES[1..].join(", "));
    number.map(|number| Code::from(number as i32)).ok_or_else(expected)
}

fn reason(text: &str) -> Result<Reason, String> {
    const NAMES: [&str; 14] = [
        "NO_ERROR",
        "PROTOCOL_ERROR",
        "INTERNAL_ERROR",
        "FLOW_CONTROL_ERROR",
        "SETTINGS_TIMEOUT",
        "STREAM_CLOSED",
        "FRAME_SIZE_ERROR",
        "REFUSED_STREAM",
        "CANCEL",
        "COMPRESSION_ERROR",
        "CONNECT_ERROR",
        "ENHANCE_YOUR_CALM",
        "INADEQUATE_SECURITY",
        "HTTP_1_1_REQUIRED",
    ];
    let named = NAMES.iter().position(|name| name.eq_ignore_ascii_case(text));
    let number = named.and_then(|at| u32::try_from(at).ok()).or_else(|| text.parse().ok());
    let expected = || format!("expected an HTTP/2 code: a number, or one of {}", NAMES.join(", "));
    number.map(Reason::from).ok_or_else(expected)
}

fn http_status(text: &str) -> Result<StatusCode, String> {
    let status = text.parse().ok().and_then(|number| StatusCode::from_u16(number).ok());
    let status = status.filter(|status| (200..=599).contains(&status.as_u16()));
    status.ok_or_else(|| "expected an HTTP status from 200 to 599".to_owned())
}

/// A `google.rpc.Status`: as given, or with the text as a `google.rpc.DebugInfo`.
fn details(code: Code, message: &str, text: &str) -> Result<Bytes, String> {
    if let Some(encoded) = text.strip_prefix("base64:") {
        let decoded = BASE64_STANDARD.decode(encoded).or_else(|_| STANDARD_NO_PAD.decode(encoded));
        return decoded.map(Bytes::from).map_err(|error| format!("expected base64 ({error})"));
    }
    let info = grpc::string_field(2, text);
    let any = prost_types::Any {
        type_url: "type.googleapis.com/google.rpc.DebugInfo".to_owned(),
        value: info.into(),
    };
    let mut status = Vec::new();
    prost::encoding::int32::encode(1, &i32::from(code), &mut status);
    prost::encoding::string::encode(2, &message.to_owned(), &mut status);
    prost::encoding::bytes::encode(3, &any.encode_to_vec(), &mut status);
    Ok(status.into())
}

fn place(text: &str) -> Result<At, String> {
    match text {
        "call" => Ok(At::Call),
        "answer" => Ok(At::Answer),
        "message" => Ok(At::Message),
        _ => Err("expected call, answer or message".to_owned()),
    }
}

fn delay(text: &str) -> Result<Delay, String> {
    let expected = |why| format!("{why}, 100ms..300ms or 200ms±50ms");
    let two = |a, b| Ok::<_, String>((duration(a)?, duration(b)?));
    if let Some((from, to)) = text.split_once("..") {
        let (from, to) = two(from, to).map_err(expected)?;
        return if from < to {
            Ok(Delay::Range(from, to))
        } else {
            Err("expected the shorter one first".to_owned())
        };
    }
    if let Some((mean, deviation)) = text.split_once('±').or_else(|| text.split_once("+-")) {
        let (mean, deviation) = two(mean, deviation).map_err(expected)?;
        return Ok(Delay::Normal(mean, deviation));
    }
    duration(text).map(Delay::Fixed).map_err(expected)
}

impl Delay {
    /// Draws the length of one delay.
    pub(crate) fn pick(self, random: &mut impl Rng) -> Duration {
        match self {
            Self::Fixed(duration) => duration,
            Self::Range(from, to) => random.random_range(from..=to),
            Self::Normal(mean, deviation) => {
                // The Box-Muller transform; 1 - x keeps the argument of the logarithm above zero.
                let (u, v) = (1.0 - random.random::<f64>(), random.random::<f64>());
                let normal = (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos();
                let seconds = mean.as_secs_f64() + normal * deviation.as_secs_f64();
                Duration::from_secs_f64(seconds.max(0.0))
            }
        }
    }
}
