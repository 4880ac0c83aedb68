//! Checks each promise, from the clients' records and the server's events.

mod queries;
pub(super) mod spans;

#[cfg(test)]
mod tests;

use protocol::{CallKind, Strategy};
use serde::Serialize;
use switch::PhaseName;

use self::{queries::Queries, spans::Spans};
use super::{
    record::{Call, Outcome},
    timeline::Timeline,
};

/// The most breaches of a promise that are described.
const MOST_TOLD: usize = 20;
/// How late a phase may end, because servers have more to do than to watch clocks.
const LATE: u64 = 2_000_000;
/// How late an announcement may end: before the cutover an engine must pass a health check within 2 s, and a check
/// may be in progress when it is due.
const LATE_CUTOVER: u64 = LATE + 4_000_000;
/// The gRPC code NOT_FOUND.
const NOT_FOUND: i32 = 5;

/// A promise of the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Promise {
    /// Until a drain is over, only calls that begin a query get a 456.
    NothingLost,
    /// An announced strategy is admitted already.
    AcceptedFirst,
    /// A query sees one strategy and one engine.
    OneColour,
    /// Transitions are in order, and each request is judged by one state.
    InOrder,
    /// Every phase but STABLE ends.
    NothingSticks,
}

impl Promise {
    const ALL: [Self; 5] =
        [Self::NothingLost, Self::AcceptedFirst, Self::OneColour, Self::InOrder, Self::NothingSticks];

    /// The promise in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NothingLost => "no query is rejected before its query ended",
            Self::AcceptedFirst => "what is announced is accepted already",
            Self::OneColour => "a query sees one colour and one engine",
            Self::InOrder => "transitions in order, each request judged by one",
            Self::NothingSticks => "every phase ends",
        }
    }
}

/// The verdict on one promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The promise.
    pub promise: Promise,
    /// How often it was tested.
    pub cases: u64,
    /// How often it was broken.
    pub broken: u64,
    /// Descriptions of the first breaches.
    pub breaches: Vec<String>,
}

/// Judges a history. Without the server's timeline, only what clients can see is judged.
pub fn check(calls: &[Call], timeline: Option<&Timeline>) -> Vec<Verdict> {
    let mut checker = Checker {
        queries: Queries::of(calls),
        spans: timeline.map(Spans::of),
        is_strict: timeline.is_some_and(|timeline| timeline.is_strict),
        verdicts: Promise::ALL.map(|promise| Verdict { promise, cases: 0, broken: 0, breaches: Vec::new() }),
    };
    for call in calls {
        checker.judge(call);
    }
    checker.accepted_first(calls);
    if let Some(timeline) = timeline {
        checker.in_order(timeline);
        checker.nothing_sticks(timeline);
    }
    checker.verdicts.into()
}

struct Checker {
    queries: Queries,
    spans: Option<Spans>,
    is_strict: bool,
    verdicts: [Verdict; 5],
}

impl Checker {
    fn case(&mut self, promise: Promise) {
        self.verdicts[promise as usize].cases += 1;
    }

    fn breach(&mut self, promise: Promise, breach: impl FnOnce() -> String) {
        let verdict = &mut self.verdicts[promise as usize];
        verdict.broken += 1;
        if verdict.breaches.len() < MOST_TOLD {
            verdict.breaches.push(breach());
        }
    }

    /// Judges one call.
    fn judge(&mut self, call: &Call) {
        let is_let_in = match call.outcome {
            Outcome::Answered | Outcome::Failed { is_broken: false, .. } => true,
            Outcome::Refused => false,
            // It is unknown whether the call arrived.
            Outcome::Failed { .. } | Outcome::GivenUp => return,
        };
        let query = self.queries.with_right(call, self.spans.as_ref());
        if query.is_some() {
            self.case(Promise::NothingLost);
            if !is_let_in && !self.is_strict {
                self.breach(Promise::NothingLost, || {
                    format!("{}: rejected before its query ended", describe(call))
                });
            }
        }
        if let Some(strategy) = query {
            self.case(Promise::OneColour);
            if call.notice.is_some() && call.notice == strategy {
                self.breach(Promise::OneColour, || {
                    format!(
                        "{}: admitted under the other strategy: the response announced the query's own",
                        describe(call)
                    )
                });
            }
            if let Outcome::Failed { code: NOT_FOUND, .. } = call.outcome
                && !self.queries.was_broken(call)
            {
                self.breach(Promise::OneColour, || {
                    format!("{}: it reached the other engine, which does not know the query", describe(call))
                });
            }
        }
        match query {
            None => match self.queries.may_be_left(call) {
                Some(Some(owner)) => self.judged_by_one(call, &[call.strategy, Some(owner)], is_let_in),
                // A query of unknown strategy cannot be judged.
                Some(None) => {}
                None => self.judged_by_one(call, &[call.strategy], is_let_in),
            },
            Some(Some(strategy)) if self.is_strict => self.judged_by_one(call, &[Some(strategy)], is_let_in),
            Some(_) => {}
        }
    }

    /// Checks that some state of the switch during the call explains its outcome, under one of its possible
    /// strategies.
    fn judged_by_one(&mut self, call: &Call, strategies: &[Option<Strategy>], is_let_in: bool) {
        let Some(spans) = self.spans.as_ref().filter(|spans| spans.know(call)) else { return };
        let judges = |span: &spans::Span| {
            strategies.iter().any(|strategy| match strategy {
                Some(strategy) => span.lets_in(call.kind, *strategy, self.is_strict) == is_let_in,
                None => is_let_in,
            })
        };
        let is_judged = spans.during(call).iter().any(judges);
        let is_stable = spans.during(call).iter().any(spans::Span::is_stable);
        self.case(Promise::InOrder);
        if is_judged {
            return;
        }
        let promise = match (is_let_in, call.kind) {
            (false, CallKind::LogIn | CallKind::Begin) => return, // `accepted_first` checks that.
            (false, _) if !is_stable && !self.is_strict => Promise::NothingLost,
            _ => Promise::InOrder,
        };
        self.breach(promise, || {
            let judged = if is_let_in { "admitted" } else { "rejected" };
            format!("{}: {judged}, which no state of the switch at that time allows", describe(call))
        });
    }

