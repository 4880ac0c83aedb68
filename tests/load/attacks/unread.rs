//! Rows 3, 4 and 7: unread responses (CVE-2019-9511 and 9517).

use std::{sync::Mutex, time::Duration};

use super::{
    ENHANCE_YOUR_CALM, INITIAL_WINDOW_SIZE, KIB, MIB, engines, refused, serve, teal_before,
    trial::{Attack, Trial},
    victim::Calls,
};
use crate::support::{
    alone,
    peers::engine,
    raw::{self, DATA, END_HEADERS, END_STREAM, HEADERS, RESET, Raw, SETTINGS, WINDOW_UPDATE},
    teal,
};

/// Opens this many calls and reads nothing of their responses. Returns the codes of the resets.
async fn leave_unread(attack: Attack, path: &str, calls: u32) -> Vec<u32> {
    let mut client = Raw::connect_with(attack.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
    client.settled().await;
    let head = raw::call(path, &[("strategy", "blue")]);
    let call = |number| raw::frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * number, &head);
    client.write_all(&(0..calls).flat_map(call).collect::<Vec<_>>()).await;
    let mut codes = Vec::new();
    _ = tokio::time::timeout_at(attack.until.into(), async {
        while let Some(frame) = client.next().await {
            if frame.kind == RESET {
                codes.push(frame.code());
            }
        }
        attack.over().await;
    })
    .await;
    codes
}

#[test]
fn unread_answers_hold_up_no_other_clients() {
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(engine(serve));
    let mut trial = Trial::of(teal_before(engine.address), Calls::LARGE).filling();
    trial.attack(2, async |attack| _ = leave_unread(attack, "/attack/endless", 200).await);
    trial.harmed_nobody();
}

#[test]
fn a_client_that_reads_nothing_holds_little() {
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(engine(serve));
    let mut trial = Trial::of(teal_before(engine.address), Calls::SMALL).filling();
    let codes = Mutex::new(Vec::new());
    trial.attack(2, async |attack| {
        let came = leave_unread(attack, "/attack/endless", 300).await;
        codes.lock().unwrap().extend(came);
    });
    let codes = codes.into_inner().unwrap();
    eprintln!("{} streams reset", codes.len());
    trial.harmed_nobody();
    // A sixteenth of 256 MiB, in buffers that cost a quarter more.
    assert!(trial.grown() < 16 * MIB * 5 / 4 + 16 * MIB, "{} bytes more", trial.grown());
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == ENHANCE_YOUR_CALM), "{codes:?}");
    assert!(refused(&trial.server, "unread_budget") >= codes.len() as u64);
}

#[test]
fn many_clients_share_one_budget() {
    const CLIENTS: usize = 30;
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(engine(serve)).address;
    let server = teal()
        .switch_every("0")
        .admin()
        .with("--threads", "1")
        .with("--buffer-limit", "32MiB")
        .upstream(engine)
        .run();
    let mut trial = Trial::of(server, Calls::SMALL).filling();
    let codes = Mutex::new(Vec::new());
    trial.attack(2, async |attack| {
        // Each of them stays below its own share of 2 MiB: 64 KiB unread at first, and what is on its way.
        let clients = (0..CLIENTS).map(|_| leave_unread(attack, "/attack/endless", 9));
        for came in futures::future::join_all(clients).await {
            codes.lock().unwrap().extend(came);
        }
    });
    let codes = codes.into_inner().unwrap();
    eprintln!("{} streams reset", codes.len());
    trial.harmed_nobody();
    // The limit, in buffers that cost a quarter more, and what the allocator keeps of the streams that are reset.
    // Unlimited, 270 windows of 1 MiB would fill.
    assert!(trial.grown() < 32 * MIB * 5 / 4 + 32 * MIB, "{} bytes more", trial.grown());
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == ENHANCE_YOUR_CALM), "{codes:?}");
}

