use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    sync::mpsc,
    time::SystemTime,
};

use super::*;
use crate::{
    Assembler, End, Reader,
    encode::{Encoder, Head, Metadata, Trailer},
    parts,
    pb::grpc_log_entry::Payload,
};

const SIZE: usize = 1000;

fn options(path: &std::path::Path) -> Options {
    Options { path: path.to_owned(), size: 1 << 20, files: 2, queue: 1 << 20 }
}

/// A call of about `SIZE` bytes.
fn call(writer: &Writer) -> Option<Buffer> {
    let (mut buffer, mut encoder) = (writer.buffer(), Encoder::new(writer.call_id()));
    let at = SystemTime::now();
    let to = buffer.reserve(SIZE)?;
    let head = Head { method: "/a.B/c", authority: "", timeout: None, peer: None, metadata: Metadata::NONE };
    encoder.client_header(to, at, head);
    encoder.message(to, at, true, 850, false, &[1; 850]);
    encoder.trailer(to, at, Trailer { code: 0, message: "", details: b"", metadata: Metadata::NONE });
    assert!(to.len() <= SIZE);
    buffer.ends_call();
    Some(buffer)
}

fn calls(path: &std::path::Path) -> usize {
    let mut assembler = Assembler::new(false);
    let entries = Reader::new(File::open(path).unwrap()).unwrap();
    let calls = entries.filter_map(|entry| assembler.push(entry.unwrap().entry));
    calls.inspect(|call| assert!(matches!(call.end, End::Status(_)))).count()
}

#[test]
fn calls_are_written_and_can_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let writer = Writer::create(options(&path)).unwrap();
    for _ in 0..100 {
        writer.write(call(&writer).unwrap());
    }
    writer.finish();
    assert_eq!(calls(&path), 100);
    let stats = writer.stats();
    assert_eq!((stats.calls, stats.lost, stats.is_failing), (100, 0, false));
    assert_eq!(stats.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // Too late.
    writer.write(call(&writer).unwrap());
    assert_eq!(writer.stats().lost, 1);
}

#[test]
fn full_files_are_replaced_and_the_oldest_goes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let writer = Writer::create(Options { size: 5000, files: 3, ..options(&path) }).unwrap();
    for _ in 0..100 {
        writer.write(call(&writer).unwrap());
    }
    writer.finish();
    let files = parts(&path);
    assert_eq!(files.len(), 3);
    for file in &files {
        assert!(fs::metadata(file).unwrap().len() <= 5000 && calls(file) <= 5);
    }
    assert!(calls(&files[0]) == 5 && calls(&files[1]) == 5);
    assert_eq!(writer.stats().calls, 100);
}

#[test]
fn a_second_run_keeps_the_first_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    for _ in 0..2 {
        let writer = Writer::create(options(&path)).unwrap();
        writer.write(call(&writer).unwrap());
        writer.finish();
    }
    assert_eq!(parts(&path).iter().map(|path| calls(path)).sum::<usize>(), 2);
    fs::write(&path, "precious").unwrap();
    let refused = Writer::create(options(&path)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("{} exists and is no recording: it is not overwritten", path.display())
    );
    assert_eq!(fs::read(&path).unwrap(), b"precious");
}

/// A disk that is told, for each write, how many bytes it takes; below all it is full.
#[derive(Debug)]
struct Scripted {
    writes: mpsc::Receiver<usize>,
    contents: Arc<Mutex<Vec<u8>>>,
}

impl Storage for Scripted {
    fn begin(&mut self) -> io::Result<()> {
        self.contents.lock().clear();
        Ok(())
    }

