//! The secrets that a call has named, to find them elsewhere in its messages. They are forgotten with the call.

use std::fmt;

use memchr::memmem;

use super::KeptMessage;
use crate::redaction::SHORTEST;

/// The most secrets that are remembered of a call.
const MOST: usize = 16;
/// Longer ones are documents.
const LONGEST: usize = 1024;

/// Passwords, tokens and sessions, in plain text.
#[derive(Default)]
pub(super) struct Secrets {
    known: Vec<Box<[u8]>>,
}

impl Secrets {
    pub(super) fn add(&mut self, secret: &[u8]) {
        let is_known = self.known.iter().any(|known| **known == *secret);
        if !is_known && self.known.len() < MOST && (SHORTEST..=LONGEST).contains(&secret.len()) {
            self.known.push(secret.into());
        }
    }

    /// Writes stars over them, so that the message stays one.
    pub(super) fn blank(&self, message: &mut KeptMessage) {
        let Ok(content) = &mut message.content else { return };
        for secret in &self.known {
            let found: Vec<_> = memmem::find_iter(content, secret).collect();
            for at in found {
                content[at..at + secret.len()].fill(b'*');
            }
            if message.is_cut {
                // The end of one may be missing.
                let begins = |len: &usize| content.ends_with(&secret[..*len]);
                if let Some(len) = (SHORTEST / 2..secret.len()).rev().find(begins) {
                    let at = content.len() - len;
                    content[at..].fill(b'*');
                }
            }
        }
    }
}

/// Without the secrets.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("known", &self.known.len()).finish()
    }
}
