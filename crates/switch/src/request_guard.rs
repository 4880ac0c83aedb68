//! An admitted request, until it is answered or given up.

use futures::{
    FutureExt,
    future::{BoxFuture, OptionFuture},
};
use protocol::{CallKind, Strategy};
use tokio::time::Instant;

use super::{
    Left, Shared, Switch,
    etcd::{Handle, MAX_QUEUE, Own, Recorded},
    phase::Admission,
    phase_name::PhaseName,
    queries::Query,
    state::LONGEST_ID,
};

/// The announcement that a response carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notice {
    /// The strategy that the switch is headed for.
    pub strategy: Strategy,
    /// The epoch of the announcement: one number per announcement.
    pub announcement: u64,
}

/// The effect of a completed call on the record of queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// A query was added to the record.
    Begun,
    /// A query was removed from the record.
    Ended,
}

/// Counts an admitted request. If it is dropped before [`RequestGuard::answered`], the response counts as
/// not delivered.
#[derive(Debug)]
pub struct RequestGuard {
    switch: Switch,
    admission: Admission,
    kind: CallKind,
    /// The id of the query in the request, or in the response of a begin.
    query: Option<Box<str>>,
    /// Tells whether the engine is abandoned, for a call that must not wait then.
    left: Option<Left>,
    /// The query of this begin is on record already.
    is_recorded: bool,
    is_finished: bool,
    /// With other instances: the request is counted with its query.
    is_on_table: bool,
    /// With other instances, of a request that was judged under the lock. Apart, so that guards stay small.
    judged: Option<Box<JudgedBy>>,
}

/// What a request was judged by, where there are other instances.
#[derive(Clone, Copy, Debug)]
struct JudgedBy {
    /// The incarnation of this instance at the arrival.
    own: Option<Own>,
    /// The query, where it was looked up.
    found: Option<Query>,
}

impl RequestGuard {
    pub(super) fn new(
        switch: Switch,
        admission: Admission,
        kind: CallKind,
        query: Option<&str>,
        left: Option<Left>,
    ) -> Self {
        let query = query.map(Box::from);
        Self {
            switch,
            admission,
            kind,
            query,
            left,
            is_recorded: false,
            is_finished: false,
            is_on_table: false,
            judged: None,
        }
    }

    /// The strategy that the request was admitted under.
    pub fn strategy(&self) -> Strategy {
        self.admission.strategy
    }

    /// Tells whether the engine is abandoned, for a call that logs in or begins a query: it must not wait then.
    pub fn left(&self) -> Option<&Left> {
        self.left.as_ref()
    }

    /// The notice for a response that is sent now.
    pub fn notice(&self) -> Option<Notice> {
        let Shared { heading, store, .. } = &*self.switch.shared;
        let (strategy, announcement) = heading.told()?;
        if store.get().is_some_and(Handle::is_cut_off) {
            return None;
        }
        (strategy != self.admission.strategy).then_some(Notice { strategy, announcement })
    }

    /// Adds the query that the response of a begin names to the record.
    pub fn begun(&mut self, id: &str) {
        let queries = &self.switch.shared.queries;
        if self.kind == CallKind::Begin
            && !self.is_recorded
            && !id.is_empty()
            && let Some(query) = self.counted()
        {
            self.is_recorded = self.switch.change(|state, now| state.record(queries, id, query, now));
            self.query = Some(id.into());
        }
    }

    /// Reports that the response was delivered to its end.
    pub fn answered(mut self, with_success: bool) -> Effect {
        self.finish(with_success)
    }

    /// The query that is counted for the request.
    fn counted(&self) -> Option<Query> {
        let Admission { strategy, birth, .. } = self.admission;
        Some(Query { strategy, birth: birth? })
    }

    fn finish(&mut self, with_success: bool) -> Effect {
        if std::mem::replace(&mut self.is_finished, true) {
            return Effect::Nothing;
        }
        if let Some(store) = self.switch.shared.store.get() {
            return self.finish_shared(store, with_success);
        }
        let queries = &self.switch.shared.queries;
        let (admission, counted, is_recorded) = (self.admission, self.counted(), self.is_recorded);
        let id = self.query.take();
        let is_end = self.kind == CallKind::End && with_success;
        let adopts = with_success && admission.adopts.is_some();
        if counted.is_none() && !is_end && !adopts {
            if let Some(id) = &id {
                queries.leave(id, Instant::now().into_std());
            }
            if self.switch.leave(admission.strategy) {
                return Effect::Nothing;
            }
        }
        self.switch.change(|state, now| {
            // Once on record, a query is counted there and no longer with its request.
            let mut keeps_query = is_recorded;
            let mut effect = if is_recorded && with_success { Effect::Begun } else { Effect::Nothing };
            match (self.kind, id.as_deref(), counted, with_success) {
                (CallKind::Begin, Some(id), _, false) if is_recorded => {
                    if let Some(query) = queries.remove(id) {
                        state.machine.forget(query.strategy, query.birth, now);
                    }
                }
                (CallKind::Continue, Some(id), Some(query), true) if queries.ask(id, now).is_none() => {
                    keeps_query = state.record(queries, id, query, now);
                    effect = if keeps_query { Effect::Begun } else { Effect::Nothing };
                }
                (CallKind::End, Some(id), _, true) => {
                    if let Some(query) = queries.remove(id) {
                        state.machine.end(query.strategy, query.birth, now);
                        effect = Effect::Ended;
                    }
                }
                _ => {}
            }
            state.machine.finish(admission, keeps_query, with_success, now);
            effect
        })
    }
}

