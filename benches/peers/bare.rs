//! The program that `benches/peers/run` calls "teal (unwatched)": the gate and the forwarding alone, without
//! telemetry and faults. It takes the engine's URL, prints its own address and serves until its standard input ends.

use std::{
    env,
    io::{self, Write as _},
    time::Duration,
};

use protocol::Protocol;
use proxy::{
    gate::{GateLayer, Mismatch},
    server,
    telemetry::Metrics,
    upstream::{Authority, Health, Target, Targets, Upstream},
};
use switch::{Rules, Switch};
use tokio::net::TcpListener;
use tower::Layer as _;

const THREADS: usize = 2;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let engine: Target = env::args().nth(1).and_then(|url| url.parse().ok()).expect("the URL of an engine");
    let connect_timeout = Duration::from_secs(5);
    let targets = Targets {
        blue: engine.clone(),
        green: engine,
        connect_timeout,
        resolve_every: connect_timeout,
        authority: Authority::default(),
        trust: None,
    };
    let health = Health::new(&targets, &Metrics::default());
    let (switch, _timer) = Switch::new(Rules::default());
    let layer = GateLayer::new(switch, Protocol::default(), Mismatch::Both);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let start = move || {
        let (layer, upstream) = (layer.clone(), Upstream::connect(&targets, &health));
        move |_| layer.layer(upstream.clone())
    };
    server::serve(listener, server::Options::threads(THREADS), start, async {
        _ = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink())).await;
    })
    .await
}
