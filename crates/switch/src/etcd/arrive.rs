//! How a request is judged where several instances share the switch: at once where the copy and the view are enough,
//! otherwise after etcd was asked.

use protocol::{CallKind, Strategy};

use super::{
    copy::Known,
    counters::LookUpReason,
    handle::Handle,
    look_up::{LookUp, Looked, MAX_LOOK_UPS},
};
use crate::{
    Arrival, Header, RequestGuard, Switch,
    course::lets_in_cut_off,
    instance::Stage,
    phase::{Admission, StrategyMismatch},
    phase_name::PhaseName,
    queries::Query,
};

/// The judgement of a request at its arrival.
#[derive(Debug)]
pub enum Arrived {
    /// It is let in.
    In(RequestGuard),
    /// It is not.
    Refused(StrategyMismatch),
    /// etcd has to be asked first.
    Unsure(Box<Unsure>),
}

/// A request that waits for etcd.
#[derive(Debug)]
pub struct Unsure {
    switch: Switch,
    kind: CallKind,
    header: Header,
    id: Option<Box<str>>,
    doubt: Doubt,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejected {
    /// Its strategy is not served.
    Mismatch(StrategyMismatch),
    /// Nobody can say whether it is: UNAVAILABLE, in these words.
    Unavailable(String),
}

#[derive(Debug)]
enum Doubt {
    /// Its query is not in the copy, or it is about to be refused by a view that may be old.
    NeedsReading,
    /// It is let in once the report of quiet is taken back. It is counted already.
    NeedsRetraction(RequestGuard, u64),
    /// This instance has lost etcd.
    CutOff,
}

enum Judged {
    In(RequestGuard),
    Refused(StrategyMismatch),
    Doubtful(Doubt),
}

impl Switch {
    /// Judges a request at its arrival, as [`Switch::arrive`] does; where several instances share the switch it may have to
    /// wait.
    pub fn try_arrive(&self, arrival: Arrival<'_>) -> Arrived {
        let Some(store) = self.shared.store.get() else {
            return match self.arrive(arrival) {
                Ok(pass) => Arrived::In(pass),
                Err(mismatch) => Arrived::Refused(mismatch),
            };
        };
        if let Some(pass) = self.pass_by(arrival) {
            return Arrived::In(pass);
        }
        match self.judge_shared(store, arrival, None) {
            Judged::In(pass) => Arrived::In(pass),
            Judged::Refused(mismatch) => Arrived::Refused(mismatch),
            Judged::Doubtful(doubt) => {
                let Arrival { kind, header, query } = arrival;
                let (switch, id) = (self.clone(), query.map(Box::from));
                Arrived::Unsure(Box::new(Unsure { switch, kind, header, id, doubt }))
            }
        }
    }

