//! One switch for several instances: what they agree on is in etcd. Nothing here judges a request.
//!
//! | module | knows |
//! | --- | --- |
//! | `keys` | the names of keys, and which values they may have |
//! | `board` | the truth and the live instances, as they were at one revision |
//! | `store`, `truth`, `lease` | what is asked of etcd: reads, transitions, an instance's own key |
//! | `copy`, `watch` | the queries on record, and how a copy of them keeps up |
//! | `record` | puts, deletions and look-ups of queries, many at once |
//!
//! | limit | value |
//! | --- | --- |
//! | live instances | [`MAX_INSTANCES`] |
//! | bytes of a status, or of the truth | [`MAX_VALUE`] |

mod board;
mod keys;
mod lease;
mod store;
mod truth;

#[cfg(test)]
mod tests;

pub use self::{
    board::{Board, Difference, Kept, MAX_INSTANCES, MAX_VALUE},
    keys::{BadKey, BadPrefix, FORMAT, LONGEST_PREFIX, Name, Prefix, QUERY_RANGES},
    lease::{Deadline, MIN_TTL},
    store::{Own, Store, StoreError},
    truth::Written,
};
