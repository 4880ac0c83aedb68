//! The program `teal`: parses the command line, then serves until it is told to stop, runs a command against a
//! running teal, or rehearses.

mod version;

use std::{
    env,
    future::pending,
    io,
    io::Write as _,
    process::{self, ExitCode},
    time::Duration,
};

use teal::{
    app::{self, Listeners, Shutdown},
    cli::{self, Command, Stop, check},
    config::Config,
    ctl, log, rehearsal,
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};
use tracing::info;

#[global_allocator]
static ALLOCATOR: teal_memory::Allocator = teal_memory::ALLOCATOR;

/// EX_USAGE of sysexits.h.
const BAD_SETTINGS: u8 = 64;
/// The shell's exit code of a process that SIGINT ended.
const INTERRUPTED: i32 = 130;

fn main() -> ExitCode {
    let config = match cli::parse_with(&version::LONG, env::args_os()) {
        Ok(Command::Serve(serve)) => Config::read(*serve),
        Ok(Command::Check(check)) => match Config::read(check.serve) {
            Ok(config) if check.json => return print(&check::json(&config.effective)),
            Ok(config) => return print(&check::toml(&config.effective)),
            Err(why) => Err(why),
        },
        Ok(Command::Operate(operate)) => return ctl::run(operate),
        Ok(Command::Scenario(command)) => match command.text() {
            Ok(text) => return print(&text),
            Err(why) => Err(why),
        },
        Ok(Command::Rehearse(flags)) => return rehearsal::command(*flags),
        Err(Stop::Refuse(why)) => Err(why),
        Err(Stop::Print(text)) => return print(&text),
    };
    let config = match config {
        Ok(config) => config,
        Err(why) => {
            eprintln!("teal: {why}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    log::init(config.log_format, config.log_level);
    match serve(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("teal: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(text: &str) -> ExitCode {
    io::stdout().write_all(text.as_bytes()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn serve(config: Config) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listeners = Listeners::bind(&config).await?;
    let delay = config.shutdown_delay;
    let (ends, ending) = oneshot::channel();
    tokio::spawn(async move {
        let shutdown = tokio::select! {
            _ = interrupt.recv() => Shutdown { signal: "SIGINT", delay: Duration::ZERO },
            _ = terminate.recv() => Shutdown { signal: "SIGTERM", delay },
        };
        _ = ends.send(shutdown);
        interrupt.recv().await;
        info!("SIGINT: stopping at once");
        // A normal return would wait for calls in progress.
        process::exit(INTERRUPTED);
    });
    app::serve(config, listeners, async move {
        match ending.await {
            Ok(shutdown) => shutdown,
            // The task above sends before it ends.
            Err(_) => pending().await,
        }
    })
    .await
}
