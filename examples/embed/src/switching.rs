//! The parts of teal: a switch, the gate that asks it, and the admin API beside the service.

use std::{error::Error, io, net::SocketAddr};

use clap::Parser;
use teal_admin::{Admin, AdminState};
use teal_protocol::Protocol;
use teal_proxy::{
    fault::{FaultContext, Faults},
    gate::{GateLayer, Mismatch},
    telemetry::{Collector, Metrics},
};
use teal_switch::{Rules, Switch};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::service::DESCRIPTORS;

/// A service of book orders behind teal's gate.
#[derive(Debug, Parser)]
struct Flags {
    /// Where clients connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50051")]
    listen: SocketAddr,
    /// Where operators connect
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:50061")]
    admin: SocketAddr,
}

/// A service's switch, and what belongs to it.
#[derive(Debug)]
pub(crate) struct Switching {
    /// The gate, to be put before the service.
    pub(crate) gate: GateLayer,
    /// Counts calls, and judges clients. The gate reports to it.
    pub(crate) collector: Collector,
    /// The faults that operators inject, to be put between gate and service.
    pub(crate) faults: Faults,
    /// Where clients connect.
    pub(crate) listener: TcpListener,
    /// Cancelled by Ctrl-C.
    pub(crate) end: CancellationToken,
    /// The admin API.
    pub(crate) admin: Admin,
}

impl Switching {
    /// Reads the command line, and starts everything but the service.
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let flags = Flags::parse();
        tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(false).init();

        // Only operators switch: `switch_every` would be a timer.
        let (switch, timer) = Switch::new(Rules { switch_every: None, ..Rules::default() });

        // The gate learns from the descriptors which messages have a field `new_strategy`.
        let mut protocol = Protocol::default();
        protocol.extend(DESCRIPTORS)?;

        let collector = Collector::new(&protocol, Some(switch.clone()), Metrics::default(), None);
        tokio::spawn(collector.clone().run());

        // Both strategies are served by this process, so there is no engine whose health has to be asked.
        let steps = collector.clone();
        tokio::spawn(timer.observed_by(move |step| steps.step(step)).run(|_| async { Ok(()) }));

        let faults = Faults::new(false, FaultContext::new(switch.clone(), collector.clone()));

        let listener = TcpListener::bind(flags.listen).await?;
        let operators = TcpListener::bind(flags.admin).await?;
        info!("Admin API on http://{}", operators.local_addr()?);
        let end = CancellationToken::new();
        let state = AdminState {
            faults: faults.clone(),
            ending: end.clone(),
            ..AdminState::new(switch.clone(), collector.clone())
        };
        let admin = Admin::start(operators, state, None)?;

        let ending = end.clone();
        tokio::spawn(async move {
            if tokio::signal::ctrl_c().await.is_ok() {
                ending.cancel();
            }
        });
        info!("Server started on {}", listener.local_addr()?);
        let gate = GateLayer::new(switch, protocol, Mismatch::default());
        Ok(Self { gate, collector, faults, listener, end, admin })
    }
}
