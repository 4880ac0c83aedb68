//! Answers calls from a recording, in place of an engine. Sessions and queries get ids of their own, so that any number of
//! clients can replay the same recording at once. A call is matched by its method and its message without ids.
//!
//! ```no_run
//! # extern crate protocol as teal_protocol;
//! use std::path::Path;
//!
//! use teal_protocol::Protocol;
//! use teal_replay::Replay;
//!
//! let replay = Replay::load(Path::new("calls.binlog"), Protocol::default().roles(), 1.0)?;
//! println!("{} calls", replay.calls());
//! let service = replay.service(None);
//! # Ok::<_, teal_replay::LoadError>(())
//! ```

mod answers;
mod load;
mod nearest;
mod request;
mod response;
mod service;
mod state;

#[cfg(test)]
mod tests;

use std::{path::Path, sync::Arc};

use protocol::Roles;

use self::{answers::Answers, state::State};
pub use self::{
    load::LoadError,
    service::{Fallback, ReplayService},
};

/// A recording that can be replayed. Clones share what clients have been given.
#[derive(Clone, Debug)]
pub struct Replay {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    roles: Roles,
    answers: Answers,
    state: State,
    /// How many times as fast as recorded answers come; 0 is at once.
    speed: f64,
}

impl Replay {
    /// Reads a recording, with the full files before it. Answers come `speed` times as fast as recorded, or at once if
    /// that is 0. Blocks.
    pub fn load(path: &Path, roles: &Roles, speed: f64) -> Result<Self, LoadError> {
        let answers = load::load(path, roles)?;
        let shared = Shared { roles: roles.clone(), answers, state: State::default(), speed };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The number of calls that can be answered.
    pub fn calls(&self) -> usize {
        self.shared.answers.calls()
    }

    /// A service that answers. Calls that were not recorded go to `fallback`, or get NOT_FOUND.
    pub fn service(&self, fallback: Option<Fallback>) -> ReplayService {
        ReplayService::new(self.shared.clone(), fallback)
    }
}
