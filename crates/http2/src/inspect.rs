//! Checks the internal state of a connection: flow-control credit is conserved, and every list is consistent.
//!
//! Compiled only for tests and for `fuzz/`.

use std::collections::HashSet;

use crate::{
    PingPong,
    core::{Core, Ending, Shared},
    frame::MOST,
    held::Held,
    list::Place,
    send::ROOM,
    stream::Stream,
};

/// Inspects a connection, also after it was dropped.
#[derive(Debug)]
pub struct Inspector {
    core: Shared,
}

/// The counters of a connection, for comparison with what its peer saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// Bytes of data that the peer may still send.
    pub recv_window: i64,
    /// Bytes of data that this side may still send.
    pub send_window: i64,
    /// Bytes waiting for the socket.
    pub output: usize,
    /// Whether the connection has failed or ended. Windows have no meaning then.
    pub has_ended: bool,
    /// Whether reading is paused.
    pub is_slowed: bool,
    /// The streams that are not closed, by id.
    pub streams: Vec<StreamSnapshot>,
}

/// The counters of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamSnapshot {
    /// Its id.
    pub id: u32,
    /// Bytes of data that the peer may still send.
    pub recv_window: i64,
    /// Bytes of data that this side may still send.
    pub send_window: i64,
    /// Bytes queued for sending, waiting for a window or for the socket.
    pub queued: usize,
    /// Bytes received and not read.
    pub unread: usize,
}

/// Returns an error that describes the violated condition.
macro_rules! ensure {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err(format!($($words)*));
        }
    };
}

impl Inspector {
    /// Creates an inspector from a ping handle of the connection.
    pub fn new(ping_pong: PingPong) -> Self {
        Self { core: ping_pong.core }
    }

    /// Checks all invariants. Call it while no method of the connection runs.
    ///
    /// # Errors
    /// The violated invariant, with its numbers.
    pub fn check(&self) -> Result<(), String> {
        let core = self.core.lock();
        check_lists(&core)?;
        check_credit(&core)?;
        check_budget(&core)?;
        for (_, stream) in &core.streams {
            check_send(&core, stream).map_err(|problem| format!("stream {}: {problem}", stream.id))?;
            check_recv(&core, stream).map_err(|problem| format!("stream {}: {problem}", stream.id))?;
        }
        Ok(())
    }

    /// The current counters.
    pub fn snapshot(&self) -> Snapshot {
        let core = self.core.lock();
        let mut streams: Vec<_> = core.live.values().map(|key| core.snapshot(*key)).collect();
        streams.sort_by_key(|stream| stream.id);
        Snapshot {
            recv_window: core.recv_window,
            send_window: core.send_window,
            output: core.out.len() + core.writing,
            has_ended: core.ending == Ending::Now,
            is_slowed: core.slowed_for().is_some(),
            streams,
        }
    }
}

impl Core {
    fn snapshot(&self, key: usize) -> StreamSnapshot {
        let stream = &self.streams[key];
        StreamSnapshot {
            id: stream.id,
            recv_window: self.recv_initial + stream.recv.window,
            send_window: self.allowed.window + stream.send.window,
            queued: stream.send.queued().0,
            unread: stream.recv.unread().0,
        }
    }
}

/// Checks that the map of live streams, the slab, the accept queue and the lists hold the same streams.
fn check_lists(core: &Core) -> Result<(), String> {
    for (id, key) in &core.live {
        let stream = core.streams.get(*key).ok_or(format!("live stream {id} is not in the slab"))?;
        ensure!(stream.id == *id, "live stream {id} leads to stream {}", stream.id);
        ensure!(*id <= core.last, "stream {id} lives, and {} was the last", core.last);
    }
    let accept: HashSet<_> = core.accept.iter().copied().collect();
    ensure!(accept.len() == core.accept.len(), "a stream waits twice to be accepted");
    for key in &accept {
        let stream = core.streams.get(*key).ok_or("a stream that waits to be accepted is gone")?;
        ensure!(stream.handles == 2, "stream {} waits with {} handles", stream.id, stream.handles);
        ensure!(stream.recv.head.is_some(), "stream {} waits without a head", stream.id);
    }
    let lists = [&core.pending_send, &core.stalled];
    ensure!(lists.iter().all(|list| list.is_whole(&core.streams)), "a list is torn");
    let places = lists.map(|list| list.iter(&core.streams).count());
    for (key, stream) in &core.streams {
        let (id, is_live) = (stream.id, core.live.get(&stream.id) == Some(&key));
        ensure!(is_live != stream.state.is_closed(), "stream {id} is live {is_live}, and {:?}", stream.state);
        ensure!(stream.handles <= 2, "stream {id} has {} handles", stream.handles);
        let is_held = stream.handles > 0 || is_live;
        ensure!(is_held, "stream {id} is closed and nobody has it");
        let is_listed = !stream.is_unsettled || core.unsettled.contains(&key);
        ensure!(is_listed, "stream {id} is to be counted, and nobody will");
    }
    let in_place = |place| core.streams.iter().filter(|(_, it)| it.send.links.place == place).count();
    let counted = [in_place(Place::Pending), in_place(Place::Stalled)];
    ensure!(counted == places, "{counted:?} streams are in lists of {places:?}");
    Ok(())
}

