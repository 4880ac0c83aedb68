//! A budget for bytes that were received and not yet read, shared by all clients of a process.
//!
//! If a client reads more slowly than its calls are answered, this process buffers the responses: in the connections
//! to the servers, and in the client's own. All of that is charged to the client's [`Account`], stream by stream.
//! Data that is read at once is never charged, so this costs nothing on the fast path.
//!
//! A response that this process makes itself is queued as a whole, however fast the client reads, and the clients of a proxy
//! share a connection. So what a response queues beyond a chunk counts for the process, and not for the client's share.

use std::{
    cell::RefCell,
    collections::HashMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    task::Waker,
};

use parking_lot::Mutex;
use slab::Slab;

use crate::{held::Held, refusal::Refusal};

/// One client's connection may use one part in this many of the whole budget.
const SHARE: usize = 16;
/// Once a limit is exceeded, one part in this many of it is freed, so that not every further byte costs a stream.
const FREED: usize = 8;

/// A budget that the connections of a process share, with counts of refusals.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Process>);

#[derive(Debug)]
struct Process {
    /// The most unread bytes of all clients.
    total: usize,
    used: AtomicUsize,
    accounts: Mutex<Slab<Weak<Account>>>,
    /// Set from a demand until the client responds, because a demand goes through all clients.
    is_demanding: AtomicBool,
    refused: [AtomicU64; Refusal::ALL.len()],
}

impl Default for Budget {
    /// 256 MiB in all, 16 MiB for each client's connection.
    fn default() -> Self {
        Self::new(256 << 20)
    }
}

impl Budget {
    /// Creates a budget of `total` bytes, of which each client's connection may use a sixteenth.
    pub fn new(total: usize) -> Self {
        Self(Arc::new(Process {
            total,
            used: AtomicUsize::new(0),
            accounts: Mutex::default(),
            is_demanding: AtomicBool::new(false),
            refused: Default::default(),
        }))
    }

    /// The number of unread bytes.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// The number of refusals of this kind.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.0.refused[refusal as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn count(&self, refusal: Refusal) {
        self.0.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Opens the account of a new client's connection.
    pub(crate) fn open_account(&self) -> Arc<Account> {
        let process = self.0.clone();
        let mut accounts = self.0.accounts.lock();
        let entry = accounts.vacant_entry();
        let (key, limit) = (entry.key(), self.0.total / SHARE);
        let account = Arc::new(Account {
            process,
            key,
            limit,
            is_over: AtomicBool::new(false),
            book: Mutex::default(),
            driver: Mutex::default(),
        });
        entry.insert(Arc::downgrade(&account));
        account
    }
}

impl Process {
    /// Demands that the client with the most unread bytes gives up streams.
    fn demand(&self) {
        if self.is_demanding.swap(true, Ordering::AcqRel) {
            return;
        }
        let accounts: Vec<_> = self.accounts.lock().iter().filter_map(|(_, it)| it.upgrade()).collect();
        if let Some(largest) = accounts.iter().max_by_key(|account| account.book.lock().used.bytes) {
            largest.demand();
        }
    }
}

/// The bytes that this process holds for one client's connection.
#[derive(Debug)]
pub(crate) struct Account {
    process: Arc<Process>,
    key: usize,
    limit: usize,
    /// The client must give up streams.
    is_over: AtomicBool,
    book: Mutex<Book>,
    /// The task that drives the client's connection.
    driver: Mutex<Option<Waker>>,
}

#[derive(Debug, Default)]
struct Book {
    used: Held,
    /// Bytes granted to windows beyond their initial sizes.
    granted: usize,
    /// Holdings by the id of the client's stream.
    holdings: HashMap<u32, Holding>,
    /// The sequence number of the next holding.
    next: u64,
}

#[derive(Debug)]
struct Holding {
    held: Held,
    /// The sequence number since which it has held something without a pause.
    since: u64,
}

impl Account {
    /// Notes that a stream holds more than before.
    pub(crate) fn charge(&self, stream: u32, more: Held) {
        let used = {
            let mut book = self.book.lock();
            let since = book.next;
            book.next += 1;
            let holding = book.holdings.entry(stream).or_insert(Holding { held: Held::default(), since });
            holding.held.add(more);
            book.used.add(more);
            book.used
        };
        let all = self.process.used.fetch_add(more.bytes, Ordering::Relaxed) + more.bytes;
        if used.share() > self.limit {
            self.demand();
        }
        if all > self.process.total {
            self.process.demand();
        }
    }

