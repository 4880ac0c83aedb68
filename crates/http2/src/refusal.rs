//! Why something of a peer was refused.

/// What a peer did too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// SETTINGS frames (CVE-2019-9515).
    SettingsFlood,
    /// PING frames (CVE-2019-9512).
    PingFlood,
    /// PRIORITY frames (CVE-2019-9513), and frames of kinds that are not known.
    IgnoredFrameFlood,
    /// DATA frames without data that end nothing (CVE-2019-9518).
    EmptyDataFlood,
    /// WINDOW_UPDATE frames beyond what the data that was sent explains (CVE-2019-9511).
    WindowUpdateFlood,
    /// Streams that were opened and reset at once (CVE-2023-44487).
    RapidReset,
    /// Streams that this side had to reset for what the peer did (CVE-2025-8671).
    StreamErrors,
    /// CONTINUATION frames beyond what a header block needs (CVE-2024-27316).
    ContinuationFlood,
    /// Entries of one SETTINGS frame (CVE-2020-11080).
    SettingsEntries,
    /// A header list above the limit.
    HeaderList,
    /// Data that nobody reads, above a budget (CVE-2019-9517).
    Unread,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::SettingsFlood,
        Self::PingFlood,
        Self::IgnoredFrameFlood,
        Self::EmptyDataFlood,
        Self::WindowUpdateFlood,
        Self::RapidReset,
        Self::StreamErrors,
        Self::ContinuationFlood,
        Self::SettingsEntries,
        Self::HeaderList,
        Self::Unread,
    ];

    /// Its name in metrics, in logs, and in the debug data of a GOAWAY.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SettingsFlood => "settings_flood",
            Self::PingFlood => "ping_flood",
            Self::IgnoredFrameFlood => "ignored_frame_flood",
            Self::EmptyDataFlood => "empty_data_flood",
            Self::WindowUpdateFlood => "window_update_flood",
            Self::RapidReset => "rapid_reset",
            Self::StreamErrors => "stream_errors",
            Self::ContinuationFlood => "continuation_flood",
            Self::SettingsEntries => "settings_entries",
            Self::HeaderList => "header_list_too_large",
            Self::Unread => "unread_budget",
        }
    }
}
