//! A cache of literal paths: h2 and nghttp2 never index `:path`, although few different paths are called.

use std::hash::{BuildHasher, Hasher};

use bytes::Bytes;
use foldhash::fast::FixedState;

use super::{Field, name::Name, table::Entry};

/// The most paths in the cache.
const PLACES: usize = 16;

/// The longest literal in the cache, in bytes.
const LONGEST: usize = 256;

/// A collision only costs another decoding, so a fixed seed is safe.
const HASHER: FixedState = FixedState::with_seed(0);

/// Entries by the literals they were decoded from, placed by hash.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// Empty until a literal was seen.
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    /// The hash of the last literal at this place. It is kept if it comes again.
    hash: u64,
    kept: Option<Box<(Box<[u8]>, Entry)>>,
}

impl Paths {
    /// The hash of a literal, for the other functions.
    #[inline]
    pub(super) fn hash(literal: &[u8]) -> u64 {
        let mut hasher = HASHER.build_hasher();
        hasher.write(literal);
        hasher.finish()
    }

    /// The entry of a cached literal.
    #[inline]
    pub(super) fn get(&self, hash: u64, literal: &[u8]) -> Option<&Entry> {
        let (kept, entry) = &**self.places.get(place(hash))?.kept.as_ref()?;
        (kept[..] == *literal).then_some(entry)
    }

    /// Records a literal. Caches its entry if it was also the last one at its place.
    pub(super) fn seen(&mut self, hash: u64, literal: &[u8], entry: &Entry) {
        self.places.resize_with(PLACES, Place::default);
        let place = &mut self.places[place(hash)];
        if place.hash != hash {
            place.hash = hash;
        } else if literal.len() <= LONGEST
            && let Field::Path(path) = &entry.field
        {
            // A copy, so that the entry does not keep a shared message buffer alive.
            let entry = Entry::new(Name::Path, entry.name_len, path, Bytes::copy_from_slice);
            place.kept = Some(Box::new((literal.into(), entry)));
        }
    }
}

fn place(hash: u64) -> usize {
    hash as usize % PLACES
}
