//! One switch for several instances: what they agree on is in etcd. Nothing here judges a request.
//!
//! | module | knows |
//! | --- | --- |
//! | `keys` | the names of keys, and which values they may have |
//! | `board` | the truth and the live instances, as they were at one revision |
//! | `store`, `truth`, `lease` | what is asked of etcd: reads, transitions, an instance's own key |
//! | `copy`, `watch` | the queries on record, and how a copy of them keeps up |
//! | `record`, `look_up` | puts, deletions and look-ups of queries, many at once |
//! | `follower`, `driver`, `handle` | a switch that follows, the task that drives it, and what that can be asked |
//! | `about`, `counters`, `lookout`, `remark`, `sight` | what people see of the instances, and of etcd; no rule reads it |
//! | `switch`, `arrive` | the switch as a follower, and how it judges requests where etcd has to be asked |
//!
//! | limit | value |
//! | --- | --- |
//! | live instances | [`MAX_INSTANCES`] |
//! | orders and retractions that wait; for other instances | [`MAX_ASKS`]; [`ORDER_WITHIN`] |
//! | bytes of a status, or of the truth | [`MAX_VALUE`] |
//! | queries in a list; on record for a begin, as a multiple of `--max-queries` | [`MAX_LISTED`]; [`OVERFULL`](crate::OVERFULL) |
//! | keys deleted in a transaction by the eldest | [`MAX_DELETED`] |
//! | queries known to have left; for how long | [`MAX_LEFT`]; [`LEFT_FOR`] |
//! | puts and deletions that wait; of a transaction; transactions in flight | [`MAX_QUEUE`]; [`MAX_BATCH`]; [`MAX_COMMITS`] |
//! | look-ups that wait; of a read; reads in flight; age of an answer | [`MAX_LOOK_UPS`]; [`MAX_IDS`]; [`MAX_READS`]; [`FRESH`] |

mod about;
mod arrive;
mod board;
mod copy;
mod counters;
mod driver;
mod follower;
mod handle;
mod keys;
mod lease;
mod look_up;
mod lookout;
mod record;
mod remark;
mod sight;
mod store;
mod switch;
mod truth;
mod watch;

#[cfg(test)]
mod tests;

pub use self::{
    about::About,
    arrive::{Arrived, Rejected, Unsure},
    board::{Board, Difference, Kept, MAX_INSTANCES, MAX_VALUE},
    copy::{Known, LEFT_FOR, MAX_LEFT, RecordChange, RecordCopy},
    counters::{Counters, EtcdOp, LookUpReason, ResyncReason, Samples},
    driver::housekeeping::MAX_DELETED,
    follower::Follower,
    handle::{Handle, MAX_ASKS, ORDER_WITHIN, OrderError, Task, TimerOrder, TransitionOrder},
    keys::{BadKey, BadPrefix, FORMAT, LONGEST_PREFIX, Name, Prefix},
    lease::{Deadline, MIN_TTL},
    look_up::{FRESH, LookUp, Looked, MAX_IDS, MAX_LOOK_UPS, MAX_READS, Reader},
    record::{MAX_BATCH, MAX_COMMITS, MAX_QUEUE, Recorded, Recorder},
    remark::{Remark, Weight},
    sight::{Instance, InstanceState, Instances},
    store::{Own, Store, StoreError},
    truth::Written,
    watch::{Feed, MAX_LISTED, News},
};
