//! Before an engine is announced, its health is checked.

use std::{net::TcpListener, time::Duration};

use crate::support::{Place, Server, teal};

const SOON: Duration = Duration::from_secs(60);

fn engine() -> Server {
    teal().with("--gate", "off").run()
}

fn between(blue: &str, green: &str) -> Server {
    let server = teal().with("--blue", &format!("http://{blue}")).with("--green", &format!("http://{green}"));
    server.switch_every("1s").notice("0s").grace("0s").with("--announce-timeout", "1s").run()
}

#[test]
fn switches_begin_once_the_other_engine_is_there() {
    let blue = engine();
    let place = Place::new();
    let green = place.text();
    let silent = TcpListener::bind(place.address).expect("the place is reserved");
    // The port accepts connections, but never responds.
    let server = between(&blue.address.to_string(), &green);
    let refused = format!("Strategy change does not begin: engine http://{green} ");
    let hangs = format!("{refused}gives no answer within 2s");
    server.wait_for(&hangs, 1, SOON);
    drop(silent);
    server.wait_for(&format!("{refused}cannot be reached: "), 1, SOON);
    assert!(server.lines_with("Strategy change pending").is_empty(), "{}", server.output());
    let _green = teal().with("--gate", "off").listen(&green).run();
    server.wait_for("Strategy switched from blue to green", 1, SOON);
    // Blue is healthy, and the switch proceeds.
    server.wait_for("Strategy switched from green to blue", 1, SOON);
}

#[test]
fn refusals_are_told_and_kept_in_state() {
    let (blue, green) = (engine(), engine());
    let server = teal().between(blue.address, green.address).admin().switch_every("0").run();
    let url = format!("http://{}", green.address);
    drop(green);
    let refused = server.operate(&["switch"]).ended(1);
    let why = format!("cannot announce in phase STABLE: engine {url} cannot be reached: ");
    assert!(refused.err.contains(&why), "{refused:?}");
    let state: serde_json::Value =
        serde_json::from_str(&server.get("/api/v1/state")).expect("the state is JSON");
    let kept = state["last_refusal"]["reason"].as_str().expect("there was a refusal");
    assert!(kept.starts_with(&why) && refused.err.contains(kept), "{kept}");
    assert_eq!(state["phase"], "STABLE");
    server.wait_for(&format!("Strategy change does not begin: engine {url} cannot be reached: "), 1, SOON);
}

#[test]
fn an_engine_that_was_lost_is_not_announced() {
    let (blue, green) = (engine(), engine());
    let server = between(&blue.address.to_string(), &green.address.to_string());
    server.wait_for("Strategy switched from blue to green", 1, SOON);
    let address = blue.address;
    drop(blue);
    server.wait_for(
        &format!("Strategy change does not begin: engine http://{address} cannot be reached: "),
        1,
        SOON,
    );
}