    fn judge_shared(&self, store: &Handle, arrival: Arrival<'_>, looked: Option<&Looked>) -> Judged {
        let own = store.own();
        self.change(|state, now| {
            let Arrival { kind, query: id, header } = arrival;
            let (course, stage) = (*state.machine.course(), state.machine.stage());
            let queries = &self.shared.queries;
            let remembers = |query: Query| course.remembers(query.strategy, query.birth);
            // One look: the copy may learn of the query at any moment.
            let known = id.map(|id| store.copy().lock().get(id, now));
            let found = looked.and_then(|looked| looked.query).filter(|_| known == Some(Known::Unknown));
            let on_record = match known {
                Some(Known::OnRecord(query)) => Some(query),
                _ => found,
            };
            let query = on_record.filter(|query| remembers(*query));
            let guard = |admission: Admission| {
                let touched = id.and_then(|id| queries.arrive(id, now, remembers));
                store.put_again_if_due(id, touched);
                let waits = self.shared.has_engines && matches!(kind, CallKind::LogIn | CallKind::Begin);
                let left = waits.then(|| state.left[admission.strategy.index()].clone());
                let guard = RequestGuard::new(self.clone(), admission, kind, id, left).judged_by(own, found);
                if touched.is_some() { guard.on_table() } else { guard }
            };
            if own.is_none() || store.is_cut_off() {
                return match query {
                    Some(query) if lets_in_cut_off(kind, true) => {
                        Judged::In(guard(state.machine.admit(kind, query.strategy, false, now)))
                    }
                    _ => Judged::Doubtful(Doubt::CutOff),
                };
            }
            if header == Header::Unknown {
                return Judged::Refused(StrategyMismatch { expected: course.active });
            }
            if known == Some(Known::Unknown) && looked.is_none() {
                store.counters().look_up(LookUpReason::Unknown);
                return Judged::Doubtful(Doubt::NeedsReading);
            }
            let named = header.named().unwrap_or(course.active);
            let strategy: Strategy = query.map_or(named, |query| query.strategy);
            // Its engine was abandoned as unhealthy, and all tell where to go instead: logins have to go there.
            let is_left = kind == CallKind::LogIn
                && strategy != course.active
                && stage == Stage::Closing
                && state.left[strategy.index()].is_left();
            if is_left || !course.lets_in(stage, kind, strategy) {
                let is_true = looked.is_some_and(|looked| looked.truth.value.course.epoch <= course.epoch);
                return match is_true {
                    true => Judged::Refused(StrategyMismatch { expected: course.active }),
                    false => {
                        store.counters().look_up(LookUpReason::Refusal);
                        Judged::Doubtful(Doubt::NeedsReading)
                    }
                };
            }
            let counts_query = kind == CallKind::Begin || kind == CallKind::Continue && query.is_none();
            let is_old = course.phase == PhaseName::Draining && strategy != course.active;
            let has_reported = is_old && state.machine.is_reported();
            let pass = guard(state.machine.admit(kind, strategy, counts_query, now));
            match has_reported {
                true => {
                    store.counters().look_up(LookUpReason::Quiet);
                    Judged::Doubtful(Doubt::NeedsRetraction(pass, course.epoch))
                }
                false => Judged::In(pass),
            }
        })
    }
}

impl Unsure {
    /// Asks etcd and judges, until there is no doubt left. It waits for as long as etcd does not answer, but no longer than
    /// this instance is live for certain.
    pub async fn judged(self) -> Result<RequestGuard, Rejected> {
        let Self { switch, kind, header, id, mut doubt } = self;
        let Some(store) = switch.shared.store.get() else {
            // Only a shared switch is ever unsure.
            return Err(Rejected::Unavailable("expected a switch that is shared".to_owned()));
        };
        let lost = || Rejected::Unavailable(store.lost());
        let _waits = store.counters().wait();
        let mut looked = None;
        loop {
            match doubt {
                Doubt::CutOff => return Err(lost()),
                Doubt::NeedsReading => {
                    let found = match store.look_up(id.as_deref()).await {
                        LookUp::Found(found) => found,
                        LookUp::CutOff => return Err(lost()),
                        LookUp::Failed(why) => return Err(Rejected::Unavailable(why)),
                        LookUp::Busy => {
                            return Err(Rejected::Unavailable(format!(
                                "too many calls wait for etcd: expected at most {MAX_LOOK_UPS}"
                            )));
                        }
                    };
                    let epoch = found.truth.value.course.epoch;
                    let is_newer = epoch > switch.lock().machine.epoch();
                    if is_newer && !store.catch_up(epoch).await {
                        return Err(lost());
                    }
                    looked = Some(found);
                }
                Doubt::NeedsRetraction(pass, epoch) => {
                    if !store.retract_quiet().await {
                        return Err(lost());
                    }
                    // Nothing could end the drain while the request was counted, once quiet was taken back.
                    if switch.lock().machine.epoch() == epoch {
                        return Ok(pass);
                    }
                }
            }
            let arrival = Arrival { kind, query: id.as_deref(), header };
            doubt = match switch.judge_shared(store, arrival, looked.as_ref()) {
                Judged::In(pass) => return Ok(pass),
                Judged::Refused(mismatch) => return Err(Rejected::Mismatch(mismatch)),
                Judged::Doubtful(doubt) => doubt,
            };
        }
    }
}