    /// Checks that calls that begin something under an announced strategy are admitted, until it is no longer
    /// announced.
    fn accepted_first(&mut self, calls: &[Call]) {
        let mut notices: Vec<(Strategy, &Call)> =
            calls.iter().filter_map(|call| Some((call.notice?, call))).collect();
        notices.sort_by_key(|(_, call)| call.answered);
        for (notice, call) in &notices {
            self.headed_there(call, *notice);
        }
        let mut begins: Vec<(Strategy, &Call)> = calls
            .iter()
            .filter(|call| matches!(call.kind, CallKind::LogIn | CallKind::Begin))
            .filter_map(|call| Some((call.strategy?, call)))
            .collect();
        begins.sort_by_key(|(_, call)| call.sent);
        // The earliest announcement of each strategy, as far as clients have heard.
        let mut announced = [None::<u64>; 2];
        let mut heard = notices.iter().peekable();
        for (strategy, call) in begins {
            while let Some((notice, earlier)) = heard.next_if(|(_, earlier)| earlier.answered <= call.sent) {
                let since = &mut announced[notice.index()];
                *since = (*since).max(Some(earlier.sent));
            }
            let since = announced[strategy.index()];
            if (self.spans.is_none() && since.is_none()) || matches!(call.outcome, Outcome::GivenUp) {
                continue;
            }
            self.case(Promise::AcceptedFirst);
            if call.outcome != Outcome::Refused {
                continue;
            }
            let is_explained = match &self.spans {
                Some(spans) if !spans.know(call) => true,
                Some(spans) => {
                    spans.during(call).iter().any(|span| span.may_refuse(call.kind, strategy, self.is_strict))
                }
                // The other strategy may have been announced since.
                None => notices.iter().any(|(notice, other)| {
                    *notice != strategy && Some(other.answered) >= since && other.sent <= call.answered
                }),
            };
            if !is_explained {
                self.breach(Promise::AcceptedFirst, || {
                    format!("{}: rejected, although its strategy was announced or active", describe(call))
                });
            }
        }
    }

    /// Checks that an announced strategy was the target at some time during the call.
    fn headed_there(&mut self, call: &Call, notice: Strategy) {
        let Some(spans) = self.spans.as_ref().filter(|spans| spans.know(call)) else { return };
        let is_headed = spans.during(call).iter().any(|span| span.headed_for() == notice);
        self.case(Promise::AcceptedFirst);
        if !is_headed {
            self.breach(Promise::AcceptedFirst, || {
                format!("{}: announced {notice}, which was not pending", describe(call))
            });
        }
    }

    fn in_order(&mut self, timeline: &Timeline) {
        let Some(first) = timeline.seen.first() else { return };
        let mut before = (spans::Span::of(first), 0);
        for transition in timeline.transitions.iter().filter(|transition| transition.epoch > first.epoch) {
            self.case(Promise::InOrder);
            let (span, at) = before;
            // One of several instances may follow many transitions at once.
            if timeline.lag > 0 && transition.epoch > span.epoch + 1 && transition.at >= at {
                before = (span.forced(transition, timeline.is_strict), transition.at);
                continue;
            }
            let Some(next) = span.after(transition, timeline.is_strict) else {
                self.breach(Promise::InOrder, || {
                    format!(
                        "{}: {:?} does not follow {}",
                        seconds(transition.at),
                        transition.kind,
                        span.words()
                    )
                });
                before = (span.forced(transition, timeline.is_strict), transition.at);
                continue;
            };
            if transition.epoch != span.epoch + 1 || transition.at < at {
                self.breach(Promise::InOrder, || {
                    let (epoch, last) = (transition.epoch, span.epoch);
                    format!("{}: epoch {epoch} comes after epoch {last}", seconds(transition.at))
                });
            }
            before = (next, transition.at);
        }
        for pair in timeline.seen.windows(2) {
            if pair[1].epoch < pair[0].epoch {
                self.breach(Promise::InOrder, || format!("{}: the epoch goes back", seconds(pair[1].at)));
            }
        }
    }

    fn nothing_sticks(&mut self, timeline: &Timeline) {
        for pair in timeline.seen.windows(2) {
            let (Some(ends_by), [before, now]) = (pair[0].ends_by, [pair[0], pair[1]]) else { continue };
            self.case(Promise::NothingSticks);
            let late = if before.stage == PhaseName::Announced { LATE_CUTOVER } else { LATE };
            if before.epoch == now.epoch && now.at > ends_by + late + timeline.lag {
                self.breach(Promise::NothingSticks, || {
                    format!("{}: {:?} goes on after {}", seconds(now.at), now.stage, seconds(ends_by))
                });
            }
        }
    }
}

/// Describes a call.
fn describe(call: &Call) -> String {
    let strategy = call.strategy.map_or("no strategy", Strategy::as_str);
    let query = call.query.map(|query| format!(" of query {query}")).unwrap_or_default();
    format!("{} client {} {}{query} under {strategy}", seconds(call.answered), call.client, call.method)
}

/// Formats a time of the rehearsal.
#[allow(clippy::cast_precision_loss)]
pub(super) fn seconds(micros: u64) -> String {
    format!("{:.3} s", micros as f64 / 1e6)
}
