//! Calls by tonic, with messages of bare bytes.

use std::{net::SocketAddr, time::Duration};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::{
    Request, Response, Status,
    client::Grpc,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{Ascii, MetadataKey},
    transport::Endpoint,
};

/// One call of the engine's service, on a connection of its own.
pub(crate) fn call(
    at: SocketAddr,
    method: &str,
    metadata: &[(&str, &str)],
    message: Vec<u8>,
    within: Duration,
) -> Result<Response<Bytes>, Status> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime can be had").block_on(async {
        let mut request = Request::new(message.into());
        for (name, value) in metadata {
            let name: MetadataKey<Ascii> = name.parse().expect("it is a name");
            request.metadata_mut().insert(name, value.parse().expect("it is ASCII"));
        }
        let endpoint = Endpoint::from_shared(format!("http://{at}")).expect("it is a URL");
        let mut client = Grpc::new(endpoint.connect().await.expect("it listens"));
        client.ready().await.expect("it is connected");
        let path = PathAndQuery::try_from(format!("/QueryEngineService/{method}")).expect("it is a path");
        match tokio::time::timeout(within, client.unary(request, path, Bare)).await {
            Ok(answered) => answered,
            Err(_) => Err(Status::deadline_exceeded("")),
        }
    })
}

/// Messages that are bare bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bare;

impl Codec for Bare {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bare {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Bare {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
