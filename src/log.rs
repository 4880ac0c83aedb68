//! The log: lines for people, or JSON objects, on standard error.

use std::{
    fmt::{self, Write as _},
    io,
    sync::OnceLock,
};

use chrono::Local;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
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

/// `2026-01-15 10:00:00 - INFO - message`, in local time. The fields are for JSON: the message says them, too.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now = Local::now().format("%Y-%m-%d %H:%M:%S");
        write!(line, "{now} - {} - ", event.metadata().level())?;
        let mut message = Message { line: line.by_ref(), written: Ok(()) };
        event.record(&mut message);
        message.written?;
        writeln!(line)
    }
}

/// Writes the message of an event.
struct Message<'a> {
    line: Writer<'a>,
    written: fmt::Result,
}

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.written = write!(Escaped(&mut self.line), "{value:?}");
        }
    }
}

/// Escapes control characters, so that no peer's words end a line or drive a terminal.
struct Escaped<'a, 'b>(&'a mut Writer<'b>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| match letter {
            letter if letter.is_control() => write!(self.0, "{}", letter.escape_default()),
            letter => self.0.write_char(letter),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parking_lot::Mutex;
    use tracing::info;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_its_message_escaped() {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().event_format(Line).with_writer(move || writer.clone());
        tracing::subscriber::with_default(lines.finish(), || {
            info!(query.id = 7, "Prepared query 7");
            info!("Engine \x1b[2J\r\n2026-01-15 10:00:00 - INFO - forged, by größe");
        });
        let written = String::from_utf8(written.0.lock().clone()).expect("text");
        let messages: Vec<_> = written.lines().map(|line| &line[22..]).collect();
        let escaped = r"INFO - Engine \u{1b}[2J\r\n2026-01-15 10:00:00 - INFO - forged, by größe";
        assert_eq!(messages, ["INFO - Prepared query 7", escaped]);
    }
}
