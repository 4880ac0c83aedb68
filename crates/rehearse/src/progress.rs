//! The progress of a rehearsal: a bar on a terminal, lines in the log elsewhere.

use std::{collections::VecDeque, fmt::Write as _, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use protocol::Strategy;
use switch::PhaseName;
use tokio::time::{Instant, sleep};
use tracing::info;

use super::{
    plan::Plan,
    process::Process,
    record::Recorder,
    timeline::{Seen, TimelineWatcher},
};

const REDRAW: Duration = Duration::from_millis(250);
/// The interval between lines in the log.
const LINE: Duration = Duration::from_secs(10);
/// Queries per second are averaged over this many redraws.
const WINDOW: usize = 8;

/// The progress bar, if there is one.
#[derive(Debug)]
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    begun: Instant,
    processes: Vec<Arc<Process>>,
}

impl Progress {
    pub(super) fn new(plan: &Plan, processes: Vec<Arc<Process>>) -> Self {
        let bar = plan.has_bar.then(|| {
            let bar = ProgressBar::new(u64::try_from(plan.duration.as_millis()).unwrap_or(u64::MAX));
            let style = ProgressStyle::with_template("{elapsed:>4} {bar:8} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar, begun: Instant::now(), processes }
    }

    /// Shows progress until it is dropped.
    pub(super) async fn tell(&self, recorder: &Recorder, watch: Option<&TimelineWatcher>) {
        let (every, window) = if self.bar.is_some() { (REDRAW, WINDOW) } else { (LINE, 1) };
        let mut before = VecDeque::from([(self.begun, 0)]);
        loop {
            sleep(every).await;
            let (now, (completed, failed)) = (Instant::now(), recorder.counts());
            before.push_back((now, completed));
            let (since, then) = before[0];
            if before.len() > window {
                before.pop_front();
            }
            #[allow(clippy::cast_precision_loss)] // Exact up to 2^53 queries.
            let rate = (completed - then) as f64 / (now - since).as_secs_f64();
            let colours = self.processes.iter().filter_map(|process| process.active());
            let line = line([completed, failed], rate, colours, watch.and_then(TimelineWatcher::last));
            match &self.bar {
                Some(bar) => {
                    let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                    bar.set_message(line);
                    bar.set_position(elapsed.min(bar.length().unwrap_or(elapsed)));
                }
                None => info!("{line}"),
            }
        }
    }

    pub(super) fn finish(&self) {
        self.bar.iter().for_each(ProgressBar::finish_and_clear);
    }
}

/// Queries, failures, the server's phase, and the number of clients per strategy. A narrow terminal cuts off the end.
fn line(
    [completed, failed]: [u64; 2],
    rate: f64,
    colours: impl Iterator<Item = Strategy>,
    seen: Option<Seen>,
) -> String {
    let mut line = format!("{completed} queries, {rate:.0}/s, {failed} failed");
    if let Some(Seen { stage, active, .. }) = seen {
        let phase = match stage {
            PhaseName::Stable => format!("STABLE({active})"),
            PhaseName::Announced => format!("ANNOUNCED({active}->{})", active.other()),
            PhaseName::Draining => format!("DRAINING({active})"),
        };
        // Writing to a string doesn't fail.
        let _ = write!(line, ", {phase}");
    }
    let mut clients = [0_u32; 2];
    colours.for_each(|strategy| clients[strategy.index()] += 1);
    for strategy in Strategy::ALL {
        if clients[strategy.index()] > 0 {
            let _ = write!(line, ", {} on {strategy}", clients[strategy.index()]);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use Strategy::{Blue, Green};

    #[test]
    fn progress_shows_queries_failures_strategies_and_phase() {
        let seen = Seen { at: 0, stage: PhaseName::Announced, active: Blue, epoch: 1, ends_by: None };
        let colours = [Blue, Green, Blue].into_iter();
        assert_eq!(
            line([120, 3], 11.6, colours, Some(seen)),
            "120 queries, 12/s, 3 failed, ANNOUNCED(blue->green), 2 on blue, 1 on green"
        );
        assert_eq!(line([0, 0], 0.0, [].into_iter(), None), "0 queries, 0/s, 0 failed");
    }
}