/// Checks that announced credit equals what may still be received, what is unread, and what is not returned yet.
fn check_credit(core: &Core) -> Result<(), String> {
    let (out, limit) = (core.out.len() + core.writing, core.ours.limits.output);
    ensure!(out <= 17 * limit.max(ROOM) + (1 << 20), "{out} bytes wait to be written, the limit is {limit}");
    if core.ending == Ending::Now {
        return Ok(());
    }
    let is_window = (0..=MOST).contains(&core.send_window);
    ensure!(is_window, "the connection's send window is {}", core.send_window);
    let unread: usize = core.streams.iter().map(|(_, stream)| stream.recv.unread().0).sum();
    let (window, unreleased) = (core.recv_window, i64::from(core.unreleased));
    ensure!(window >= 0, "the connection's window is {window}");
    ensure!(
        window + unreleased + unread as i64 == i64::from(core.ours.connection_window),
        "of {} bytes, {window} may come, {unread} are unread, {unreleased} are unreleased",
        core.ours.connection_window
    );
    let is_released = unreleased == 0 || unreleased < window;
    ensure!(is_released, "{unreleased} bytes are not released, and {window} may come");
    Ok(())
}

/// Checks that the account of a server's connection agrees with the charges of its streams.
fn check_budget(core: &Core) -> Result<(), String> {
    let Some(account) = &core.account else { return Ok(()) };
    let (holdings, used, granted) = account.holdings();
    let sum = |of: fn(&Held) -> usize| holdings.values().map(of).sum::<usize>();
    let total = Held { bytes: sum(|held| held.bytes), made: sum(|held| held.made) };
    ensure!(total == used, "{used:?} are charged, {holdings:?}");
    let grown: usize = core.streams.iter().map(|(_, stream)| stream.recv.grown as usize).sum();
    ensure!(grown == granted, "windows have grown by {grown}, {granted} are granted");
    for (_, stream) in &core.streams {
        let charged = holdings.get(&stream.id).copied().unwrap_or_default();
        let (own, held) = (stream.charged, stream.held(core.is_server));
        let is_there = own.beside(held).0 == Held::default();
        ensure!(is_there, "stream {} is charged {own:?} for {held:?}", stream.id);
        let is_charged = charged == own || stream.state.is_closed();
        ensure!(is_charged, "stream {} is charged {own:?}, in the book {charged:?}", stream.id);
        let is_counted = own == held || stream.is_unsettled;
        ensure!(is_counted, "stream {} holds {held:?}, and is charged {own:?}", stream.id);
    }
    Ok(())
}

fn check_recv(core: &Core, stream: &Stream) -> Result<(), String> {
    let recv = &stream.recv;
    let (counted, unread) = recv.unread();
    ensure!(counted == unread, "{counted} unread bytes are counted, {unread} are there");
    ensure!(!recv.is_ignored || unread == 0, "{unread} bytes are there that nobody reads");
    if !stream.state.is_recv_open() {
        return Ok(());
    }
    let (left, unreleased) = (core.recv_initial + recv.window, i64::from(recv.unreleased));
    ensure!((0..=MOST).contains(&left), "{left} bytes may come");
    let (sum, grown) = (recv.window + unreleased + unread as i64, i64::from(recv.grown));
    ensure!(
        if recv.is_ignored { sum <= grown } else { sum == grown },
        "the window has grown by {grown} and is {}, {unread} are unread, {unreleased} are unreleased",
        recv.window
    );
    let may_come = left > 0 || unread > 0 || recv.is_ignored;
    ensure!(may_come, "all is read, and nothing may come: {unreleased} bytes are not released");
    Ok(())
}

