//! The service behind teal's gate, on teal's server.

mod service;
mod switching;

use std::error::Error;

use teal_proxy::{DataPath, answering, recording::Recorder, server::Options};

use self::switching::Switching;

/// The threads that read from clients and write to them.
const THREADS: usize = 2;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Switching { gate, collector, faults, listener, end, admin } = Switching::start().await?;
    let path = DataPath { gate: Some(gate), collector, faults, recorder: Recorder::default() };
    path.answer(answering(service::routes()), listener.into(), Options::threads(THREADS), end).await?;
    Ok(admin.end().await?)
}
