//! Paths that come again as literals: h2 and nghttp2 never index a `:path`, though calls have few of them.

use std::hash::{BuildHasher, Hasher};

use bytes::Bytes;
use foldhash::fast::FixedState;

use super::{Field, name::Name, table::Entry};

/// How many paths are kept at most.
const PLACES: usize = 16;

/// The longest literal that is kept, in bytes.
const LONGEST: usize = 256;

/// Collisions cost no more than to decode again, so the hash may be known.
const HASHER: FixedState = FixedState::with_seed(0);

/// Entries by the literals that they were decoded from, each at the place of its hash.
#[derive(Debug, Default)]
pub(super) struct Paths {
    /// None until a literal was seen.
    places: Vec<Place>,
}

#[derive(Debug, Default)]
struct Place {
    /// That of the literal that was here last: it is kept when it comes again.
    hash: u64,
    kept: Option<Box<(Box<[u8]>, Entry)>>,
}

impl Paths {
    /// The hash of a literal, which all else is asked with.
    #[inline]
    pub(super) fn hash(literal: &[u8]) -> u64 {
        let mut hasher = HASHER.build_hasher();
        hasher.write(literal);
        hasher.finish()
    }

    /// The entry of a literal that was kept.
    #[inline]
    pub(super) fn get(&self, hash: u64, literal: &[u8]) -> Option<&Entry> {
        let (kept, entry) = &**self.places.get(place(hash))?.kept.as_ref()?;
        (kept[..] == *literal).then_some(entry)
    }

    /// Remembers a literal that is not kept, and keeps it with its entry if it is also the last one of its place.
    pub(super) fn seen(&mut self, hash: u64, literal: &[u8], entry: &Entry) {
        self.places.resize_with(PLACES, Place::default);
        let place = &mut self.places[place(hash)];
        if place.hash != hash {
            place.hash = hash;
        } else if literal.len() <= LONGEST
            && let Field::Path(path) = &entry.field
        {
            // A copy, so that no buffer stays for it that messages share.
            let entry = Entry::new(Name::Path, entry.name_len, path, Bytes::copy_from_slice);
            place.kept = Some(Box::new((literal.into(), entry)));
        }
    }
}

fn place(hash: u64) -> usize {
    hash as usize % PLACES
}
