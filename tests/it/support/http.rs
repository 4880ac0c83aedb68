//! Requests to the HTTP API, and what comes of them to the last byte.

use std::{
    io::{BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

const SOON: Duration = Duration::from_secs(60);

/// Sends a request with the connection's end after the answer, and reads from there.
pub(crate) fn send(address: SocketAddr, head: &str, body: &str) -> BufReader<TcpStream> {
    send_with(address, head, &[], body)
}

/// Sends one with more headers.
pub(crate) fn send_with(
    address: SocketAddr,
    head: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
    let len = body.len();
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         {headers}content-length: {len}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    BufReader::new(stream)
}

/// The status line and all that follows.
pub(crate) fn answer(mut from: BufReader<TcpStream>) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text).expect("an answer that ends");
    text
}