    fn write(&mut self, bytes: &[u8], _: bool) -> io::Result<usize> {
        let room = self.writes.recv().unwrap_or(0);
        let bytes = &bytes[..room.min(bytes.len())];
        self.contents.lock().extend_from_slice(bytes);
        match bytes.len() {
            0 => Err(io::ErrorKind::StorageFull.into()),
            count => Ok(count),
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.contents.lock().truncate(length as usize);
        Ok(())
    }

    fn name(&self) -> String {
        "scripted".to_owned()
    }
}

/// Returns the sender of what the disk takes, and the contents.
fn scripted(queue: usize) -> (Writer, mpsc::Sender<usize>, Arc<Mutex<Vec<u8>>>) {
    let ((send, writes), contents) = (mpsc::channel(), Arc::default());
    let storage = Scripted { writes, contents: Arc::clone(&contents) };
    let options = Options { queue, ..options("".as_ref()) };
    (Writer::start(options, Box::new(storage), Duration::ZERO).unwrap(), send, contents)
}

#[test]
fn a_stalled_disk_bounds_memory_and_counts_losses() {
    const QUEUE: usize = 1 << 20;
    let (writer, send, contents) = scripted(QUEUE);
    let hand_in = |count: usize| {
        for _ in 0..count {
            match call(&writer) {
                Some(entries) => writer.write(entries),
                None => writer.lose(),
            }
        }
    };
    hand_in(5000);
    let lost = writer.stats().lost as usize;
    // A call that is put together has 2 KiB of the queue too, and the end of a chunk may stay empty.
    let most = QUEUE / call(&writer).unwrap().len();
    assert!((most * 3 / 4..most).contains(&(5000 - lost)), "{lost} of 5000 were lost, {most} have room");
    for _ in 0..100 {
        send.send(usize::MAX).unwrap();
    }
    until(|| writer.stats().calls as usize == 5000 - lost);
    assert_eq!(writer.stats().bytes as usize, contents.lock().len());
    hand_in(500);
    until(|| writer.stats().calls as usize == 5500 - lost);
    assert_eq!(writer.stats().lost as usize, lost, "what was written is no longer charged");
}

#[test]
fn small_calls_among_large_ones_stay_bounded() {
    const QUEUE: usize = 4 << 20;
    let (writer, _send, _) = scripted(QUEUE);
    for _ in 0..1000 {
        let mut large = writer.buffer();
        if let Some(to) = large.reserve(100 << 10) {
            to.resize(100 << 10, 0);
            writer.write(large);
        }
        if let Some(entries) = call(&writer) {
            writer.write(entries);
        }
    }
    let used = writer.shared.used();
    assert!((QUEUE / 2..=QUEUE).contains(&used), "{used} bytes of {QUEUE}");
}

#[test]
fn a_full_disk_leaves_whole_entries_only() {
    let (writer, send, contents) = scripted(1 << 20);
    let whole = || Reader::new(&contents.lock()[..]).unwrap().filter(|entry| entry.is_ok()).count();
    writer.write(call(&writer).unwrap());
    send.send(usize::MAX).unwrap();
    until(|| writer.stats().calls == 1);
    // Half of the next call, and then nothing.
    writer.write(call(&writer).unwrap());
    send.send(SIZE / 2).unwrap();
    send.send(0).unwrap();
    until(|| writer.stats().is_failing);
    assert_eq!(writer.stats(), Stats { calls: 1, lost: 1, ..writer.stats() });
    // There is room again.
    writer.write(call(&writer).unwrap());
    send.send(usize::MAX).unwrap();
    until(|| writer.stats().calls == 2);
    assert!(!writer.stats().is_failing);
    assert_eq!(whole(), 6, "nothing is left of the call that was lost");
    // The end is mended too.
    writer.write(call(&writer).unwrap());
    send.send(SIZE / 2).unwrap();
    drop(send);
    writer.finish();
    assert_eq!((whole(), writer.stats().lost), (6, 2));
    assert_eq!(writer.stats().bytes as usize, contents.lock().len());
}

/// Some thousand calls of various lengths make several chunks, and parts of files at all offsets.
#[test]
fn large_writes_leave_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r");
    let writer =
        Writer::create(Options { size: 3 << 20, files: 9, queue: 64 << 20, ..options(&path) }).unwrap();
    for round in 0..4 {
        for length in 0..2000_u32 {
            let (mut buffer, mut encoder) = (writer.buffer(), Encoder::new(writer.call_id()));
            let to = buffer.reserve(5000).unwrap();
            encoder.message(to, SystemTime::now(), true, length, false, &vec![length as u8; length as usize]);
            buffer.ends_call();
            writer.write(buffer);
        }
        until(|| writer.stats().calls == 2000 * (round + 1));
    }
    writer.finish();
    assert_eq!(writer.stats().lost, 0);
    let entries = parts(&path).into_iter().flat_map(|part| Reader::new(File::open(part).unwrap()).unwrap());
    for (at, entry) in entries.enumerate() {
        let Some(Payload::Message(message)) = entry.unwrap().entry.payload else { panic!("no message") };
        let length = (at % 2000) as u32;
        assert_eq!(message.length, length);
        assert!(
            message.data.len() == length as usize && message.data.iter().all(|byte| *byte == length as u8)
        );
    }
    assert_eq!(
        parts(&path).iter().map(|part| fs::metadata(part).unwrap().len()).sum::<u64>(),
        writer.stats().bytes
    );
}

/// Waits for another thread, which needs no more than a moment.
fn until(is_so: impl Fn() -> bool) {
    for _ in 0..10_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it did not come");
}
