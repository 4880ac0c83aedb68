//! The timeline as an SVG drawing: a lane per client, with its queries as bars in the colour of their strategy.

use std::fmt::{self, Write as _};

use protocol::Strategy;
use switch::PhaseName;

use super::{Ending, Report, Run};
use crate::{history::spans::Spans, timeline::Kind};

const GUTTER: f64 = 84.0;
const HEAD: f64 = 34.0;
/// Bars of one strategy that are closer than this, in pixels, are drawn as one.
const NEAR: f64 = 0.6;
/// The most marks; more could not be told apart.
const MOST_MARKS: usize = 5_000;

/// Text escaped for HTML.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '&' => f.write_str("&amp;"),
            '"' => f.write_str("&quot;"),
            c => f.write_char(c),
        })
    }
}

/// One bar: a query, or several that overlap.
struct Bar {
    client: u32,
    class: &'static str,
    from: f64,
    to: f64,
    queries: u64,
}

struct Drawing<'a> {
    report: &'a Report,
    /// Pixels per microsecond.
    scale: f64,
    width: f64,
    lane: f64,
    height: f64,
}

/// Writes the legend and the drawing.
pub(super) fn write(report: &Report, page: &mut String) -> fmt::Result {
    page.push_str("<div class=\"key\">");
    for (class, what) in [
        ("blue", "query under blue"),
        ("green", "query under green"),
        ("none", "query without a strategy"),
        ("lost", "lost"),
        ("cut", "cut off, or left"),
        ("announced", "announced"),
        ("draining", "draining"),
    ] {
        write!(
            page,
            "<span><svg width=\"14\" height=\"12\"><rect class=\"{class}\" width=\"14\" height=\"12\"/></svg>{what}</span>"
        )?;
    }
    page.push_str(
        "<span><svg width=\"6\" height=\"12\"><line class=\"announcement\" x1=\"3\" x2=\"3\" y1=\"0\" y2=\"12\"/></svg>announcement</span>\
         <span><svg width=\"6\" height=\"12\"><line class=\"cutover\" x1=\"3\" x2=\"3\" y1=\"0\" y2=\"12\"/></svg>cutover</span>\
         <span><svg width=\"10\" height=\"12\"><path class=\"refused\" d=\"M0 2h10l-5 9z\"/></svg>456</span></div>\n",
    );
    let drawing = Drawing::new(report);
    writeln!(
        page,
        "<div class=\"scroll\"><svg width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" role=\"img\" aria-label=\"Timeline of all clients\">",
        drawing.width + GUTTER + 12.0,
        drawing.height,
    )?;
    drawing.write_ground(page)?;
    drawing.write_bars(page)?;
    drawing.write_switches(page)?;
    drawing.write_refusals(page)?;
    page.push_str("</svg></div>\n");
    Ok(())
}

#[allow(clippy::cast_precision_loss)] // Pixels are coarse.
impl<'a> Drawing<'a> {
    fn new(report: &'a Report) -> Self {
        let took = report.took.max(1) as f64;
        let width = (took / 1e6 * 24.0).clamp(1340.0, 6000.0);
        let lane = match report.clients.len() {
            0..=12 => 24.0,
            13..=32 => 15.0,
            _ => 9.0,
        };
        let height = HEAD + lane * report.clients.len() as f64 + 8.0;
        Self { report, scale: width / took, width, lane, height }
    }

    fn x(&self, time: u64) -> f64 {
        GUTTER + (time as f64 * self.scale).min(self.width)
    }

    fn y(&self, client: u32) -> f64 {
        HEAD + self.lane * f64::from(client)
    }

