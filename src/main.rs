//! `teal`: parse, start logging, bind, serve until told to end.

use std::{env, io, io::Write as _, process::ExitCode};

use teal::{
    app,
    cli::{self, Command, Stop},
    config::Config,
    telemetry,
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing::info;

/// What sysexits.h calls EX_USAGE.
const BAD_SETTINGS: u8 = 64;

fn main() -> ExitCode {
    let config = match cli::parse(env::args_os()) {
        Ok(Command::Serve(serve)) => Config::try_from(serve).map_err(|bad| bad.to_string()),
        Err(Stop::Refuse(why)) => Err(why),
        Err(Stop::Print(text)) => {
            return io::stdout().write_all(text.as_bytes()).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
        }
    };
    let config = match config {
        Ok(config) => config,
        Err(why) => {
            eprintln!("teal: {why}");
            return ExitCode::from(BAD_SETTINGS);
        }
    };
    telemetry::init(config.log_format, config.log_level);
    match run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("teal: {error}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run(config: Config) -> io::Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let listen = config.listen.0.as_slice();
    let listener = TcpListener::bind(listen).await.map_err(|error| {
        let listen = listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        io::Error::new(
            error.kind(),
            format!("--listen (or TEAL_LISTEN): '{listen}': expected a free address ({error})"),
        )
    })?;
    app::serve(config, listener, async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
        };
        info!("{name}: finishing calls in progress");
    })
    .await
}
