//! The recent switch windows, by which clients are judged.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use protocol::Strategy;
use switch::{Phase, Step, Transition};

use super::client_stats::SWITCHES;

/// A switch from one strategy to the other: an announcement and all that follows, or the way back after an abort.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SwitchWindow {
    /// The epoch that made `to` the target.
    pub(crate) number: u64,
    /// This is the way back after an abort.
    pub(crate) is_withdrawal: bool,
    pub(crate) from: Strategy,
    pub(crate) to: Strategy,
    pub(crate) announced: Instant,
    pub(crate) cut_over: Option<Instant>,
    pub(crate) over: Option<(Instant, End)>,
    /// When the next window began.
    pub(crate) next: Option<Instant>,
}

/// How a switch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// No query of the old strategy was left.
    Completed,
    /// The drain timed out.
    TimedOut,
    /// The announcement was withdrawn.
    Aborted,
    /// The old strategy was announced again.
    RolledBack,
}

impl End {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::TimedOut => "timed_out",
            Self::Aborted => "aborted",
            Self::RolledBack => "rolled_back",
        }
    }

    pub(crate) const ALL: [Self; 4] = [Self::Completed, Self::TimedOut, Self::Aborted, Self::RolledBack];
}

/// The recent switch windows, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct SwitchWindows {
    taken: VecDeque<SwitchWindow>,
}

impl SwitchWindows {
    /// Records a step of the switch. If it ended a switch, returns how, and how long the switch took.
    pub(crate) fn step(&mut self, step: &Step) -> Option<(End, Duration)> {
        let at = step.at;
        let is_stable = matches!(step.phase, Phase::Stable { .. });
        match step.transition {
            Transition::Announced { from, to } => {
                let ended = self.end(at, End::RolledBack);
                self.begin(step, from, to, false);
                ended
            }
            Transition::CutOver { .. } => {
                if let Some(window) = self.taken.back_mut() {
                    window.cut_over = Some(at);
                }
                if is_stable { self.end(at, End::Completed) } else { None }
            }
            Transition::Aborted { withdrawn } => {
                let ended = self.end(at, End::Aborted);
                self.begin(step, withdrawn, withdrawn.other(), true);
                if is_stable {
                    self.end(at, End::Completed);
                }
                ended
            }
            Transition::Drained { .. } => self.end(at, End::Completed),
            Transition::DrainTimedOut { .. } => self.end(at, End::TimedOut),
        }
    }

    fn begin(&mut self, step: &Step, from: Strategy, to: Strategy, is_withdrawal: bool) {
        if let Some(last) = self.taken.back_mut() {
            last.next = Some(step.at);
        }
        self.taken.push_back(SwitchWindow {
            number: step.announcement,
            is_withdrawal,
            from,
            to,
            announced: step.at,
            cut_over: is_withdrawal.then_some(step.at),
            over: None,
            next: None,
        });
        if self.taken.len() > SWITCHES {
            self.taken.pop_front();
        }
    }

    /// Ends the current window, if it is open. A withdrawal does not count as a switch.
    fn end(&mut self, at: Instant, end: End) -> Option<(End, Duration)> {
        let window = self.taken.back_mut().filter(|window| window.over.is_none())?;
        window.over = Some((at, end));
        (!window.is_withdrawal).then(|| (end, at.saturating_duration_since(window.announced)))
    }

    /// The current window.
    pub(crate) fn present(&self) -> Option<&SwitchWindow> {
        self.taken.back()
    }

    /// The windows, newest first.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = &SwitchWindow> {
        self.taken.iter().rev()
    }
}

#[cfg(test)]
mod tests {
    use Strategy::{Blue, Green};

    use super::*;
    use switch::Actor;

    /// Applies steps one second apart, and returns the switches they end.
    fn ends(steps: &[(Transition, Phase)]) -> (SwitchWindows, Vec<Option<(End, u64)>>) {
        let (mut windows, start) = (SwitchWindows::default(), Instant::now());
        let ended = steps.iter().zip(1..).map(|((transition, phase), second)| {
            let at = start + Duration::from_secs(second);
            let step = Step {
                transition: *transition,
                by: Actor::Teal,
                phase: *phase,
                announcement: second,
                at,
                abandoned: 0,
                is_own: true,
            };
            windows.step(&step).map(|(end, took)| (end, took.as_secs()))
        });
        let ended = ended.collect();
        (windows, ended)
    }

    #[test]
    fn a_switch_ends_once_and_says_how() {
        let since = Instant::now();
        let announced = |from: Strategy| {
            (Transition::Announced { from, to: from.other() }, Phase::Announced { active: from, since })
        };
        let draining = Phase::Draining { active: Green, since };
        let stable = |active| Phase::Stable { active };
        let cut_over = Transition::CutOver { from: Blue, to: Green };
        for (steps, expected) in [
            (
                vec![
                    announced(Blue),
                    (cut_over, draining),
                    (Transition::Drained { old: Blue }, stable(Green)),
                ],
                vec![None, None, Some((End::Completed, 2))],
            ),
            (
                vec![
                    announced(Blue),
                    (cut_over, draining),
                    (Transition::DrainTimedOut { old: Blue }, stable(Green)),
                    announced(Green),
                ],
                vec![None, None, Some((End::TimedOut, 2)), None],
            ),
            (vec![announced(Blue), (cut_over, stable(Green))], vec![None, Some((End::Completed, 1))]),
            (
                vec![
                    announced(Blue),
                    (Transition::Aborted { withdrawn: Green }, Phase::Draining { active: Blue, since }),
                    (Transition::Drained { old: Green }, stable(Blue)),
                ],
                vec![None, Some((End::Aborted, 1)), None],
            ),
            (
                vec![announced(Blue), (cut_over, draining), announced(Green)],
                vec![None, None, Some((End::RolledBack, 2))],
            ),
        ] {
            assert_eq!(ends(&steps).1, expected, "{steps:?}");
        }
    }

    #[test]
    fn an_abort_is_a_withdrawal() {
        let since = Instant::now();
        let (windows, _) = ends(&[
            (Transition::Announced { from: Blue, to: Green }, Phase::Announced { active: Blue, since }),
            (Transition::Aborted { withdrawn: Green }, Phase::Stable { active: Blue }),
        ]);
        let [back, there] = *windows.newest_first().collect::<Vec<_>>() else { panic!("{windows:?}") };
        assert_eq!((back.from, back.to, back.is_withdrawal, there.is_withdrawal), (Green, Blue, true, false));
        assert_eq!((there.over.unwrap().1, back.over.unwrap().1), (End::Aborted, End::Completed));
        assert_eq!(there.next, Some(back.announced));
    }
}
