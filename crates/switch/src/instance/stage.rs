//! The stages of a heading. No instance announces a strategy before all live instances let it in, and none rejects the
//! other one before all of them tell clients where to go instead.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::InstanceStatus;
use crate::{course::Course, phase_name::PhaseName};

/// How far an instance is with the present heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It lets in all calls of both strategies and tells clients nothing.
    Open,
    /// It lets in all calls of both strategies and tells clients the heading.
    Telling,
    /// It lets in the calls that the phase lets in and tells clients the heading.
    Closing,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "open",
            Self::Telling => "telling",
            Self::Closing => "closing",
        })
    }
}

impl Stage {
    /// The first stage of an instance that joins.
    pub fn join(course: &Course) -> Self {
        match course.phase {
            // The others have passed all stages already.
            PhaseName::Stable => Self::Closing,
            PhaseName::Announced | PhaseName::Draining => Self::Open,
        }
    }

    /// The stage of an instance that follows `course`, from its stage with `before`.
    pub fn follow(self, before: &Course, course: &Course) -> Self {
        let is_same = course.heading == before.heading;
        match course.phase {
            PhaseName::Stable => Self::Closing,
            // A cutover keeps the heading, which all tell already.
            PhaseName::Draining if is_same && self >= Self::Telling => Self::Closing,
            // A new heading: stop telling the old one and let everything in.
            PhaseName::Announced | PhaseName::Draining => Self::Open,
        }
    }

    /// The next stage, if the live instances allow it. `live`: all of them as the store holds them at one moment, this one
    /// included. So an instance publishes each stage before it enters the next one, and an instance that joins in between
    /// sees it.
    pub fn advance(self, course: &Course, live: &[InstanceStatus]) -> Self {
        match self {
            // If one tells, all that were live then had followed, and later ones follow before they let anything in.
            Self::Open
                if live.iter().all(|instance| instance.has_followed(course))
                    || live.iter().any(|instance| instance.tells(course)) =>
            {
                Self::Telling
            }
            Self::Telling
                if course.phase != PhaseName::Announced
                    && live.iter().all(|instance| instance.tells(course)) =>
            {
                Self::Closing
            }
            stage => stage,
        }
    }
}