    /// Notes that a stream holds less than before.
    pub(crate) fn release(&self, stream: u32, less: Held) {
        let mut book = self.book.lock();
        // A stream that was given up is no longer in the book.
        let Some(holding) = book.holdings.get_mut(&stream) else { return };
        let less = holding.held.at_most(less);
        holding.held.sub(less);
        if holding.held.bytes == 0 {
            book.holdings.remove(&stream);
        }
        book.used.sub(less);
        self.process.used.fetch_sub(less.bytes, Ordering::Relaxed);
    }

    /// Grants a window `bytes` more, unless half of the budget is granted already.
    pub(crate) fn grant(&self, bytes: usize) -> bool {
        let mut book = self.book.lock();
        let fits = book.granted + bytes <= self.limit / 2;
        if fits {
            book.granted += bytes;
        }
        fits
    }

    pub(crate) fn return_grant(&self, bytes: usize) {
        self.book.lock().granted -= bytes;
    }

    /// The bytes of each stream, the bytes of all streams, and the granted bytes.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn holdings(&self) -> (HashMap<u32, Held>, Held, usize) {
        let book = self.book.lock();
        let holdings = book.holdings.iter().map(|(stream, holding)| (*stream, holding.held));
        (holdings.collect(), book.used, book.granted)
    }

    /// Registers the task to wake when streams must be given up.
    pub(crate) fn register(&self, driver: &Waker) {
        *self.driver.lock() = Some(driver.clone());
    }

    fn demand(&self) {
        if !self.is_over.swap(true, Ordering::AcqRel)
            && let Some(driver) = &*self.driver.lock()
        {
            driver.wake_by_ref();
        }
    }

    /// Returns the streams to give up now, those that have held data longest first. They are no longer charged.
    pub(crate) fn shed(&self) -> Vec<u32> {
        if !self.is_over.load(Ordering::Acquire) || !self.is_over.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        self.process.is_demanding.store(false, Ordering::Release);
        let over = |used: usize, limit: usize| if used > limit { used - (limit - limit / FREED) } else { 0 };
        let mut book = self.book.lock();
        let all = over(self.process.used.load(Ordering::Relaxed), self.process.total).min(book.used.bytes);
        // What is to be freed of the share, and of everything.
        let (mut share, mut all) = (over(book.used.share(), self.limit), all);
        let mut oldest: Vec<_> = book.holdings.iter().map(|(stream, it)| (it.since, *stream)).collect();
        oldest.sort_unstable();
        let mut given_up = Vec::new();
        for (_, stream) in oldest {
            if share == 0 && all == 0 {
                break;
            }
            let held = book.holdings.remove(&stream).map_or_else(Held::default, |holding| holding.held);
            book.used.sub(held);
            self.process.used.fetch_sub(held.bytes, Ordering::Relaxed);
            share = share.saturating_sub(held.share());
            all = all.saturating_sub(held.bytes);
            given_up.push(stream);
        }
        given_up
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.process.used.fetch_sub(self.book.lock().used.bytes, Ordering::Relaxed);
        self.process.accounts.lock().remove(self.key);
        if *self.is_over.get_mut() {
            self.process.is_demanding.store(false, Ordering::Release);
        }
    }
}

/// The account of a client's stream. Within [`StreamAccount::scope`], streams opened on other connections are charged
/// to it.
#[derive(Clone, Debug)]
pub struct StreamAccount {
    pub(crate) account: Arc<Account>,
    pub(crate) stream: u32,
}

thread_local! {
    static CURRENT: RefCell<Option<StreamAccount>> = const { RefCell::new(None) };
}

impl StreamAccount {
    /// Runs a closure. Streams that it opens on other connections are charged to `account`.
    pub fn scope<T>(account: &mut Option<Self>, run: impl FnOnce() -> T) -> T {
        let swap = |account: &mut Option<Self>| CURRENT.with_borrow_mut(|it| std::mem::swap(it, account));
        swap(account);
        let restored = Restored(account, swap);
        let output = run();
        drop(restored);
        output
    }

