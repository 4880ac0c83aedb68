//! The verdict on a client for one turn of the switch: a pure function of what it did.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::{
    facts::Part,
    turns::{End, Turn},
};

/// How a client took a switch, as of now: it may get better while the client goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It used the new strategy before the switch was over, and none of its work got a 456.
    Followed,
    /// Its work got a 456, and it used the new strategy after the last of them.
    Recovered,
    /// None of its work got a 456, but it did not use the new strategy before the switch was over,
    /// although it called after the cutover.
    Late,
    /// Its work got a 456, and it did not use the new strategy after that; or queries of it were left
    /// when the drain timed out.
    LostWork,
    /// It did not call after the announcement; or not after the cutover, without having used the new
    /// strategy.
    NotHeardFrom,
}

impl Verdict {
    /// What it is called in JSON.
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

/// The verdict, `None` while there is nothing to say, and why. Nothing at all for a client that had
/// nothing to switch: it came after the announcement and was neither told nor refused.
/// `name` gives the method of a label.
pub(crate) fn judge(
    turn: &Turn,
    part: &Part,
    first_heard: Instant,
    name: impl Fn(usize) -> String,
) -> Option<(Option<Verdict>, String)> {
    let &Turn { from, to, announced, .. } = turn;
    let is_untouched = part.told.is_none() && part.refused_work == 0 && part.abandoned == 0;
    if first_heard >= announced && is_untouched {
        return None;
    }
    let since = |at: Instant| seconds(at.saturating_duration_since(announced));
    let told =
        part.told.map(|(at, label)| format!("told by {} {} after the announcement", name(label), since(at)));
    let told = told.as_deref();
    if part.abandoned > 0 {
        let queries = if part.abandoned == 1 { "query was" } else { "queries were" };
        let why = format!("{} {queries} left when the drain of {from} timed out", part.abandoned);
        return Some((Some(Verdict::LostWork), why));
    }
    if let Some((refused, label)) = part.last_refused {
        let what = format!("456 to {} {} after the announcement", name(label), since(refused));
        return Some(if part.came_back() {
            (Some(Verdict::Recovered), format!("{what}, used {to} after it"))
        } else {
            (Some(Verdict::LostWork), format!("{what}, has not used {to} after it"))
        });
    }
    let Some(heard) = part.heard.max(part.told.map(|(at, _)| at)) else {
        return Some((Some(Verdict::NotHeardFrom), "no call since the announcement".to_owned()));
    };
    let after = |end: Option<Instant>, at: Instant| end.is_some_and(|end| at > end);
    let over = turn.over.map(|(at, _)| at);
    match (part.used, turn.over) {
        (Some((used, _)), _) if after(over, used) => {
            let late = seconds(used.saturating_duration_since(over.unwrap_or(used)));
            Some((Some(Verdict::Late), format!("first used {to} {late} after the switch was over")))
        }
        (Some((used, _)), _) => Some((Some(Verdict::Followed), {
            match (told, part.told) {
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
            Some(if after(turn.cut_over, heard) {
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