    /// Lanes, phases, and the scale of time.
    fn write_ground(&self, page: &mut String) -> fmt::Result {
        let labelled = if self.lane < 12.0 { 4 } else { 1 };
        for who in &self.report.clients {
            let y = self.y(who.client);
            writeln!(
                page,
                "<rect class=\"lane\" x=\"{GUTTER}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                y + 1.0,
                self.width,
                self.lane - 2.0,
            )?;
            if who.client % labelled == 0 {
                let middle = y + self.lane / 2.0 + 4.0;
                let kind = who.behaviour.name();
                writeln!(
                    page,
                    "<text x=\"{:.0}\" y=\"{middle:.1}\" text-anchor=\"end\">{} {kind}</text>",
                    GUTTER - 6.0,
                    who.client
                )?;
            }
        }
        if let Some(timeline) = &self.report.timeline {
            let spans = Spans::of(timeline).spans;
            for (at, span) in spans.iter().enumerate() {
                let class = match span.stage {
                    PhaseName::Stable => continue,
                    PhaseName::Announced => "announced",
                    PhaseName::Draining => "draining",
                };
                let to = spans.get(at + 1).map_or(self.report.took, |next| next.from);
                let (from, to) = (self.x(span.from), self.x(to));
                writeln!(
                    page,
                    "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{HEAD}\" width=\"{:.1}\" height=\"{:.1}\"/>",
                    to - from,
                    self.height - HEAD,
                )?;
            }
        }
        let step = [1, 2, 5, 10, 30, 60, 300, 600, 3600]
            .into_iter()
            .find(|step| *step as f64 * 1e6 * self.scale >= 60.0)
            .unwrap_or(36_000);
        for second in (0..=self.report.took / 1_000_000).step_by(step) {
            let x = self.x(second * 1_000_000);
            writeln!(
                page,
                "<line class=\"tick\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.0}\" y2=\"{:.0}\"/>\
                 <text x=\"{x:.1}\" y=\"12\" text-anchor=\"middle\">{second} s</text>",
                HEAD - 4.0,
                self.height,
            )?;
        }
        Ok(())
    }

    fn write_bars(&self, page: &mut String) -> fmt::Result {
        let mut runs: Vec<&Run> = self.report.runs.iter().collect();
        runs.sort_by_key(|run| (run.client, run.begun));
        let mut bars: Vec<Bar> = Vec::new();
        for run in runs {
            let (client, class) = (run.client, class(run));
            let (from, to) = (self.x(run.begun), self.x(run.ended));
            match bars.last_mut() {
                Some(bar) if bar.client == client && bar.class == class && from - bar.to < NEAR => {
                    bar.to = to;
                    bar.queries += 1;
                }
                _ => bars.push(Bar { client, class, from, to, queries: 1 }),
            }
        }
        for Bar { client, class, from, to, queries } in bars {
            writeln!(
                page,
                "<rect class=\"{class}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>client {client}: {queries} queries</title></rect>",
                self.y(client) + 2.0,
                (to - from).max(0.8),
                self.lane - 4.0,
            )?;
        }
        Ok(())
    }

    fn write_switches(&self, page: &mut String) -> fmt::Result {
        let told = self.report.timeline.iter().flat_map(|timeline| &timeline.transitions);
        let told: Vec<(u64, &str)> = told
            .filter_map(|transition| match transition.kind {
                Kind::Announced => Some((transition.at, "announcement")),
                Kind::CutOver => Some((transition.at, "cutover")),
                _ => None,
            })
            .collect();
        let seen = self.report.switches.iter().map(|switch| (switch.announced, "announcement"));
        let marks = if self.report.timeline.is_some() { told } else { seen.collect() };
        for (at, class) in marks {
            let x = self.x(at);
            writeln!(
                page,
                "<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.0}\" y2=\"{:.0}\"/>",
                HEAD - 8.0,
                self.height,
            )?;
        }
        // The strategy that each switch leads to.
        for switch in &self.report.switches {
            let x = self.x(switch.announced);
            writeln!(
                page,
                "<circle class=\"{}\" cx=\"{x:.1}\" cy=\"{:.0}\" r=\"4\"><title>to {}</title></circle>",
                switch.to,
                HEAD - 11.0,
                switch.to
            )?;
        }
        Ok(())
    }

    fn write_refusals(&self, page: &mut String) -> fmt::Result {
        for refusal in self.report.refusals.iter().take(MOST_MARKS) {
            let (x, y) = (self.x(refusal.time), self.y(refusal.client) + 1.0);
            let strategy = refusal.strategy.map_or("no strategy", Strategy::as_str);
            writeln!(
                page,
                "<path class=\"refused\" d=\"M{:.1} {y:.1}h8l-4 7z\"><title>456 to {} under {strategy}, client {}</title></path>",
                x - 4.0,
                refusal.call,
                refusal.client,
            )?;
        }
        Ok(())
    }
}

fn class(run: &Run) -> &'static str {
    match (&run.end, run.strategy) {
        (Ending::Lost(_), _) => "lost",
        (Ending::Broken(_) | Ending::Vanished, _) => "cut",
        (Ending::TurnedAway, _) | (_, None) => "none",
        (_, Some(strategy)) => strategy.as_str(),
    }
}
