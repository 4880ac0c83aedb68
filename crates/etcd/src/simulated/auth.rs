//! Users, what they may read and write, and the tokens that members know.

use std::collections::BTreeMap;

use tonic::{Status, metadata::MetadataMap};

use super::refusals;
use crate::{Keys, User};

/// A user of a simulated etcd.
#[derive(Clone, Debug)]
pub struct SimulatedUser {
    /// The name and the password.
    pub user: User,
    /// The keys this user may read and write.
    pub keys: Keys,
}

pub(super) struct Users {
    users: Vec<SimulatedUser>,
    issued: u64,
}

/// The tokens a member knows, each with its user's name.
pub(super) type Tokens = BTreeMap<String, String>;

impl Users {
    pub(super) fn new(users: Vec<SimulatedUser>) -> Self {
        Self { users, issued: 0 }
    }

    /// A new token for a user who knows the password.
    pub(super) fn log_in(&mut self, name: &str, password: &str) -> Result<String, Status> {
        let knows = |user: &&SimulatedUser| user.user.name == name && user.user.password == password;
        self.users.iter().find(knows).ok_or_else(refusals::wrong_password)?;
        self.issued += 1;
        Ok(format!("{name}.{}", self.issued))
    }

    /// Whether a request with this metadata may touch all these keys.
    pub(super) fn check(&self, tokens: &Tokens, metadata: &MetadataMap, keys: &[Keys]) -> Result<(), Status> {
        let token = metadata.get("token").ok_or_else(refusals::no_user)?;
        let name =
            token.to_str().ok().and_then(|token| tokens.get(token)).ok_or_else(refusals::invalid_token)?;
        let user =
            self.users.iter().find(|user| user.user.name == *name).ok_or_else(refusals::invalid_token)?;
        match keys.iter().all(|asked| covers(&user.keys, asked)) {
            true => Ok(()),
            false => Err(refusals::no_rights()),
        }
    }
}

fn covers(allowed: &Keys, asked: &Keys) -> bool {
    let ends_within = match (&*allowed.end, &*asked.end) {
        (_, b"") | (b"\0", _) => true,
        (b"", _) | (_, b"\0") => false,
        (allowed, asked) => asked <= allowed,
    };
    allowed.contains(&asked.first) && ends_within
}
