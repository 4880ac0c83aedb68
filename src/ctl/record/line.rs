//! A recorded call in one line. Its fields have the names that the admin API gives to those of calls.

use std::time::{Duration, SystemTime};

use admin::rfc3339;
use binlog::{Call, End, Payload};
use grpc::CODES;
use protocol::metadata::{EXPECTED_STRATEGY, STRATEGY};
use serde::Serialize;

use crate::ctl::text::plain;

/// A recorded call.
#[derive(Debug, Serialize)]
pub(super) struct Line {
    id: u64,
    /// When it began, as in RFC 3339.
    time: Option<String>,
    method: String,
    peer: Option<String>,
    /// The strategy that its metadata names.
    asked: Option<String>,
    /// `ok`, `error`, `rejected` (a 456), `dropped` (cancelled) or `open` (its end is not in the file).
    outcome: &'static str,
    status: String,
    message: Option<String>,
    request_bytes: u64,
    response_bytes: u64,
    first_byte_seconds: Option<f64>,
    seconds: Option<f64>,
}

impl Line {
    pub(super) fn new(call: &Call) -> Self {
        let (outcome, status, message) = match &call.end {
            End::Open => ("open", "none".to_owned(), None),
            End::Cancelled => ("dropped", "none".to_owned(), None),
            End::Status(trailer) => {
                let code = trailer.status_code;
                let name =
                    CODES.get(code as usize).map_or_else(|| code.to_string(), |name| (*name).to_owned());
                let mut metadata = trailer.metadata.iter().flat_map(|metadata| &metadata.entry);
                let outcome = match code {
                    0 => "ok",
                    _ if metadata.any(|entry| entry.key == EXPECTED_STRATEGY) => "rejected",
                    _ => "error",
                };
                let message = &trailer.status_message;
                (outcome, name, (!message.is_empty()).then(|| message.clone()))
            }
        };
        let asked = call.request.iter().find(|entry| entry.key == STRATEGY);
        let bytes = |messages: &[Payload]| messages.iter().map(|message| u64::from(message.length)).sum();
        let since =
            |at: Option<SystemTime>| Some(at?.duration_since(call.began?).unwrap_or_default().as_secs_f64());
        Self {
            id: call.id,
            time: call.began.map(|began| rfc3339(began.into())),
            method: call.method.trim_start_matches('/').to_owned(),
            peer: call.peer.clone(),
            asked: asked.map(|entry| String::from_utf8_lossy(&entry.value).into_owned()),
            outcome,
            status,
            message,
            request_bytes: bytes(&call.sent),
            response_bytes: bytes(&call.received),
            first_byte_seconds: since(call.answered),
            seconds: since(call.ended),
        }
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The heads of the table.
    pub(super) fn heads() -> String {
        row(["time", "client", "method", "asked", "status", "sent", "received", "took", "message"])
    }

    /// A row of the table.
    pub(super) fn row(&self) -> String {
        let took = self.seconds.map(|seconds| {
            humantime::format_duration(Duration::from_micros((seconds * 1e6) as u64)).to_string()
        });
        let took = took.and_then(|took| took.split(' ').next().map(str::to_owned));
        let status = match self.outcome {
            "rejected" => "456".to_owned(),
            "open" | "dropped" => self.outcome.to_owned(),
            _ => self.status.clone(),
        };
        row([
            self.time.as_deref().unwrap_or("-"),
            self.peer.as_deref().unwrap_or("-"),
            &plain(&self.method),
            &plain(self.asked.as_deref().unwrap_or("-")),
            &status,
            &self.request_bytes.to_string(),
            &self.response_bytes.to_string(),
            took.as_deref().unwrap_or("-"),
            &plain(self.message.as_deref().unwrap_or_default()),
        ])
    }
}

fn row([time, client, method, asked, status, sent, received, took, message]: [&str; 9]) -> String {
    let row = format!(
        "{time:<24}  {client:<21}  {method:<40}  {asked:<5}  {status:<16}  {sent:>8}  {received:>8}  {took:>7}  {message}"
    );
    row.trim_end().to_owned()
}
