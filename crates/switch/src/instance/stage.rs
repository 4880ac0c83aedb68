//! How far an instance is with a heading. Nothing is told before all live instances let it in, and nothing is refused
//! before all of them tell clients where to go instead.

use serde::{Deserialize, Serialize};

use super::InstanceStatus;
use crate::{course::Course, phase_name::PhaseName};

/// How far an instance is with the present heading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It lets in all of both strategies and tells nothing.
    Open,
    /// It lets in all of both strategies and tells the heading.
    Telling,
    /// It lets in what the table of phases says and tells the heading.
    Closing,
}

impl Stage {
    /// Where an instance begins that joins.
    pub fn join(course: &Course) -> Self {
        match course.phase {
            // All had come to the end of it, and whoever joins finds out by the truth.
            PhaseName::Stable => Self::Closing,
            PhaseName::Announced | PhaseName::Draining => Self::Open,
        }
    }

    /// Where an instance begins that follows `course`, and was so far with `before`.
    pub fn follow(self, before: &Course, course: &Course) -> Self {
        let is_same = course.heading == before.heading;
        match course.phase {
            PhaseName::Stable => Self::Closing,
            // A cutover: all tell the heading already.
            PhaseName::Draining if is_same && self >= Self::Telling => Self::Closing,
            // It falls silent and lets all in.
            PhaseName::Announced | PhaseName::Draining => Self::Open,
        }
    }

    /// How far it comes, as it sees all live instances in the store at one moment, itself among them. It says each stage
    /// there before it goes on: whoever joins between the two has to find out.
    pub fn advance(self, course: &Course, live: &[InstanceStatus]) -> Self {
        match self {
            // Where one tells, all that were live had followed, and who joined since follows before it lets anybody in.
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
