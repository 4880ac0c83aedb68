//! Adoption: the clients seen by the gate, what each did in each switch, and a verdict. Knows nothing of HTTP. Each
//! network thread has its own table; they are merged on request.

mod client_stats;
mod client_table;
mod key;
mod switch_windows;
mod verdict;
mod view;

pub(crate) use self::{
    client_stats::CallRecord,
    client_table::{ClientTable, merged, open},
    key::{Directory, LARGEST_KEY, abbreviated, fingerprint},
    switch_windows::{End, SwitchWindows},
    view::view,
};
pub use self::{
    client_table::{KnownClient, MOST},
    key::{ClientIdentity, Key},
    verdict::Verdict,
    view::{Client, Judged, QueryCounts, Told},
};
