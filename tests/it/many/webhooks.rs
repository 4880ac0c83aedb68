//! Instances that post the events of one switch to one receiver.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc::{Receiver, channel},
    thread,
};

use serde_json::Value;

use super::{Etcd, SOON, engines, instance};

fn read(stream: TcpStream) -> Option<Value> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        match line.trim().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().ok()?,
            None if line.trim().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    reader.get_mut().write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n").ok()?;
    serde_json::from_slice(&body).ok()
}

/// A receiver, and the events that it gets.
fn receiver() -> (SocketAddr, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    let (tell, told) = channel();
    thread::spawn(move || {
        // It ends with the test's process; a test that is over does not listen any more.
        for stream in listener.incoming().map_while(Result::ok) {
            if tell.send(read(stream).expect("an event")).is_err() {
                return;
            }
        }
    });
    (address, told)
}

#[test]
fn shared_transitions_have_one_id_at_all() {
    let Some(etcd) = Etcd::start(1) else { return };
    let (engines, (address, told)) = (engines(), receiver());
    let start =
        |name| instance(name, &etcd, &engines).with("--webhook", &format!("http://{address}/in")).run();
    let servers = ["web-1", "web-2"].map(start);
    servers[0].operate(&["switch"]).done();
    servers[1].operate(&["cutover"]).done();
    let transitions = ["teal.announced", "teal.cut_over", "teal.drained"];
    let (mut shared, mut own) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
    let text = |event: &Value, name: &str| event[name].as_str().expect("it is text").to_owned();
    while shared.values().map(Vec::len).sum::<usize>() < 2 * transitions.len() {
        let event = told.recv_timeout(SOON).expect("each instance sends each transition");
        match text(&event, "source") {
            source if source == "/teal/switch/teal%2F" => {
                shared.entry(text(&event, "id")).or_default().push(text(&event, "type"));
            }
            source => own.push((text(&event, "type"), source)),
        }
    }
    let mut pairs: Vec<_> = shared.into_values().collect();
    pairs.sort();
    assert_eq!(pairs, transitions.map(|kind| vec![kind.to_owned(); 2]));
    // What each sees for itself is of each.
    for name in ["web-1", "web-2"] {
        let joined = ("teal.instance_joined".to_owned(), format!("/teal/instance/{name}"));
        assert!(own.contains(&joined), "{own:?}");
    }
}
