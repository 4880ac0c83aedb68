//! A bar on a terminal while a rehearsal runs.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::{Instant, sleep};

use super::{
    record::Recorder,
    story::{Stage, Watch},
};

const REDRAW: Duration = Duration::from_millis(200);

/// The bar. Where standard error is no terminal, there is none.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    begun: Instant,
}

impl Progress {
    pub(super) fn new(duration: Duration) -> Self {
        let bar = ProgressBar::new(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX));
        let style = ProgressStyle::with_template("{elapsed_precise} {bar:24} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, begun: Instant::now() }
    }

    /// Draws until it is dropped.
    #[allow(clippy::cast_precision_loss)]
    pub(super) async fn draw(&self, recorder: &Recorder, watch: Option<&Watch>) {
        let mut before = (0, Instant::now());
        let mut rate = 0.0;
        loop {
            sleep(REDRAW).await;
            let (completed, failed) = recorder.counts();
            let since = before.1.elapsed();
            if since >= Duration::from_secs(1) {
                rate = (completed - before.0) as f64 / since.as_secs_f64();
                before = (completed, Instant::now());
            }
            let phase = watch.and_then(Watch::last).map(|seen| {
                let stage = match seen.stage {
                    Stage::Stable => "STABLE",
                    Stage::Announced => "ANNOUNCED",
                    Stage::Draining => "DRAINING",
                };
                format!(" · {} {stage}", seen.active)
            });
            let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
            self.bar.set_position(elapsed.min(self.bar.length().unwrap_or(elapsed)));
            self.bar.set_message(format!(
                "{completed} queries · {rate:.0}/s · {failed} failed{}",
                phase.unwrap_or_default()
            ));
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
