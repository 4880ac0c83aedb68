//! The secret that operators show.

use std::{fmt, fs, io, path::Path};

use subtle::ConstantTimeEq;

/// Longer files are mistakes.
const LONGEST: usize = 4096;

/// A bearer token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// A file that holds no token.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    /// It can't be read.
    #[error("expected a readable file ({0})")]
    Unreadable(#[from] io::Error),
    /// There is something else in it.
    #[error("expected one line of 1 to {LONGEST} printable ASCII characters without blanks")]
    Malformed,
}

impl Token {
    /// The token that a file holds.
    pub fn read(file: &Path) -> Result<Self, BadToken> {
        let text = fs::read_to_string(file)?;
        let token = text.trim();
        let is_token =
            (1..=LONGEST).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token { Ok(Self(token.to_owned())) } else { Err(BadToken::Malformed) }
    }

    /// Whether a value of `authorization` shows it. How long that takes tells nothing but the length.
    pub(super) fn is_shown(&self, authorization: &[u8]) -> bool {
        let Some((scheme, shown)) = authorization.split_at_checked("bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(self.0.as_bytes()))
    }

    /// The value of `authorization` that shows it.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
