//! The bytes that a stream holds, as they are charged to its client.

/// The bytes that a stream holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) bytes: usize,
    /// Of these, the ones that do not count for the client's share.
    pub(crate) made: usize,
}

impl Held {
    /// The bytes that count for the client's share.
    pub(crate) fn share(self) -> usize {
        self.bytes - self.made
    }

    pub(crate) fn add(&mut self, more: Self) {
        self.bytes += more.bytes;
        self.made += more.made;
    }

    pub(crate) fn sub(&mut self, less: Self) {
        self.bytes -= less.bytes;
        self.made -= less.made;
    }

    /// The part of `less` that can be taken off this.
    pub(crate) fn at_most(self, less: Self) -> Self {
        let bytes = less.bytes.min(self.bytes);
        let made = less.made.min(self.made).max(self.made.saturating_sub(self.bytes - bytes));
        Self { bytes, made }
    }

    /// How much more this is than `other`, and how much less.
    pub(crate) fn beside(self, other: Self) -> (Self, Self) {
        let beyond = |one: Self, two: Self| Self {
            bytes: one.bytes.saturating_sub(two.bytes),
            made: one.made.saturating_sub(two.made),
        };
        (beyond(self, other), beyond(other, self))
    }
}
