//! The log: lines for people, or JSON objects, on standard error.

use std::{fmt, io};

use chrono::Local;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer, time::ChronoLocal},
    registry::LookupSpan,
};

use crate::cli::{LogFormat, LogLevel};

/// Starts logging, once per process.
pub fn init(format: LogFormat, level: LogLevel) {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.event_format(Line).init(),
        LogFormat::Json => log.json().flatten_event(true).with_timer(ChronoLocal::rfc_3339()).init(),
    }
}

/// `2026-01-15 10:00:00 - INFO - message`, in local time.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let now = Local::now().format("%Y-%m-%d %H:%M:%S");
        write!(writer, "{now} - {} - ", event.metadata().level())?;
        context.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