/// An engine that lets each call send 1 KiB, and the one whose data begins with [`READ`] all.
async fn picky(mut engine: Raw) {
    let mut read = 0;
    engine.write(WINDOW_UPDATE, 0, 0, &(1_u32 << 30).to_be_bytes()).await;
    while let Some(frame) = engine.next().await {
        let stream = frame.stream;
        match frame.kind {
            HEADERS => engine.write(WINDOW_UPDATE, 0, stream, &1024_u32.to_be_bytes()).await,
            DATA if frame.ends_stream() => {
                engine.write(HEADERS, END_HEADERS, stream, &raw::answer()).await;
                engine.write(DATA, 0, stream, &frame.payload).await;
                engine.write(HEADERS, END_HEADERS | END_STREAM, stream, &raw::success()).await;
            }
            DATA if stream == read || frame.payload.first() == Some(&READ) => {
                let more = if stream == read { frame.payload.len() as u32 } else { 8 * MIB as u32 };
                read = stream;
                engine.write(WINDOW_UPDATE, 0, stream, &more.to_be_bytes()).await;
            }
            _ => {}
        }
    }
}

/// The first byte of the upload that is read.
const READ: u8 = 9;
/// Uploads that are not read, and bytes of each.
const UPLOADS: u32 = 240;
const EACH: usize = 56 * KIB;

/// A client that keeps to its windows.
struct Uploading {
    client: Raw,
    connection: i64,
    /// Of the stream that is read.
    stream: i64,
}

impl Uploading {
    const READ: u32 = 1 + 2 * UPLOADS;

    async fn send(&mut self, stream: u32, bytes: &[u8]) {
        let len = bytes.len() as i64;
        let is_read = stream == Self::READ;
        while self.connection < len || (is_read && self.stream < len) {
            let frame = self.client.any().await.expect("the connection lives");
            match (frame.kind, frame.stream) {
                (WINDOW_UPDATE, 0) => self.connection += i64::from(frame.code()),
                (WINDOW_UPDATE, Self::READ) => self.stream += i64::from(frame.code()),
                (SETTINGS, _) => {
                    let initial =
                        frame.payload.chunks(6).find(|it| it[..2] == INITIAL_WINDOW_SIZE.to_be_bytes());
                    let window = initial.map(|it| u32::from_be_bytes(it[2..].try_into().unwrap()));
                    self.stream += window.map_or(0, |window| i64::from(window) - 65_535);
                }
                _ => {}
            }
        }
        self.connection -= len;
        self.stream -= if is_read { len } else { 0 };
        self.client.write(DATA, 0, stream, bytes).await;
    }
}

#[test]
fn unread_bytes_cost_a_quarter_more() {
    const UNREAD: usize = 8 * KIB;
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(raw::engine_with(&[(INITIAL_WINDOW_SIZE, 0)], picky));
    let mut trial = Trial::of(teal_before(engine), Calls::SMALL);
    trial.attack(1, async |attack| {
        let client = Raw::connect(attack.address).await;
        let mut uploading = Uploading { client, connection: 65_535, stream: 65_535 };
        let head = raw::call("/attack/upload", &[("strategy", "blue")]);
        for call in 0..=UPLOADS {
            uploading.client.write(HEADERS, END_HEADERS, 1 + 2 * call, &head).await;
        }
        uploading.send(Uploading::READ, &[READ]).await;
        for _ in 0..EACH / UNREAD {
            for call in 0..UPLOADS {
                uploading.send(1 + 2 * call, &[7; UNREAD]).await;
                // The rest of a buffer of 64 KiB.
                for _ in 0..4 {
                    uploading.send(Uploading::READ, &[READ; 14 * KIB - 18]).await;
                }
                // The test measures memory; reading all of this takes time.
                if call % 4 == 0 {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            }
        }
        uploading.client.settled().await;
        attack.over().await;
    });
    // Only memory counts here: this many bytes keep a thread busy, whoever sends them.
    trial.gives_memory_back();
    let unread = UPLOADS as usize * EACH;
    // The calls themselves take 3 MB, and so does the upload that is read.
    assert!(trial.grown() < unread * 5 / 4 + 6 * MIB, "{} bytes more for {unread}", trial.grown());
}
