//! The clients, from what passes through the gate: who they are, what they did in each switch, and a
//! verdict on each. Knows nothing of HTTP; one registry per network thread, put together when asked.

mod facts;
mod key;
mod known;
mod turns;
mod verdict;
mod view;

pub(crate) use self::{
    facts::Visit,
    key::Directory,
    known::{Clients, merged, open},
    turns::{End, Turns},
    view::view,
};
pub use self::{
    key::{Key, Who},
    known::{Known, MOST},
    verdict::Verdict,
    view::{Client, Judged, QueryCounts, Told},
};
