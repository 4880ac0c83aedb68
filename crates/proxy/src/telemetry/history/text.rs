//! A short text that is kept where it is written, without an allocation.

use std::fmt;

/// Stands at the end of a text that was cut.
const CUT: &str = "…";

/// At most `N` bytes of text; a longer one is cut.
#[derive(Clone)]
pub(crate) struct Text<const N: usize> {
    len: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    /// Creates it from a text.
    pub(super) fn new(text: &str) -> Self {
        let mut new = Self::default();
        new.push(text);
        new
    }

    /// Empties it. Its bytes stay as they are.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes over another one's text.
    pub(super) fn copy(&mut self, other: &Self) {
        let len = usize::from(other.len);
        self.bytes[..len].copy_from_slice(&other.bytes[..len]);
        self.len = other.len;
    }

    /// Appends as much as fits.
    pub(super) fn push(&mut self, text: &str) {
        let at = usize::from(self.len);
        if text.len() <= N - at {
            self.write(at, text);
            return;
        }
        if self.as_str().ends_with(CUT) {
            return;
        }
        let most = (N - CUT.len()).saturating_sub(at);
        let end = text.floor_char_boundary(most);
        self.write(at, &text[..end]);
        let kept = self.as_str().floor_char_boundary(N - CUT.len());
        self.write(kept, CUT);
    }

    fn write(&mut self, at: usize, text: &str) {
        let end = at + text.len();
        self.bytes[at..end].copy_from_slice(text.as_bytes());
        self.len = u8::try_from(end).expect("a text has less than 256 bytes");
    }

    pub(super) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }

    /// The text, if there is any.
    pub(super) fn get(&self) -> Option<&str> {
        Some(self.as_str()).filter(|text| !text.is_empty())
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self { len: 0, bytes: [0; N] }
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[&str]) -> String {
        let mut text = Text::<10>::default();
        parts.iter().for_each(|part| text.push(part));
        text.as_str().to_owned()
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        for (parts, expected) in [
            (&[][..], ""),
            (&["0123456789"], "0123456789"),
            (&["0123456789a"], "0123456…"),
            (&["012345é789"], "012345…"),
            (&["01234", "56789"], "0123456789"),
            (&["01234", "567890"], "0123456…"),
            (&["012345678", "ab", "c"], "0123456…"),
            (&["012345é8", "9ab"], "012345…"),
        ] {
            assert_eq!(text(parts), expected, "{parts:?}");
        }
    }

    #[test]
    fn a_text_is_copied_and_emptied() {
        let mut other = Text::<8>::new("abcdefgh");
        assert_eq!(other.get(), Some("abcdefgh"));
        other.copy(&Text::new("x"));
        assert_eq!(other.get(), Some("x"));
        other.clear();
        assert_eq!(other.get(), None);
    }
}
