//! The log: lines for people, or JSON objects, on standard error.

use std::{fmt, io, sync::OnceLock};

use chrono::Local;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::{
    Layer, Registry,
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer, time::ChronoLocal},
    layer::SubscriberExt,
    registry::LookupSpan,
    reload,
    util::SubscriberInitExt,
};

use crate::cli::{LogFormat, LogLevel};

/// The lines that are written, of this process.
static WRITTEN: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Starts logging, once per process.
pub fn init(format: LogFormat, level: LogLevel) {
    let (ours, written) = reload::Layer::new(ours(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let lines = match format {
        LogFormat::Text => lines.event_format(Line).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_timer(ChronoLocal::rfc_3339()).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(ours)).init();
    _ = WRITTEN.set(written);
}

/// Logs lines of that level and above from now on, if there is a log.
pub fn set_level(level: LogLevel) {
    if let Some(written) = WRITTEN.get() {
        // There is nothing to be set once the log is gone.
        _ = written.reload(ours(level));
    }
}

/// Only our own lines: those of a library may quote what a query reads.
fn ours(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
    };
    Targets::new().with_target("teal", level)
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
