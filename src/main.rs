//! `teal`: parse, start logging, bind, serve until told to end; or tell a running one what to do; or rehearse.

use std::{env, io, io::Write as _, process::ExitCode};

use teal::{
    app::{self, Doors},
    cli::{self, Command, Stop, check},
    config::Config,
    operate, rehearse, telemetry,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing::info;

/// What sysexits.h calls EX_USAGE.
const BAD_SETTINGS: u8 = 64;

fn main() -> ExitCode {
    let config = match cli::parse(env::args_os()) {
        Ok(Command::Serve(serve)) => Config::read(*serve),
        Ok(Command::Check(check)) => match Config::read(check.serve) {
            Ok(config) if check.json => return print(&check::json(&config.effective)),
            Ok(config) => return print(&check::toml(&config.effective)),
            Err(why) => Err(why),
        },
        Ok(Command::Operate(operate)) => return operate::run(operate),
        Ok(Command::Scenario(command)) => match command.text() {
            Ok(text) => return print(&text),
            Err(why) => Err(why),
        },
        Ok(Command::Rehearse(flags)) => return rehearse::command(*flags),
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
    telemetry::init(config.log_format, config.log_level);
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
    let doors = Doors::bind(&config).await?;
    app::serve(config, doors, async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!("{name}: finishing calls in progress");
    })
    .await
}
