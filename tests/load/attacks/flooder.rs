//! A client that floods one kind of frame, and reconnects when it is disconnected.

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, BufReader},
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{KIB, MIB, trial::Attack};
use crate::support::raw::{self, Raw};

/// Bytes of one write.
const WRITE: usize = 64 * KIB;
/// A kind of flood.
pub(super) struct Flood {
    /// The first bytes of each connection.
    pub(super) opening: Vec<u8>,
    /// The repeated bytes.
    pub(super) frames: Vec<u8>,
    /// The most bytes per second.
    pub(super) pace: usize,
    /// The most bytes per connection.
    pub(super) most: usize,
    /// The pause between connections, because opening them is not part of the flood.
    pub(super) pause: Duration,
}

/// The consequences of a flood.
#[derive(Debug, Default)]
pub(super) struct Consequences {
    /// The attacker's end of each connection.
    pub(super) connections: Vec<SocketAddr>,
    /// The codes of the GOAWAYs that came.
    pub(super) sent_away: Vec<u32>,
    pub(super) bytes: usize,
}

impl Flood {
    /// Frames by their numbers, at the speed of loopback.
    pub(super) fn of(frame: impl Fn(u32) -> Vec<u8>) -> Self {
        let mut frames = Vec::new();
        for number in 0.. {
            frames.extend(frame(number));
            if frames.len() > WRITE {
                break;
            }
        }
        Self {
            opening: Vec::new(),
            frames,
            pace: 1 << 40,
            most: 1024 * MIB,
            pause: Duration::from_millis(20),
        }
    }

    /// Floods until the attack is over.
    pub(super) async fn run(&self, attack: Attack, consequences: &Mutex<Consequences>) {
        let mut left = self.most;
        while !attack.is_over() && left > 0 {
            let client = Raw::connect(attack.address).await;
            consequences.lock().unwrap().connections.push(client.local_address());
            let (from, to) = client.into_stream().into_split();
            let until = attack.until.into();
            let (sent, code) = tokio::join!(self.write(to, until, &mut left), timeout_at(until, read(from)));
            {
                let mut consequences = consequences.lock().unwrap();
                consequences.bytes += sent;
                consequences.sent_away.extend(code.ok().flatten());
            }
            sleep(self.pause).await;
        }
        attack.over().await;
    }

    /// Writes until the deadline, or until the peer accepts no more. Returns the number of bytes.
    async fn write(&self, mut to: OwnedWriteHalf, until: Instant, left: &mut usize) -> usize {
        let (began, mut sent) = (Instant::now(), 0);
        _ = to.write_all(&self.opening).await;
        while Instant::now() < until && *left > 0 {
            if !matches!(timeout_at(until, to.write_all(&self.frames)).await, Ok(Ok(()))) {
                break;
            }
            sent += self.frames.len();
            *left = left.saturating_sub(self.frames.len());
            sleep_until(began + Duration::from_secs_f64(sent as f64 / self.pace as f64)).await;
        }
        if *left == 0 {
            sleep_until(until).await;
        }
        sent
    }
}

/// Reads up to the end. Returns the code of a GOAWAY, if there was one.
async fn read(from: OwnedReadHalf) -> Option<u32> {
    let mut from = BufReader::with_capacity(64 * KIB, from);
    let (mut code, mut payload) = (None, Vec::new());
    let mut head = [0; 9];
    while from.read_exact(&mut head).await.is_ok() {
        payload.resize(u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize, 0);
        if from.read_exact(&mut payload).await.is_err() {
            break;
        }
        if head[3] == raw::GOAWAY {
            code = payload[4..8].try_into().ok().map(u32::from_be_bytes);
        }
    }
    code
}
