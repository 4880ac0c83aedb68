//! The clients, from what passes through the gate: who they are, what they did in each switch, and a
//! verdict on each. Knows nothing of HTTP; one registry per network thread, put together when asked.

mod client_stats;
mod client_table;
mod key;
mod switch_windows;
mod verdict;
mod view;

pub(crate) use self::{
    client_stats::CallRecord,
    client_table::{ClientTable, merged, open},
    key::Directory,
    switch_windows::{End, SwitchWindows},
    view::view,
};
pub use self::{
    client_table::{KnownClient, MOST},
    key::{ClientIdentity, Key},
    verdict::Verdict,
    view::{Client, Judged, QueryCounts, Told},
};
