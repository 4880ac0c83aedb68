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
        match course.phase {
            PhaseName::Stable => Self::Closing,
            // Another heading: it falls silent, and lets all in.
            _ if course.heading != before.heading => Self::Open,
            PhaseName::Announced => self.min(Self::Telling),
            // A cutover: all tell the heading already.
            PhaseName::Draining if self == Self::Telling => Self::Closing,
            PhaseName::Draining => self,
        }
    }

    /// How far it comes beside the other live instances.
    pub fn advance(self, course: &Course, others: &[InstanceStatus]) -> Self {
        let mut stage = self;
        // Where one tells, all that were live had followed, and who joined since follows before it lets anybody in.
        let may_tell = others.iter().all(|other| other.has_followed(course))
            || others.iter().any(|other| other.tells(course));
        if stage == Self::Open && may_tell {
            stage = Self::Telling;
        }
        if stage == Self::Telling
            && course.phase != PhaseName::Announced
            && others.iter().all(|other| other.tells(course))
        {
            stage = Self::Closing;
        }
        stage
    }
}
