//! The verdict on a client for one switch: a pure function of its statistics.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{
    client_stats::SwitchStats,
    switch_windows::{End, SwitchWindow},
};

/// How a client handled a switch so far. A verdict may improve later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It used the new strategy before the switch ended, and got no 456 other than for a login.
    Followed,
    /// It got a 456 that was not for a login, and used the new strategy afterwards.
    Recovered,
    /// It got no 456 other than for a login, but did not use the new strategy before the switch ended, although it
    /// called after the cutover.
    Late,
    /// It got a 456 that was not for a login, and did not use the new strategy afterwards; or queries of it were
    /// abandoned when the drain timed out.
    LostWork,
    /// It did not call after the announcement; or it did not call after the cutover, and had not used the new
    /// strategy before.
    NotHeardFrom,
}

impl Verdict {
    /// The name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Followed => "followed",
            Self::Recovered => "recovered",
            Self::Late => "late",
            Self::LostWork => "lost_work",
            Self::NotHeardFrom => "not_heard_from",
        }
    }
}

/// The verdict, `None` while it is open, and the reason. Returns `None` for a client without anything to switch: it
/// came after the announcement, and got neither a notice nor a 456. `name` maps a label to its method.
pub(crate) fn judge(
    window: &SwitchWindow,
    switch_stats: &SwitchStats,
    first_heard: Instant,
    name: impl Fn(usize) -> String,
) -> Option<(Option<Verdict>, String)> {
    let &SwitchWindow { from, to, announced, .. } = window;
    let is_untouched =
        switch_stats.told.is_none() && switch_stats.refused_work == 0 && switch_stats.abandoned == 0;
    if first_heard >= announced && is_untouched {
        return None;
    }
    let since = |at: Instant| seconds(at.saturating_duration_since(announced));
    let told = switch_stats
        .told
        .map(|(at, label)| format!("told by {} {} after the announcement", name(label), since(at)));
    let told = told.as_deref();
    if switch_stats.abandoned > 0 {
        let queries = if switch_stats.abandoned == 1 { "query was" } else { "queries were" };
        let why = format!("{} {queries} left when the drain of {from} timed out", switch_stats.abandoned);
        return Some((Some(Verdict::LostWork), why));
    }
    if let Some((refused, label)) = switch_stats.last_refused {
        let what = format!("456 to {} {} after the announcement", name(label), since(refused));
        return Some(if switch_stats.came_back() {
            (Some(Verdict::Recovered), format!("{what}, used {to} after it"))
        } else {
            (Some(Verdict::LostWork), format!("{what}, has not used {to} after it"))
        });
    }
    let Some(heard) = switch_stats.heard.max(switch_stats.told.map(|(at, _)| at)) else {
        return Some((Some(Verdict::NotHeardFrom), "no call since the announcement".to_owned()));
    };
    let after = |end: Option<Instant>, at: Instant| end.is_some_and(|end| at > end);
    let over = window.over.map(|(at, _)| at);
    match (switch_stats.used, window.over) {
        (Some((used, _)), _) if after(over, used) => {
            let late = seconds(used.saturating_duration_since(over.unwrap_or(used)));
            Some((Some(Verdict::Late), format!("first used {to} {late} after the switch was over")))
        }
        (Some((used, _)), _) => Some((Some(Verdict::Followed), {
            match (told, switch_stats.told) {
                (Some(told), Some((at, _))) if at <= used => {
                    format!("{told}, used {to} {} later", seconds(used - at))
                }
                (Some(told), _) => format!("{told}, used {to} before that"),
                (None, _) => format!("used {to} {} after the announcement, without being told", since(used)),
            }
        })),
        (None, None) => Some((None, format!("{}, has not used {to} yet", told.unwrap_or("not told so far")))),
        (None, Some((_, End::Aborted))) => {
            Some((None, format!("the announcement was withdrawn before it used {to}")))
        }
        (None, Some((_, End::RolledBack))) => {
            Some((None, format!("the switch was rolled back before it used {to}")))
        }
        (None, Some((_, End::Completed | End::TimedOut))) => {
            let told = told.unwrap_or("never told");
            Some(if after(window.cut_over, heard) {
                (Some(Verdict::Late), format!("{told}, has not used {to}"))
            } else {
                (Some(Verdict::NotHeardFrom), format!("{told}, no call since the cutover"))
            })
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
