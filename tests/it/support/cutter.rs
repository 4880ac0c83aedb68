//! A network that cuts connections in the middle of what they carry.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

/// Stands before an address. Each connection is cut after so many bytes of the server's, more or less.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    cuts: AtomicU64,
    /// Nothing is cut any more.
    is_mild: AtomicBool,
}

impl Cutter {
    pub(crate) fn before(server: SocketAddr, bytes: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let shared = Arc::new(Shared { cuts: AtomicU64::new(0), is_mild: AtomicBool::new(false) });
        let common = shared.clone();
        thread::spawn(move || {
            for (number, client) in listener.incoming().map_while(Result::ok).enumerate() {
                let Ok(server) = TcpStream::connect(server) else { continue };
                // Odd lengths, so that cuts fall anywhere in a frame.
                let bytes = bytes + (number as u64 * 7919) % bytes;
                join(client, server, bytes, &common);
            }
        });
        Self { address, shared }
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// Cuts nothing any more.
    pub(crate) fn relent(&self) {
        self.shared.is_mild.store(true, Ordering::Relaxed);
    }
}

fn join(client: TcpStream, server: TcpStream, bytes: u64, shared: &Arc<Shared>) {
    let (Ok(from_client), Ok(from_server)) = (client.try_clone(), server.try_clone()) else { return };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    thread::spawn(move || pass(from_client, server, u64::MAX, None));
    let shared = shared.clone();
    thread::spawn(move || pass(from_server, client, bytes, Some(&shared)));
}

fn pass(mut from: TcpStream, mut to: TcpStream, bytes: u64, shared: Option<&Shared>) {
    let mut left = bytes;
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let is_cut =
            read as u64 > left && shared.is_some_and(|shared| !shared.is_mild.load(Ordering::Relaxed));
        let passed = if is_cut { left as usize } else { read };
        if to.write_all(&buffer[..passed]).is_err() {
            break;
        }
        if is_cut {
            shared.inspect(|shared| _ = shared.cuts.fetch_add(1, Ordering::Relaxed));
            break;
        }
        left = left.saturating_sub(read as u64);
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}
