//! The state shared by the threads of one client process: its strategy, and the announced one.

use parking_lot::{Mutex, MutexGuard};
use protocol::Strategy;

use super::behaviour::Adopts;

/// The strategy of a process. Knows no I/O.
#[derive(Debug)]
pub(crate) struct Process {
    adopts: Adopts,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    active: Option<Strategy>,
    pending: Option<Strategy>,
    /// When it got that notice.
    told: u64,
    /// The number of queries that are prepared and not cleared.
    open: u32,
    /// The next connection that checks must log in again.
    invalidated: bool,
}

/// A change of strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Adoption {
    /// The previous strategy; `None` if there was none.
    pub(crate) from: Option<Strategy>,
    pub(crate) to: Strategy,
    /// When the process got the notice.
    pub(crate) told: u64,
}

impl Process {
    pub(crate) fn new(adopts: Adopts) -> Self {
        Self { adopts, state: Mutex::default() }
    }

    /// The strategy that it names; `None` if it is unknown.
    pub(crate) fn active(&self) -> Option<Strategy> {
        self.lock().active
    }

    /// Sets the strategy that is known to be active.
    pub(crate) fn settle(&self, strategy: Strategy) {
        let mut state = self.lock();
        state.active = Some(strategy);
        state.pending = state.pending.filter(|pending| *pending != strategy);
    }

    /// Forgets the strategy after a 456, so that the active one must be found out again.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        (state.active, state.pending) = (None, None);
    }

    /// Handles a notice in a response. Returns whether it is news, and an immediate adoption.
    pub(crate) fn on_notice(&self, notice: Strategy, now: u64) -> (bool, Option<Adoption>) {
        let mut state = self.lock();
        if self.adopts == Adopts::Never || state.active == Some(notice) {
            return (false, None);
        }
        let is_news = state.await_adoption(notice, now);
        let adoption = if self.adopts == Adopts::AtOnce { state.adopt() } else { None };
        (is_news, adoption)
    }

    /// Handles a notice in a login, which is adopted at once.
    pub(crate) fn on_login_notice(&self, notice: Strategy, now: u64) -> Option<Adoption> {
        let mut state = self.lock();
        if self.adopts == Adopts::Never || state.active == Some(notice) {
            return None;
        }
        state.await_adoption(notice, now);
        let adoption = state.adopt();
        state.invalidated = false;
        adoption
    }

    /// Called before a request: adopts the pending strategy if no query is open.
    pub(crate) fn before_request(&self) -> Option<Adoption> {
        let mut state = self.lock();
        if state.open == 0 && self.adopts != Adopts::AfterQueries { state.adopt() } else { None }
    }

    /// Returns whether this connection must log in again: true for the first that asks after an adoption.
    pub(crate) fn take_invalidated(&self) -> bool {
        std::mem::take(&mut self.lock().invalidated)
    }

    /// Counts a prepared query.
    pub(crate) fn opened(&self) {
        self.lock().open += 1;
    }

    /// Counts a cleared or abandoned query. After the last one, adopts the pending strategy.
    pub(crate) fn closed(&self) -> Option<Adoption> {
        let mut state = self.lock();
        state.open = state.open.saturating_sub(1);
        if state.open == 0 { state.adopt() } else { None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }
}

impl State {
    /// Returns whether that is news.
    fn await_adoption(&mut self, notice: Strategy, now: u64) -> bool {
        let is_news = self.pending.replace(notice) != Some(notice);
        if is_news {
            self.told = now;
        }
        is_news
    }

    fn adopt(&mut self) -> Option<Adoption> {
        let to = self.pending.take()?;
        let from = self.active.replace(to);
        self.invalidated = true;
        Some(Adoption { from, to, told: self.told })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Strategy::{Blue, Green};

    const ADOPTION: Adoption = Adoption { from: Some(Blue), to: Green, told: 1 };

    fn blue(adopts: Adopts) -> Process {
        let process = Process::new(adopts);
        process.settle(Blue);
        process
    }

    #[test]
    fn pending_strategies_wait_for_the_last_query() {
        let process = blue(Adopts::BetweenQueries);
        process.opened();
        process.opened();
        assert_eq!(process.on_notice(Green, 1), (true, None));
        assert_eq!(process.on_notice(Green, 2), (false, None));
        assert_eq!(process.on_notice(Blue, 1), (false, None), "its own colour is ignored");
        assert_eq!(process.before_request(), None);
        assert_eq!(process.closed(), None);
        assert_eq!(process.active(), Some(Blue));
        assert_eq!(process.closed(), Some(ADOPTION));
        assert_eq!(process.active(), Some(Green));
        assert!(process.take_invalidated());
        assert!(!process.take_invalidated(), "only the first connection logs in again");
    }

    #[test]
    fn without_a_query_the_next_request_adopts() {
        let process = blue(Adopts::BetweenQueries);
        process.on_notice(Green, 1);
        assert_eq!(process.before_request(), Some(ADOPTION));
        assert_eq!(process.before_request(), None);
    }

    #[test]
    fn some_adopt_only_after_a_query() {
        let process = blue(Adopts::AfterQueries);
        process.on_notice(Green, 1);
        assert_eq!(process.before_request(), None);
        process.opened();
        assert_eq!(process.closed(), Some(ADOPTION));
    }

    #[test]
    fn the_active_strategy_is_not_adopted_again() {
        let process = blue(Adopts::BetweenQueries);
        process.on_notice(Green, 1);
        process.settle(Green);
        assert_eq!(process.before_request(), None);
    }

    #[test]
    fn some_adopt_at_once_and_some_never() {
        let eager = blue(Adopts::AtOnce);
        eager.opened();
        assert_eq!(eager.on_notice(Green, 1), (true, Some(ADOPTION)));
        let frozen = blue(Adopts::Never);
        assert_eq!(frozen.on_notice(Green, 1), (false, None));
        assert_eq!(frozen.on_login_notice(Green, 1), None);
        assert_eq!(frozen.before_request(), None);
    }

    #[test]
    fn a_456_starts_from_nothing() {
        let process = blue(Adopts::BetweenQueries);
        process.on_notice(Green, 1);
        process.forget();
        assert_eq!((process.active(), process.before_request()), (None, None));
    }
}
