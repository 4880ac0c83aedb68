//! Streams that this side reset recently. Frames that the peer sent before it knew are ignored.

use std::collections::VecDeque;

/// The number of streams remembered; a client may have fewer open at once.
const REMEMBERED: usize = 1024;

/// The most recently reset streams, and how many bytes of data may still arrive for each.
#[derive(Debug, Default)]
pub(crate) struct Resets(VecDeque<(u32, u32)>);

impl Resets {
    /// Remembers a stream whose peer may still send `window` bytes.
    pub(crate) fn push(&mut self, stream: u32, window: i64) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((stream, u32::try_from(window.max(0)).unwrap_or(u32::MAX)));
    }

    /// Returns whether the stream was reset recently, and `len` more bytes of data fit its window.
    pub(crate) fn expects(&mut self, stream: u32, len: usize) -> bool {
        let found = self.0.iter_mut().rev().find(|(id, _)| *id == stream);
        let left = found.and_then(|(_, left)| {
            *left = left.checked_sub(u32::try_from(len).ok()?)?;
            Some(())
        });
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_expected_up_to_the_window() {
        let mut resets = Resets::default();
        resets.push(1, 10);
        resets.push(3, -5);
        assert!(resets.expects(1, 6));
        assert!(!resets.expects(1, 5));
        assert!(resets.expects(1, 4));
        assert!(resets.expects(3, 0));
        assert!(!resets.expects(3, 1));
        assert!(!resets.expects(5, 0));
    }

    #[test]
    fn the_oldest_is_forgotten_beyond_the_limit() {
        let mut resets = Resets::default();
        for stream in 0..=REMEMBERED as u32 {
            resets.push(stream, 10);
        }
        assert!(!resets.expects(0, 0));
        assert!(resets.expects(1, 0));
        assert_eq!(resets.0.len(), REMEMBERED);
    }
}
