//! Responses that faults create or change.

use std::{collections::VecDeque, future::poll_fn, pin::Pin};

use bytes::{Bytes, BytesMut};
use grpc::{PREFIX_LEN, Prefix, header::GRPC_STATUS, read_string};
use http::{
    HeaderMap, HeaderValue, Response,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use http_body::{Body, Frame};
use prost::Message;
use protocol::pb::{GetNextResultBatchResponse, GetNextResultBatchV2Response};
use tonic::{Code, Status};

use super::{
    FaultBody,
    registry::ActiveFault,
    rule::{BadRule, Failure},
};
use crate::{
    gate::{ResponseOverride, message},
    server::BoxError,
};

/// The most bytes of a response that are read in order to inspect it.
const WHOLE: usize = 64 << 20;
/// The same limit for the response to a login.
const LOGIN: usize = 64 << 10;

/// An error response in one HEADERS frame.
pub(super) fn failure<B>(failure: &Failure) -> Response<FaultBody<B>> {
    let Failure { code, message, details, http } = failure;
    let mut response = match code {
        Some(code) => Status::with_details(*code, message, details.clone())
            .into_http::<()>()
            .map(|()| FaultBody::empty()),
        None => {
            let text = format!("{http}\n");
            let mut response = Response::new(FaultBody::of(VecDeque::from([Frame::data(text.into())])));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            response
        }
    };
    *response.status_mut() = *http;
    response
}

/// The response to a call with an invalid rule in its metadata.
pub(super) fn refusal<B>(bad: &BadRule) -> Response<FaultBody<B>> {
    let status = Status::new(Code::InvalidArgument, format!("teal-fault: {bad}"));
    status.into_http::<()>().map(|()| FaultBody::empty())
}

/// An empty response that tells the gate what to do.
pub(super) fn for_gate<B>(response_override: ResponseOverride) -> Response<FaultBody<B>> {
    let mut response = Response::new(FaultBody::empty());
    response.extensions_mut().insert(response_override);
    response
}

/// The response to a fetch, with an empty batch. The result continues after it, or ends. A first-generation client
/// takes any empty batch for the end.
pub(super) fn batch<B>(path: &str, session: &str, is_end: bool) -> Response<FaultBody<B>> {
    let session_id = session.to_owned();
    let message = if is_v2(path) {
        let end_of_stream = is_end;
        GetNextResultBatchV2Response { session_id, end_of_stream, ..Default::default() }.encode_to_vec()
    } else {
        GetNextResultBatchResponse { session_id, ..Default::default() }.encode_to_vec()
    };
    let trailers = HeaderMap::from_iter([(GRPC_STATUS, HeaderValue::from_static("0"))]);
    let frames = VecDeque::from([Frame::data(framed(&message)), Frame::trailers(trailers)]);
    let mut response = Response::new(FaultBody::of(frames));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Flips bytes of the batch in a response. A response without a batch, or one that is too long, is not changed.
pub(super) async fn corrupt<B>(
    response: Response<FaultBody<B>>,
    path: &str,
    bytes: u64,
    fault: &ActiveFault,
) -> Result<Response<FaultBody<B>>, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (mut head, body) = response.into_parts();
    let mut read = Read::of(body, WHOLE).await?;
    let flip = |batch: &mut Vec<u8>| {
        let amount = usize::try_from(bytes).unwrap_or(usize::MAX).min(batch.len());
        for at in fault.draw(|random| rand::seq::index::sample(random, batch.len(), amount)) {
            batch[at] ^= 0xff;
        }
    };
    let flipped = message(&read.data, &head.headers, WHOLE).and_then(|message| {
        Some(if is_v2(path) {
            let mut answer = GetNextResultBatchV2Response::decode(&*message).ok()?;
            answer.result_batches.iter_mut().for_each(flip);
            answer.encode_to_vec()
        } else {
            let mut answer = GetNextResultBatchResponse::decode(&*message).ok()?;
            flip(&mut answer.result_batch);
            answer.encode_to_vec()
        })
    });
    if let Some(flipped) = flipped {
        head.headers.remove(CONTENT_LENGTH);
        read.data = framed(&flipped);
    }
    Ok(Response::from_parts(head, read.into_body()))
}

/// Reads the session from the response to a login.
pub(super) async fn learn<B>(
    response: Response<FaultBody<B>>,
    learn: impl FnOnce(&str),
) -> Result<Response<FaultBody<B>>, BoxError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// The field number of the session in `AuthenticateResponse`.
    const SESSION: u32 = 1;
    let (head, body) = response.into_parts();
    if body.is_end_stream() {
        return Ok(Response::from_parts(head, body));
    }
    let read = Read::of(body, LOGIN).await?;
    if let Some(message) = message(&read.data, &head.headers, LOGIN)
        && let Ok(Some(session)) = read_string(&message, SESSION)
    {
        learn(session);
    }
    Ok(Response::from_parts(head, read.into_body()))
}

fn is_v2(path: &str) -> bool {
    path.ends_with("V2")
}

fn framed(message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(PREFIX_LEN + message.len());
    let len = u32::try_from(message.len()).expect("what is made here is shorter than 4 GiB");
    Prefix { flag: 0, len }.write(&mut bytes);
    bytes.extend_from_slice(message);
    bytes.freeze()
}

/// A partly read body.
struct Read<B> {
    data: Bytes,
    trailers: Option<Frame<Bytes>>,
    rest: Option<FaultBody<B>>,
}

impl<B> Read<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    /// Reads a body to its end, or until there is more than `limit`.
    async fn of(mut body: FaultBody<B>, limit: usize) -> Result<Self, BoxError> {
        let mut data = BytesMut::new();
        let mut trailers = None;
        while data.len() <= limit {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            match frame.transpose()?.map(Frame::into_data) {
                Some(Ok(chunk)) => data.extend_from_slice(&chunk),
                Some(Err(frame)) => trailers = Some(frame),
                None => return Ok(Self { data: data.freeze(), trailers, rest: None }),
            }
        }
        Ok(Self { data: data.freeze(), trailers, rest: Some(body) })
    }

    fn into_body(self) -> FaultBody<B> {
        let data = (!self.data.is_empty()).then(|| Frame::data(self.data));
        let front = data.into_iter().chain(self.trailers);
        match self.rest {
            Some(rest) => rest.behind(front),
            None => {
                let mut front: VecDeque<_> = front.collect();
                if front.is_empty() {
                    // The original head did not end the stream, so this one must not either.
                    front.push_back(Frame::data(Bytes::new()));
                }
                FaultBody::of(front)
            }
        }
    }
}
