//! Intrusive lists of streams. A stream is in at most one list, and is removed from any position in constant time.

use slab::Slab;

use crate::stream::Stream;

/// The key that stands for no stream.
const NONE: usize = usize::MAX;

/// A list of streams, in order.
#[derive(Debug)]
pub(crate) struct List {
    kind: Place,
    first: usize,
    last: usize,
}

/// Which list a stream is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Place {
    /// In no list.
    #[default]
    Nowhere,
    /// Streams whose data may be sent.
    Pending,
    /// Streams whose data waits for their own window.
    Stalled,
}

/// The neighbours of a stream in its list.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) place: Place,
    previous: usize,
    next: usize,
}

impl Default for Links {
    fn default() -> Self {
        Self { place: Place::Nowhere, previous: NONE, next: NONE }
    }
}

impl List {
    pub(crate) fn new(kind: Place) -> Self {
        Self { kind, first: NONE, last: NONE }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Appends a stream that is in no list.
    pub(crate) fn push(&mut self, streams: &mut Slab<Box<Stream>>, key: usize) {
        let links = &mut streams[key].send.links;
        debug_assert_eq!(links.place, Place::Nowhere, "a stream is in one list");
        *links = Links { place: self.kind, previous: self.last, next: NONE };
        match self.last {
            NONE => self.first = key,
            last => streams[last].send.links.next = key,
        }
        self.last = key;
    }

    pub(crate) fn pop(&mut self, streams: &mut Slab<Box<Stream>>) -> Option<usize> {
        let first = self.first;
        (first != NONE).then(|| {
            self.remove(streams, first);
            first
        })
    }

    /// Removes a stream, if it is in this list.
    pub(crate) fn remove(&mut self, streams: &mut Slab<Box<Stream>>, key: usize) {
        if streams[key].send.links.place != self.kind {
            return;
        }
        let Links { previous, next, .. } = std::mem::take(&mut streams[key].send.links);
        match previous {
            NONE => self.first = next,
            previous => streams[previous].send.links.next = next,
        }
        match next {
            NONE => self.last = previous,
            next => streams[next].send.links.previous = previous,
        }
    }

    /// Returns whether the links of the list are consistent.
    #[cfg(any(test, feature = "inspect"))]
    pub(crate) fn is_whole(&self, streams: &Slab<Box<Stream>>) -> bool {
        let (mut previous, mut key) = (NONE, self.first);
        while let Some(stream) = (key != NONE).then(|| streams.get(key)) {
            let Some(stream) = stream else { return false };
            let links = &stream.send.links;
            if links.place != self.kind || links.previous != previous {
                return false;
            }
            (previous, key) = (key, links.next);
        }
        self.last == previous
    }

    /// The streams in order.
    pub(crate) fn iter(&self, streams: &Slab<Box<Stream>>) -> impl Iterator<Item = usize> {
        let mut next = self.first;
        std::iter::from_fn(move || {
            let key = next;
            (key != NONE).then(|| {
                next = streams[key].send.links.next;
                key
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_from_any_place() {
        let mut streams = Slab::new();
        for id in 0..5 {
            streams.insert(Box::new(Stream::new(id)));
        }
        let mut list = List::new(Place::Pending);
        for key in 0..5 {
            list.push(&mut streams, key);
        }
        for (key, left) in [(2, vec![0, 1, 3, 4]), (0, vec![1, 3, 4]), (4, vec![1, 3])] {
            list.remove(&mut streams, key);
            list.remove(&mut streams, key);
            assert_eq!(list.iter(&streams).collect::<Vec<_>>(), left);
        }
        assert_eq!(
            [list.pop(&mut streams), list.pop(&mut streams), list.pop(&mut streams)],
            [Some(1), Some(3), None]
        );
        assert!(list.is_empty());
        let mut stalled = List::new(Place::Stalled);
        stalled.push(&mut streams, 1);
        list.remove(&mut streams, 1);
        assert_eq!(stalled.iter(&streams).collect::<Vec<_>>(), [1], "it is in the other list");
    }
}
