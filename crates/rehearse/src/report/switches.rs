//! Reports on switches: adoptions, and the longest time without a completed query.

use std::collections::BTreeMap;

use protocol::Strategy;
use serde::Serialize;

use super::LatencySummary;
use crate::{
    record::{Adopted, Ending, Records, Run},
    timeline::{Kind, Timeline},
};

/// Without the server's events, a switch ends this long after its last adoption.
const SETTLED: u64 = 1_000_000;

/// One switch, complete or not.
#[derive(Clone, Debug, Serialize)]
pub struct SwitchReport {
    /// The target strategy.
    pub to: Strategy,
    /// When it was announced: by the server's events, or at the first notice.
    pub announced: u64,
    /// When new queries were rejected under the old strategy.
    pub cut_over: Option<u64>,
    /// When it ended, and how.
    pub over: Option<(u64, &'static str)>,
    /// Adoptions by client processes.
    pub adoptions: Vec<Adoption>,
    /// Times from announcement to adoption.
    pub adopted_after: LatencySummary,
    /// The longest time without a completed query during the switch.
    pub longest_gap: u64,
    /// The end of the measured period.
    #[serde(skip)]
    until: u64,
}

/// A client process adopted a strategy.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Adoption {
    /// The number of the process.
    pub process: u32,
    /// From the announcement to the first notice.
    pub told_after: u64,
    /// From the announcement to the adoption.
    pub adopted_after: u64,
}

impl SwitchReport {
    fn new(to: Strategy, announced: u64) -> Self {
        Self {
            to,
            announced,
            cut_over: None,
            over: None,
            adoptions: Vec::new(),
            adopted_after: LatencySummary::default(),
            longest_gap: 0,
            until: u64::MAX,
        }
    }

    /// Returns whether the switch was in progress at this time.
    pub(super) fn lasts(&self, time: u64) -> bool {
        (self.announced..self.until).contains(&time)
    }
}

/// All switches, in order.
pub(super) fn reports(records: &Records, timeline: Option<&Timeline>, took: u64) -> Vec<SwitchReport> {
    let mut switches = match timeline {
        Some(timeline) => from_timeline(timeline),
        None => from_adoptions(&records.adoptions),
    };
    let starts: Vec<u64> = switches.iter().map(|switch| switch.announced).collect();
    for (at, switch) in switches.iter_mut().enumerate() {
        let next = starts.get(at + 1).copied().unwrap_or(u64::MAX);
        let mut adoptions: BTreeMap<u32, Adoption> = BTreeMap::new();
        for adopted in &records.adoptions {
            if adopted.to == switch.to && (switch.announced..next).contains(&adopted.at) {
                adoptions.entry(adopted.process).or_insert(Adoption {
                    process: adopted.process,
                    told_after: adopted.told.saturating_sub(switch.announced),
                    adopted_after: adopted.at - switch.announced,
                });
            }
        }
        switch.adoptions = adoptions.into_values().collect();
        let times: Vec<u64> = switch.adoptions.iter().map(|adoption| adoption.adopted_after).collect();
        let settled = switch.announced + times.iter().max().copied().unwrap_or_default() + SETTLED;
        switch.adopted_after = LatencySummary::of(times);
        switch.until = switch.over.map_or(settled, |(over, _)| over).min(next).min(took);
        switch.longest_gap = longest_gap(&records.runs, switch.announced, switch.until);
    }
    switches
}

/// Switches by the server's events.
fn from_timeline(timeline: &Timeline) -> Vec<SwitchReport> {
    let mut switches: Vec<SwitchReport> = Vec::new();
    for transition in &timeline.transitions {
        let last = switches.last_mut();
        match (transition.kind, last) {
            (Kind::Announced, last) => {
                if let Some(last) = last.filter(|last| last.over.is_none()) {
                    last.over = Some((transition.at, "rolled back"));
                }
                switches.extend(transition.to.map(|to| SwitchReport::new(to, transition.at)));
            }
            (Kind::CutOver, Some(last)) => {
                last.cut_over = Some(transition.at);
                // A strict switch has no drain.
                last.over = timeline.is_strict.then_some((transition.at, "strict"));
            }
            (Kind::Aborted, Some(last)) => last.over = Some((transition.at, "aborted")),
            (Kind::Drained, Some(last)) => _ = last.over.get_or_insert((transition.at, "drained")),
            (Kind::DrainTimedOut, Some(last)) => {
                last.over.get_or_insert((transition.at, "drain timed out"));
            }
            (_, None) => {}
        }
    }
    switches
}

/// Switches as clients see them: the first notice counts as the announcement.
fn from_adoptions(adoptions: &[Adopted]) -> Vec<SwitchReport> {
    let mut told: Vec<(u64, Strategy)> = adoptions
        .iter()
        .filter(|adopted| adopted.from.is_some())
        .map(|adopted| (adopted.told, adopted.to))
        .collect();
    told.sort_by_key(|(at, _)| *at);
    let mut switches: Vec<SwitchReport> = Vec::new();
    for (at, to) in told {
        if switches.last().is_none_or(|last| last.to != to) {
            switches.push(SwitchReport::new(to, at));
        }
    }
    switches
}

/// The longest time without a completed query between two times. A gap that reaches beyond them counts fully.
pub(super) fn longest_gap(runs: &[Run], from: u64, to: u64) -> u64 {
    let completed = runs.iter().filter(|run| run.end == Ending::Completed).map(|run| run.ended);
    let mut ends: Vec<u64> = completed.collect();
    ends.sort_unstable();
    let first = ends.partition_point(|end| *end < from).saturating_sub(1);
    let last = (ends.partition_point(|end| *end <= to) + 1).min(ends.len());
    let ends = ends.get(first..last).unwrap_or_default();
    ends.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}
