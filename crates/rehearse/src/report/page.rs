//! The report as one self-contained web page.

use std::fmt::{self, Write as _};

use super::{
    LatencySummary, Report,
    chart::{self, Escaped},
    text,
};
use crate::history::seconds;

const STYLE: &str = include_str!("page.css");
/// The most failures listed.
const MOST_LISTED: usize = 200;
/// The most switches whose adoptions are listed; the rest is in the JSON.
const MOST_SWITCHES: usize = 100;

impl Report {
    /// Renders the report as HTML.
    pub fn page(&self) -> String {
        let mut page = String::new();
        // Writing to a string doesn't fail.
        let _ = self.write_page(&mut page);
        page
    }

    fn write_page(&self, page: &mut String) -> fmt::Result {
        let to = Escaped(&self.to);
        write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>Rehearsal of {to}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
             <h1>Rehearsal of {to}</h1>\n<p>{} · {} · {}</p>\n",
            self.started,
            seconds(self.took),
            Escaped(&self.who()),
        )?;
        let class = if self.is_well { "verdict" } else { "verdict bad" };
        writeln!(page, "<div class=\"{class}\">{}</div>", Escaped(&self.verdict()))?;
        self.write_tiles(page)?;
        writeln!(page, "<h2>Timeline</h2>")?;
        chart::write(self, page)?;
        self.write_promises(page)?;
        self.write_failures(page)?;
        self.write_latency(page)?;
        self.list_switches(page)?;
        page.push_str("</body>\n</html>\n");
        Ok(())
    }

    fn write_tiles(&self, page: &mut String) -> fmt::Result {
        let queries = &self.queries;
        page.push_str("<div class=\"tiles\">\n");
        for (figure, what, is_bad) in [
            (queries.completed.to_string(), "queries completed", false),
            (queries.lost.to_string(), "lost", queries.lost > 0),
            (
                (queries.broken + queries.unfinished).to_string(),
                "cut off",
                queries.broken + queries.unfinished > 0,
            ),
            (queries.retried.to_string(), "restarted after a 456", false),
            (self.refusals.len().to_string(), "456s in all", false),
            (self.switches.len().to_string(), "switches", false),
            (text::short(self.longest_gap), "longest without a completed query", false),
            (text::short(self.longest_query), "longest query", false),
        ] {
            let class = if is_bad { "tile bad" } else { "tile" };
            writeln!(page, "<div class=\"{class}\"><b>{figure}</b><span>{what}</span></div>")?;
        }
        page.push_str("</div>\n");
        Ok(())
    }

    fn list_switches(&self, page: &mut String) -> fmt::Result {
        if self.switches.is_empty() {
            return Ok(());
        }
        page.push_str(
            "<h2>Switches</h2>\n<div class=\"scroll\"><table>\n<tr><th>to</th><th>announced</th><th>cut over</th>\
             <th>over</th><th>adopted by</th><th>median</th><th>last</th><th>longest gap</th></tr>\n",
        );
        for switch in &self.switches {
            let later = |at: u64| format!("+{}", text::short(at.saturating_sub(switch.announced)));
            writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} of {}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                switch.to,
                seconds(switch.announced),
                switch.cut_over.map_or_else(|| "–".to_owned(), later),
                switch.over.map_or_else(|| "–".to_owned(), |(at, how)| format!("{how} {}", later(at))),
                switch.adoptions.len(),
                self.processes(),
                text::short(switch.adopted_after.p50),
                text::short(switch.adopted_after.max),
                text::short(switch.longest_gap),
            )?;
        }
        page.push_str("</table></div>\n");
        self.list_adoptions(page)
    }

    /// Lists the time of each client from announcement to adoption.
    fn list_adoptions(&self, page: &mut String) -> fmt::Result {
        page.push_str(
            "<details><summary>From the announcement to the adoption, by client</summary>\n\
             <div class=\"scroll\"><table>\n<tr><th>client</th>",
        );
        let switches = &self.switches[..self.switches.len().min(MOST_SWITCHES)];
        for switch in switches {
            write!(page, "<th>{} at {}</th>", switch.to, seconds(switch.announced))?;
        }
        page.push_str("</tr>\n");
        for process in 0..self.processes() {
            write!(page, "<tr><th>{process}</th>")?;
            for switch in switches {
                let adoption = switch.adoptions.iter().find(|adoption| adoption.process as usize == process);
                let time = adoption.map_or_else(|| "–".to_owned(), |found| text::short(found.adopted_after));
                write!(page, "<td>{time}</td>")?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div></details>\n");
        Ok(())
    }

    fn write_latency(&self, page: &mut String) -> fmt::Result {
        page.push_str(
            "<h2>Latency of queries, by the phase that they began in</h2>\n<div class=\"scroll\"><table>\n\
             <tr><th>phase</th><th>queries</th><th>p50</th><th>p90</th><th>p99</th><th>max</th></tr>\n",
        );
        for (phase, spread) in &self.latency {
            let LatencySummary { count, p50, p90, p99, max } = *spread;
            write!(page, "<tr><td>{phase}</td><td>{count}</td>")?;
            for time in [p50, p90, p99, max] {
                write!(page, "<td>{}</td>", text::short(time))?;
            }
            page.push_str("</tr>\n");
        }
        page.push_str("</table></div>\n");
        Ok(())
    }

    fn write_promises(&self, page: &mut String) -> fmt::Result {
        page.push_str("<h2>Promises of the switch</h2>\n<div class=\"scroll\"><table>\n");
        for verdict in &self.promises {
            let (class, kept) = match (verdict.broken, verdict.cases) {
                (0, 0) => ("", "not tested".to_owned()),
                (0, cases) => ("good", format!("kept in {cases} cases")),
                (broken, cases) => ("bad", format!("broken in {broken} of {cases} cases")),
            };
            let words = Escaped(verdict.promise.words());
            writeln!(page, "<tr><td>{words}</td><td class=\"text {class}\">{kept}</td></tr>")?;
            for breach in &verdict.breaches {
                writeln!(page, "<tr><td></td><td class=\"text\">{}</td></tr>", Escaped(breach))?;
            }
        }
        page.push_str("</table></div>\n");
        Ok(())
    }

    fn write_failures(&self, page: &mut String) -> fmt::Result {
        if self.failures.is_empty() {
            return Ok(());
        }
        writeln!(page, "<h2>Failures ({})</h2>\n<div class=\"scroll\"><table>", self.failures.len())?;
        for failed in self.failures.iter().take(MOST_LISTED) {
            let class = if failed.is_broken { "" } else { "bad" };
            writeln!(page, "<tr><td class=\"text {class}\">{}</td></tr>", Escaped(&text::line(failed)))?;
        }
        page.push_str("</table></div>\n");
        Ok(())
    }
}
