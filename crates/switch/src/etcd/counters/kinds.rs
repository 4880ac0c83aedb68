//! The kinds of what is counted, with their names in metrics.

/// A kind of request to etcd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EtcdOp {
    /// The state and the instances are read.
    Read,
    /// All there is is read, query by query.
    List,
    /// An instance joins.
    Join,
    /// The lease is renewed.
    Renew,
    /// An instance publishes how far it is.
    Publish,
    /// A transition is tried, or the timer set.
    Propose,
    /// Queries are put and deleted.
    Record,
    /// A query, or the truth, is read for a call.
    LookUp,
    /// Queries that are over are deleted.
    Housekeep,
    /// An instance's description is written.
    About,
    /// An instance leaves.
    Leave,
}

/// Why a call has to ask etcd before it is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookUpReason {
    /// Its query is not in the copy.
    Unknown,
    /// It is about to be refused.
    Refusal,
    /// A report of quiet has to be taken back before.
    Quiet,
}

/// Why everything is listed anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResyncReason {
    /// Revisions that the watch has not seen are compacted away.
    Compacted,
    /// The watch ended for another reason, or could not begin.
    Watch,
    /// The copy was found to be another one than etcd's.
    Copy,
    /// The instance joins anew.
    Rejoin,
}

impl EtcdOp {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Read,
        Self::List,
        Self::Join,
        Self::Renew,
        Self::Publish,
        Self::Propose,
        Self::Record,
        Self::LookUp,
        Self::Housekeep,
        Self::About,
        Self::Leave,
    ];

    /// Whether each request of this kind has a put. etcd answers such a request only while it has room.
    pub(super) fn always_puts(self) -> bool {
        matches!(self, Self::Publish | Self::Propose | Self::About)
    }

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::List => "list",
            Self::Join => "join",
            Self::Renew => "renew",
            Self::Publish => "publish",
            Self::Propose => "propose",
            Self::Record => "record",
            Self::LookUp => "look_up",
            Self::Housekeep => "housekeep",
            Self::About => "about",
            Self::Leave => "leave",
        }
    }
}

impl LookUpReason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unknown, Self::Refusal, Self::Quiet];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Refusal => "refusal",
            Self::Quiet => "quiet",
        }
    }
}

impl ResyncReason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Compacted, Self::Watch, Self::Copy, Self::Rejoin];

    /// Its name in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Compacted => "compacted",
            Self::Watch => "watch",
            Self::Copy => "copy",
            Self::Rejoin => "rejoin",
        }
    }
}