/// With other instances.
impl RequestGuard {
    /// The same guard, of a request that is counted with its query.
    pub(super) fn on_table(mut self) -> Self {
        self.is_on_table = true;
        self
    }

    /// The same guard, of a request that came in this incarnation, about a query that was looked up if one is `found`.
    pub(super) fn judged_by(mut self, own: Option<Own>, found: Option<Query>) -> Self {
        self.judged = Some(Box::new(JudgedBy { own, found }));
        self
    }

    fn own(&self) -> Option<Own> {
        self.judged.as_ref()?.own
    }

    /// Whether other instances share the switch, so that [`record`](Self::record) may have to wait.
    pub fn is_shared(&self) -> bool {
        self.switch.shared.store.get().is_some()
    }

    /// Puts the query that the response of a begin names on record. The response may be sent once this resolves; if
    /// it fails the query is not on record, and the error says why. `None` where nothing has to be awaited.
    pub fn record(&mut self, id: &str) -> Option<BoxFuture<'static, Result<(), String>>> {
        let Some(store) = self.switch.shared.store.get() else {
            self.begun(id);
            return None;
        };
        if self.kind != CallKind::Begin || self.is_recorded || !(1..=LONGEST_ID).contains(&id.len()) {
            return None;
        }
        let query = self.counted()?;
        let limit = store.limit();
        let (lost, put) = (store.lost(), self.own().map(|own| store.put(own, id, query)));
        (self.is_recorded, self.query) = (true, Some(id.into()));
        let waits = store.counters().wait();
        let recorded = async move {
            let _waits = waits;
            match OptionFuture::from(put).await.unwrap_or(Recorded::CutOff) {
                Recorded::Done => Ok(()),
                Recorded::CutOff => Err(lost),
                Recorded::Failed(why) => Err(why),
                Recorded::Busy => {
                    Err(format!("too many queries wait for etcd: expected at most {MAX_QUEUE}"))
                }
                Recorded::Full => Err(format!("too many queries on record: expected less than {limit}")),
            }
        };
        Some(recorded.boxed())
    }

    fn finish_shared(&self, store: &Handle, with_success: bool) -> Effect {
        let (admission, id) = (self.admission, self.query.as_deref());
        let is_end = self.kind == CallKind::End && with_success;
        let adopts = with_success && admission.adopts.is_some();
        let now = Instant::now().into_std();
        if let Some(id) = id.filter(|_| self.is_on_table) {
            store.put_again_if_due(Some(id), self.switch.shared.queries.leave(id, now));
        }
        if self.counted().is_none() && !is_end && !adopts && self.switch.leave(admission.strategy) {
            return Effect::Nothing;
        }
        let mut ended = None;
        let effect = match (self.kind, id, with_success) {
            (CallKind::Begin, Some(id), false) if self.is_recorded => {
                store.end(id, None, now);
                Effect::Nothing
            }
            (CallKind::Begin, Some(_), true) if self.is_recorded => Effect::Begun,
            (CallKind::Continue, Some(id), true) => match self.counted().zip(self.own()) {
                Some((query, own)) if store.put_back(own, id, query) => Effect::Begun,
                _ => Effect::Nothing,
            },
            (CallKind::End, Some(id), true) => {
                ended = store.end(id, self.judged.as_ref().and_then(|judged| judged.found), now);
                if ended.is_some() { Effect::Ended } else { Effect::Nothing }
            }
            _ => Effect::Nothing,
        };
        // Whoever is cut off has told its client nothing.
        let has_told = !store.is_cut_off();
        let is_stable = self.switch.change(|state, now| {
            if let Some(query) = ended.filter(|_| has_told) {
                state.machine.ended(query.strategy, now);
            }
            state.machine.finish(admission, false, with_success, now);
            state.machine.course().phase == PhaseName::Stable
        });
        if !is_stable {
            store.changed();
        }
        effect
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.finish(false);
    }
}
