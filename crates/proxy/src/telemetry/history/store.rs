//! The messages of one network thread's last calls.

use std::{collections::VecDeque, sync::Arc};

use crate::messages::Kept;

/// A call with more bytes than this is a large one.
const LARGE: usize = 2 << 10;
/// The memory of a place in a shelf, which may have twice as many as it has calls, and of the count of its owners.
const PLACE: usize = 2 * size_of::<(u64, Arc<Kept>)>() + 16;

/// Keeps messages up to a number of bytes. If there are more, the oldest of large calls make room, unless these have less than
/// half: so calls with large messages do not push out those with small ones.
#[derive(Debug)]
pub(in crate::telemetry) struct MessageStore {
    most: usize,
    small: Shelf,
    large: Shelf,
}

/// Messages by the ids of their calls, which grow.
#[derive(Debug, Default)]
struct Shelf {
    calls: VecDeque<(u64, Arc<Kept>)>,
    bytes: usize,
}

impl MessageStore {
    /// Keeps at most this many bytes.
    pub(super) fn new(most: usize) -> Self {
        Self { most, small: Shelf::default(), large: Shelf::default() }
    }

    /// Keeps the messages of the call that was the last one to end.
    pub(super) fn add(&mut self, id: u64, kept: Kept) {
        let size = kept.size() + PLACE;
        if size > self.most {
            return;
        }
        while self.small.bytes + self.large.bytes + size > self.most {
            let is_large = self.large.bytes >= self.most / 2 || self.small.calls.is_empty();
            if is_large { &mut self.large } else { &mut self.small }.forget();
        }
        let shelf = if size > LARGE { &mut self.large } else { &mut self.small };
        shelf.calls.push_back((id, Arc::new(kept)));
        shelf.bytes += size;
    }

    /// The messages of a call, if they are kept.
    pub(super) fn get(&self, id: u64) -> Option<Arc<Kept>> {
        [&self.small, &self.large].iter().find_map(|shelf| shelf.get(id))
    }

    /// Forgets calls up to this id.
    pub(super) fn forget(&mut self, until: u64) {
        for shelf in [&mut self.small, &mut self.large] {
            while shelf.calls.front().is_some_and(|(id, _)| *id <= until) {
                shelf.forget();
            }
        }
    }
}

impl Shelf {
    fn get(&self, id: u64) -> Option<Arc<Kept>> {
        let at = self.calls.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(self.calls[at].1.clone())
    }

    fn forget(&mut self) {
        if let Some((_, kept)) = self.calls.pop_front() {
            self.bytes -= kept.size() + PLACE;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use prost::Message as _;
    use protocol::{Protocol, pb};

    use super::*;
    use crate::messages::Keeping;

    /// The messages of a call with a statement of this length.
    fn kept(length: usize) -> Kept {
        let keeping = Keeping::new(Protocol::default().roles().clone(), 64 << 10, 1 << 20);
        let head = HeaderMap::from_iter([(http::header::CONTENT_TYPE, "application/grpc".parse().unwrap())]);
        let tap = keeping.tap("/QueryEngineService/prepareStatementV2", &head).unwrap();
        let query = pb::PrepareStatementV2Request { query_string: "x".repeat(length), ..Default::default() };
        let message = query.encode_to_vec();
        tap.sent(&[&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), &message].concat());
        tap.finish().unwrap()
    }

    fn ids(store: &MessageStore, until: u64) -> Vec<u64> {
        (1..=until).filter(|id| store.get(*id).is_some()).collect()
    }

    #[test]
    fn the_oldest_messages_make_room() {
        let mut store = MessageStore::new(20 << 10);
        for id in 1..=1000 {
            store.add(id, kept(1000));
            assert!(store.small.bytes + store.large.bytes <= store.most);
        }
        let left = ids(&store, 1000);
        assert!((10..=20).contains(&left.len()), "{left:?}");
        assert_eq!(left, (1001 - left.len() as u64..=1000).collect::<Vec<_>>());
        store.forget(995);
        assert_eq!(ids(&store, 1000), [996, 997, 998, 999, 1000]);
        store.forget(1000);
        assert_eq!((store.small.bytes, store.large.bytes), (0, 0));
    }

    #[test]
    fn large_messages_do_not_push_out_small_ones() {
        let mut store = MessageStore::new(64 << 10);
        (1..=10).for_each(|id| store.add(id, kept(100)));
        (11..=500).for_each(|id| store.add(id, kept(10_000)));
        assert_eq!(ids(&store, 500)[..10], (1..=10).collect::<Vec<_>>());
        // Nor the other way round: they share by halves.
        (501..=2000).for_each(|id| store.add(id, kept(100)));
        assert!(store.get(500).is_some() && store.get(11).is_none());
        assert!(store.large.bytes > 20 << 10 && store.large.bytes <= 32 << 10, "{}", store.large.bytes);
        store.add(2001, kept(60_000));
        store.add(2002, kept(64 << 10));
        assert!(store.get(2002).is_none(), "it is larger than all there is");
        assert!(store.small.bytes + store.large.bytes <= store.most);
    }
}
