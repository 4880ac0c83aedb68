//! The text of `teal --version`. It belongs to the program and not to the library, so that a commit compiles no more
//! than the program again.

use std::sync::LazyLock;

use chrono::DateTime;
use teal_build_info::commit;

/// Commit, date, features and compiler. The date is that of the commit or of `SOURCE_DATE_EPOCH`, so that two builds of
/// a commit are the same.
pub(crate) static LONG: LazyLock<String> = LazyLock::new(|| {
    let commit = commit!();
    let time = match option_env!("SOURCE_DATE_EPOCH") {
        Some(seconds) => seconds.parse().ok(),
        None => commit.map(|(_, time)| time),
    };
    let date = time.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let unknown = || "unknown".to_owned();
    format!(
        "{}\ncommit: {}\ndate: {}\nfeatures: {}\nrustc: {}",
        env!("CARGO_PKG_VERSION"),
        commit.map_or_else(unknown, |(name, _)| name.to_owned()),
        date.map_or_else(unknown, |date| date.format("%Y-%m-%d").to_string()),
        env!("TEAL_FEATURES"),
        env!("TEAL_RUSTC"),
    )
});