fn check_send(core: &Core, stream: &Stream) -> Result<(), String> {
    let send = &stream.send;
    let (counted, queued) = send.queued();
    ensure!(counted == queued, "{counted} bytes are counted in the queue, {queued} are there");
    ensure!(send.is_empty() == (queued == 0), "the queue has empty data");
    if stream.state.is_closed() || !stream.state.is_send_open() {
        ensure!(send.is_empty(), "all is sent, and data waits");
    }
    ensure!(
        send.is_empty() == (send.links.place == Place::Nowhere),
        "{queued} bytes wait, and it is in the list {:?}",
        send.links.place
    );
    if stream.state.is_closed() || core.ending == Ending::Now {
        return Ok(());
    }
    let window = core.allowed.window + send.window;
    ensure!(window <= MOST, "the send window is {window}");
    ensure!(send.window <= core.most_widened, "a window of {} is wider than all", send.window);
    ensure!(
        send.links.place != Place::Stalled || window <= 0,
        "{window} bytes may be sent, and it is stalled"
    );
    ensure!(!stream.is_ending() || !send.is_empty(), "only its end waits to be sent");
    Ok(())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{Budget, Settings, budget::StreamAccount};

    /// A server's connection with one active stream, and the key of that stream.
    fn connection() -> (Inspector, usize) {
        let mut core = Core::new(true, Settings::default(), Budget::default());
        let mut stream = Stream::new(1);
        stream.client = core.account.clone().map(|account| StreamAccount { account, stream: 1 });
        stream.recv.push_small(b"unread");
        stream.recv.window -= 6;
        core.recv_window -= 6;
        let key = core.streams.insert(stream.into());
        core.live.insert(1, key);
        core.last = 1;
        core.unsettle(key, false);
        (Inspector { core: Shared::new(core) }, key)
    }

    #[test]
    fn a_consistent_connection_passes() {
        let (inspector, key) = connection();
        assert_eq!(inspector.check(), Ok(()));
        inspector.core.lock().begin_turn();
        assert_eq!(inspector.check(), Ok(()), "its bytes are charged");
        let stream = StreamSnapshot { id: 1, recv_window: 65_529, send_window: 65_535, queued: 0, unread: 6 };
        assert_eq!(inspector.snapshot().streams, [stream]);
        inspector.core.lock().ignore(key);
        assert_eq!(inspector.check(), Ok(()), "its bytes are released");
    }

    /// Corrupts a connection and its stream.
    type Slip = fn(&mut Core, usize);

    #[test]
    fn each_slip_is_found() {
        let slips: [(&str, Slip); 12] = [
            ("may come", |core, _| core.recv_window += 1),
            ("are unreleased", |core, _| core.unreleased += 1),
            ("has grown", |core, key| core.streams[key].recv.window += 1),
            ("are granted", |core, key| core.streams[key].recv.grown += 1),
            ("send window", |core, _| core.send_window = MOST + 1),
            ("wider than all", |core, key| core.streams[key].send.window += 1),
            ("in the list", |core, key| core.streams[key].send.push(Bytes::from_static(b"a"))),
            ("not in the slab", |core, key| drop(core.streams.remove(key))),
            ("is live false", |core, _| _ = core.live.remove(&1)),
            ("without a head", |core, key| core.accept.push_back(key)),
            ("nobody will", |core, _| core.unsettled.clear()),
            ("is charged", |core, key| core.streams[key].is_unsettled = false),
        ];
        for (words, slip) in slips {
            let (inspector, key) = connection();
            slip(&mut inspector.core.lock(), key);
            let problem = inspector.check().unwrap_err();
            assert!(problem.contains(words), "{words}: {problem}");
        }
    }

    #[test]
    fn credit_that_is_kept_back_is_found() {
        let (inspector, key) = connection();
        let mut core = inspector.core.lock();
        let moved = core.recv_window;
        core.recv_window = 0;
        core.unreleased = moved as u32;
        drop(core);
        assert!(inspector.check().unwrap_err().contains("are not released"));
        let (inspector, _) = connection();
        let mut core = inspector.core.lock();
        core.ignore(key);
        let recv = &mut core.streams[key].recv;
        recv.is_ignored = false;
        (recv.window, recv.unreleased) = (-65_535, 65_535);
        drop(core);
        assert!(inspector.check().unwrap_err().contains("all is read"));
    }
}
