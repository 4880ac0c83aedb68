//! The bearer token of operators.

use std::{fmt, fs, io, path::Path};

use subtle::ConstantTimeEq;

/// The most bytes in a token file; a longer file is a mistake.
const LONGEST: usize = 4096;

/// A bearer token. It is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a file has no usable token.
#[derive(Debug, thiserror::Error)]
pub enum BadToken {
    /// The file cannot be read.
    #[error("expected a readable file ({0})")]
    Unreadable(#[from] io::Error),
    /// The content is not a token.
    #[error("expected one line of 1 to {LONGEST} printable ASCII characters without blanks")]
    Malformed,
}

impl Token {
    /// Reads the token from a file.
    pub fn read(file: &Path) -> Result<Self, BadToken> {
        let text = fs::read_to_string(file)?;
        let token = text.trim();
        let is_token =
            (1..=LONGEST).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
        if is_token { Ok(Self(token.to_owned())) } else { Err(BadToken::Malformed) }
    }

    /// Returns whether an `authorization` value carries this token. The time it takes reveals only the length.
    pub(super) fn is_shown(&self, authorization: &[u8]) -> bool {
        let Some((scheme, shown)) = authorization.split_at_checked("bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(shown.ct_eq(self.0.as_bytes()))
    }

    /// The `authorization` value for this token.
    pub fn authorization(&self) -> String {
        format!("Bearer {}", self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
