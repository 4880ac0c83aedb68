//! The engine behind every proxy that `benches/peers/run` measures. It responds at once with 64 bytes, or with 1 MiB
//! to calls with the metadata `large`. It prints its address and serves until its standard input ends.

use std::{
    convert::Infallible,
    io::{self, Write as _},
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{BufMut, Bytes, BytesMut};
use grpc::string_field;
use http::{HeaderMap, HeaderValue, Request, Response, header::CONTENT_TYPE};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use proxy::server;
use tokio::net::TcpListener;
use tower::service_fn;

const THREADS: usize = 2;

/// One message and its trailers.
struct Answer {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = self.message.take().map(Frame::data);
        Poll::Ready(message.or_else(|| self.trailers.take().map(Frame::trailers)).map(Ok))
    }
}

/// One gRPC message that is a string field and has about so many bytes.
fn message(len: usize) -> Bytes {
    let field = string_field(1, &"x".repeat(len - 7));
    let mut framed = BytesMut::with_capacity(len);
    framed.put_u8(0);
    framed.put_u32(field.len().try_into().expect("a message below 4 GiB"));
    framed.extend_from_slice(&field);
    framed.freeze()
}

/// Waits for the whole request, because some proxies fail if the response comes earlier.
async fn answer(request: Request<server::Incoming>, body: Answer) -> Result<Response<Answer>, http2::Error> {
    let mut request = request.into_body();
    while let Some(frame) = request.frame().await {
        frame?;
    }
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let start = || {
        let (small, large) = (message(64), message(1 << 20));
        let trailers =
            HeaderMap::from_iter([("grpc-status".parse().expect("a name"), HeaderValue::from_static("0"))]);
        move |_| {
            let (small, large, trailers) = (small.clone(), large.clone(), trailers.clone());
            service_fn(move |request: Request<server::Incoming>| {
                let is_large = request.headers().contains_key("large");
                let message = if is_large { large.clone() } else { small.clone() };
                answer(request, Answer { message: Some(message), trailers: Some(trailers.clone()) })
            })
        }
    };
    server::serve(listener, server::Options::threads(THREADS), start, async {
        _ = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await;
    })
    .await
}
