//! The report as text.

use std::fmt;

use protocol::Strategy;
use tonic::Code;

use super::{Failed, LatencySummary, Report, SwitchReport};
use crate::history::seconds;

/// The most failures listed; the rest is in the JSON.
const MOST_LISTED: usize = 25;
/// The most switches listed.
const MOST_SWITCHES: usize = 40;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queries = &self.queries;
        writeln!(f, "Rehearsed {} for {} with {}", self.to, seconds(self.took), self.who())?;
        writeln!(f)?;
        writeln!(f, "queries   {} run, {} completed, {} lost", queries.run, queries.completed, queries.lost)?;
        for (count, what) in [
            (queries.broken, "ended by a connection or an engine that was gone"),
            (queries.unfinished, "still running at the end"),
            (queries.retried, "restarted after a 456"),
            (queries.refused_though_told, "calls refused to clients that had been told"),
            (queries.turned_away, "refused to clients that don't follow"),
            (queries.vanished, "left by their clients on purpose"),
            (queries.unchecked, "calls beyond what the checker keeps"),
        ] {
            if count > 0 {
                writeln!(f, "          {count} {what}")?;
            }
        }
        writeln!(f, "          {} rows, all as expected; {} calls", queries.rows, queries.calls)?;
        writeln!(
            f,
            "longest   {} without a completed query; {} for one query",
            seconds(self.longest_gap),
            seconds(self.longest_query)
        )?;
        writeln!(f)?;
        writeln!(f, "latency           queries      p50      p90      p99      max")?;
        for (phase, spread) in &self.latency {
            let LatencySummary { count, p50, p90, p99, max } = *spread;
            write!(f, "  {phase:<16} {count:>6}")?;
            for time in [p50, p90, p99, max] {
                write!(f, " {:>8}", short(time))?;
            }
            writeln!(f)?;
        }
        self.write_switches(f)?;
        writeln!(f)?;
        writeln!(f, "promises")?;
        for verdict in &self.promises {
            let kept = match (verdict.broken, verdict.cases) {
                (0, 0) => "not tested".to_owned(),
                (0, cases) => format!("kept in {cases} cases"),
                (broken, cases) => format!("BROKEN in {broken} of {cases} cases"),
            };
            writeln!(f, "  {:<48} {kept}", verdict.promise.words())?;
            for breach in &verdict.breaches {
                writeln!(f, "    {breach}")?;
            }
        }
        if !self.failures.is_empty() {
            writeln!(f)?;
            writeln!(f, "failures")?;
        }
        for failed in self.failures.iter().take(MOST_LISTED) {
            writeln!(f, "  {}", line(failed))?;
        }
        if self.failures.len() > MOST_LISTED {
            writeln!(f, "  … and {} more, see --json", self.failures.len() - MOST_LISTED)?;
        }
        writeln!(f)?;
        writeln!(f, "{}", self.verdict())
    }
}

impl Report {
    /// The verdict in one sentence.
    pub fn verdict(&self) -> String {
        let broken = self.promises.iter().filter(|verdict| verdict.broken > 0).count();
        let queries = &self.queries;
        match (self.is_well, broken) {
            _ if queries.completed + queries.lost == 0 => {
                "Verdict: nothing was tried: no query was completed.".to_owned()
            }
            (true, _) => "Verdict: nothing was lost.".to_owned(),
            (false, 0) if queries.lost == 0 => {
                let count = queries.broken + queries.unfinished;
                format!("Verdict: {count} queries were cut off; no promise of the switch is broken.")
            }
            (false, 0) => format!("Verdict: {} LOST; no promise of the switch is seen broken.", queries.lost),
            (false, broken) => {
                let (lost, all) = (queries.lost, self.promises.len());
                format!("Verdict: {lost} LOST; {broken} of {all} promises of the switch BROKEN.")
            }
        }
    }

    /// Describes the clients.
    pub(super) fn who(&self) -> String {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        for who in self.clients.chunk_by(|one, next| one.process == next.process).filter_map(<[_]>::first) {
            let name = who.behaviour.name();
            match kinds.iter_mut().find(|(kind, _)| *kind == name) {
                Some((_, count)) => *count += 1,
                None => kinds.push((name, 1)),
            }
        }
        let kinds: Vec<String> = kinds.into_iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let processes = self.processes();
        let threads = match self.clients.len() / processes.max(1) {
            0 | 1 => String::new(),
            threads => format!(" of {threads} threads each"),
        };
        format!("{processes} clients{threads} ({})", kinds.join(", "))
    }

    /// The number of client processes.
    pub(super) fn processes(&self) -> usize {
        self.clients.last().map_or(0, |last| last.process as usize + 1)
    }

    fn write_switches(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.switches.is_empty() {
            return writeln!(f, "\nswitches  none was seen");
        }
        writeln!(f)?;
        writeln!(
            f,
            "switches    announced   cut over       over   adopted by       median      max  longest gap"
        )?;
        for switch in self.switches.iter().take(MOST_SWITCHES) {
            writeln!(f, "{}", self.switch(switch))?;
        }
        if self.switches.len() > MOST_SWITCHES {
            writeln!(f, "  … and {} more, see --json", self.switches.len() - MOST_SWITCHES)?;
        }
        Ok(())
    }

    fn switch(&self, switch: &SwitchReport) -> String {
        let later = |at: u64| format!("+{}", short(at.saturating_sub(switch.announced)));
        let cut_over = switch.cut_over.map_or_else(|| "-".to_owned(), later);
        let (over, how) = switch.over.map_or(("-".to_owned(), ""), |(at, how)| (later(at), how));
        format!(
            "  to {:<6} {:>10} {:>10} {:>10}   {:>3} of {:<3}    {:>9} {:>8}     {:>8}  {}",
            switch.to,
            seconds(switch.announced),
            cut_over,
            over,
            switch.adoptions.len(),
            self.processes(),
            short(switch.adopted_after.p50),
            short(switch.adopted_after.max),
            short(switch.longest_gap),
            if how == "drained" { "" } else { how },
        )
        .trim_end()
        .to_owned()
    }
}

/// A failure with its call, strategy, status and time.
pub(super) fn line(failed: &Failed) -> String {
    let Failed { client, failure, .. } = failed;
    let client = client.map_or("schema call".to_owned(), |client| format!("client {client}"));
    let code = failure.code.map_or("wrong answer".to_owned(), |code| format!("{:?}", Code::from(code)));
    let strategy = failure.strategy.map_or("no strategy", Strategy::as_str);
    let text: String = failure.message.replace('\n', " ").chars().take(200).collect();
    format!("{} {client} {} under {strategy}: {code}: {text}", seconds(failure.time), failure.call)
}

/// Formats a time in a few characters.
#[allow(clippy::cast_precision_loss)]
pub(super) fn short(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..1_000_000 => format!("{:.1} ms", micros as f64 / 1e3),
        _ => format!("{:.2} s", micros as f64 / 1e6),
    }
}
