//! Row 17: memory is returned after the load.

use super::{engines, serve, teal_before, trial::Trial, victim::Calls};
use crate::support::{
    alone,
    peers::engine,
    raw::{self, END_HEADERS, END_STREAM, HEADERS, Raw},
};

/// Connections, and calls on each.
const CONNECTIONS: usize = 15;
const CALLS: u32 = 1000;

#[test]
fn memory_of_many_calls_goes_back() {
    let _alone = alone();
    let engines = engines();
    let engine = engines.block_on(engine(serve));
    let mut trial = Trial::of(teal_before(engine.address), Calls::SMALL);
    let head = raw::call("/attack/silent", &[("strategy", "blue")]);
    let calls: Vec<u8> = (0..CALLS)
        .flat_map(|call| raw::frame(HEADERS, END_HEADERS | END_STREAM, 1 + 2 * call, &head))
        .collect();
    trial.load(async |attack| {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = Raw::connect(attack.address).await;
            client.settled().await;
            client.write_all(&calls).await;
            clients.push(client);
        }
        for client in &mut clients {
            client.settled().await;
        }
        let wanted = CONNECTIONS * CALLS as usize;
        crate::support::peers::until(|| engine.open() >= wanted || attack.is_over()).await;
        eprintln!("{} calls at once", engine.open());
    });
    trial.gives_memory_back();
}
