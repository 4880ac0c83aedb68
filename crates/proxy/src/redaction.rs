//! Texts for people, without the secrets of a caller.

/// Stands for a secret.
pub(crate) const SECRET: &str = "***";
/// Shorter words are no sessions and no tokens.
pub(crate) const SHORTEST: usize = 8;

/// Hands a text on in parts, with [`SECRET`] for each word that is one.
pub(crate) fn redact(text: &str, is_secret: impl Fn(&str) -> bool, mut put: impl FnMut(&str)) {
    let is_inner = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '+' | '/' | '=' | '~');
    let is_secret = |word: &str| word.len() >= SHORTEST && is_secret(word);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_inner(c) != is_inner(first)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(end);
        rest = behind;
        // A sentence may end behind it.
        let bare = word.trim_end_matches('.');
        match [word, bare].into_iter().find(|word| is_inner(first) && is_secret(word)) {
            Some(secret) => [SECRET, &word[secret.len()..]].into_iter().for_each(&mut put),
            None => put(word),
        }
    }
}