    /// The account of the current scope, if any.
    pub(crate) fn current() -> Option<Self> {
        CURRENT.with_borrow(Clone::clone)
    }
}

/// Ends a scope, also on a panic.
struct Restored<'a, F: Fn(&mut Option<StreamAccount>)>(&'a mut Option<StreamAccount>, F);

impl<F: Fn(&mut Option<StreamAccount>)> Drop for Restored<'_, F> {
    fn drop(&mut self) {
        (self.1)(self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(bytes: usize) -> Held {
        Held { bytes, made: 0 }
    }

    #[test]
    fn made_responses_count_for_the_process_alone() {
        let budget = Budget::new(1600);
        let account = budget.open_account();
        account.charge(1, Held { bytes: 1000, made: 950 });
        account.charge(3, received(40));
        account.charge(5, Held { bytes: 500, made: 495 });
        assert!(account.shed().is_empty(), "95 of 100 are its share");
        account.charge(3, received(10));
        assert_eq!(account.shed(), [1], "105 of 100: down to 88");
        assert_eq!(budget.used(), 550);
        account.release(5, Held { bytes: 100, made: 100 });
        account.charge(7, Held { bytes: 1200, made: 1200 });
        assert_eq!(account.shed(), [3, 5], "1650 of 1600: down to 1400");
        account.release(7, Held { bytes: 1200, made: 1200 });
        assert_eq!(account.holdings(), (HashMap::new(), Held::default(), 0));
    }

    #[test]
    fn no_more_is_released_than_was_charged() {
        let account = Budget::new(1600).open_account();
        account.charge(1, Held { bytes: 50, made: 20 });
        account.release(1, Held { bytes: 40, made: 0 });
        let left = Held { bytes: 10, made: 10 };
        assert_eq!(account.holdings().1, left);
        account.release(1, Held { bytes: 70, made: 30 });
        assert_eq!(account.holdings().1, Held::default());
    }

    #[test]
    fn clients_above_their_share_lose_their_oldest_streams() {
        let budget = Budget::new(1600);
        let account = budget.open_account();
        for stream in [7, 1, 5] {
            account.charge(stream, received(40));
        }
        assert_eq!(account.shed(), [7], "120 of 100: down to 88");
        assert_eq!(budget.used(), 80);
        assert!(account.shed().is_empty());
    }

    #[test]
    fn a_stream_read_to_its_end_becomes_young() {
        let account = Budget::new(1600).open_account();
        account.charge(1, received(40));
        account.charge(3, received(40));
        account.release(1, received(40));
        account.charge(1, received(70));
        assert_eq!(account.shed(), [3]);
    }

    #[test]
    fn the_largest_client_pays_for_the_process() {
        let budget = Budget::new(1600);
        let accounts: Vec<_> = (0..18).map(|_| budget.open_account()).collect();
        for account in &accounts {
            account.charge(1, received(60));
            account.charge(3, received(28));
        }
        for account in &accounts[..16] {
            account.charge(5, received(1));
        }
        assert_eq!(budget.used(), 1600);
        accounts[4].charge(7, received(9));
        for (number, account) in accounts.iter().enumerate() {
            let given_up = account.shed();
            assert_eq!(given_up.is_empty(), number != 4, "{number}: {given_up:?}");
        }
        assert!(budget.used() <= 1600);
    }

    #[test]
    fn given_up_streams_are_released_once() {
        let budget = Budget::new(1600);
        let account = budget.open_account();
        account.charge(1, received(150));
        assert_eq!(account.shed(), [1]);
        account.release(1, received(150));
        assert_eq!(budget.used(), 0);
        account.charge(3, received(10));
        drop(account);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn windows_grow_by_half_of_a_share() {
        let account = Budget::new(1600).open_account();
        assert!(account.grant(30));
        assert!(!account.grant(21));
        assert!(account.grant(20));
        account.return_grant(30);
        assert!(account.grant(30));
    }

    #[test]
    fn a_scope_ends_with_what_it_ran() {
        let account = Budget::new(1600).open_account();
        let mut scoped = Some(StreamAccount { account, stream: 3 });
        let inside = StreamAccount::scope(&mut scoped, || StreamAccount::current().map(|it| it.stream));
        assert_eq!(inside, Some(3));
        assert!(StreamAccount::current().is_none());
        assert!(scoped.is_some());
    }
}
