//! The limits that a peer can exceed.

/// The limit that a peer exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// SETTINGS frames (CVE-2019-9515).
    SettingsFlood,
    /// PING frames (CVE-2019-9512).
    PingFlood,
    /// PRIORITY frames (CVE-2019-9513) and frames of unknown types.
    IgnoredFrameFlood,
    /// Empty DATA frames without END_STREAM (CVE-2019-9518).
    EmptyDataFlood,
    /// More WINDOW_UPDATE frames than the data sent explains (CVE-2019-9511).
    WindowUpdateFlood,
    /// Streams that were opened and reset at once (CVE-2023-44487).
    RapidReset,
    /// Streams that this side reset because of the peer's errors (CVE-2025-8671).
    StreamErrors,
    /// More CONTINUATION frames than the header block needs (CVE-2024-27316).
    ContinuationFlood,
    /// Too many entries in one SETTINGS frame (CVE-2020-11080).
    SettingsEntries,
    /// A header list above the limit.
    HeaderList,
    /// Unread data above a budget (CVE-2019-9517).
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

    /// The name in metrics, in logs, and in the debug data of a GOAWAY.
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
