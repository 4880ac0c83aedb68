//! Announcements between a switch and engines on real sockets.

use std::{sync::Arc, time::Duration};

use http::Response;
use tokio::{net::TcpListener, sync::Notify};

use super::*;
use crate::{
    strategy::Strategy,
    switch::Rules,
    upstream::{Target, Targets},
};

/// An engine that is not asked.
const OTHER: &str = "http://other.invalid";

/// Operates a switch between two engines.
fn operator(blue: &str, green: &str) -> Operator {
    let target = |url: &str| url.parse::<Target>().unwrap();
    let connect_timeout = Duration::from_secs(60);
    let targets = Targets { blue: target(blue), green: target(green), connect_timeout, trust: None };
    let (switch, _) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    Operator::new(switch, Some(Health::new(&targets)))
}

/// An engine that is well, and says so when `may_answer` is notified.
async fn engine(listener: TcpListener, may_answer: Arc<Notify>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let may_answer = may_answer.clone();
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(stream).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let may_answer = may_answer.clone();
                tokio::spawn(async move {
                    may_answer.notified().await;
                    let response = Response::builder().header("grpc-status", "0").body(()).unwrap();
                    respond.send_response(response, true).unwrap();
                });
            }
        });
    }
}

async fn bind(address: &str) -> (TcpListener, String) {
    let listener = TcpListener::bind(address).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

#[tokio::test]
async fn an_engine_that_is_down_keeps_a_switch_from_beginning_until_it_is_back() {
    let (listener, address) = bind("127.0.0.1:0").await;
    drop(listener);
    let url = format!("http://{address}");
    let operator = operator(OTHER, &url);
    let Err(Refusal::Engine(unwell)) = operator.announce(None).await else { panic!("it is down") };
    assert_eq!(unwell.url, url);
    assert_eq!(operator.last_refusal().unwrap().reason, unwell.to_string());
    assert_eq!(operator.switch().snapshot().epoch, 0);
    assert_eq!(operator.engines()[1].healthy, Some(false));

    let answers = Arc::new(Notify::new());
    answers.notify_one();
    tokio::spawn(engine(bind(&address).await.0, answers));
    let begun = operator.announce(None).await.unwrap();
    assert_eq!(begun, Transition::Announced { from: Strategy::Blue, to: Strategy::Green });
    assert_eq!(operator.last_refusal(), None);
}

#[tokio::test]
async fn a_state_that_moves_on_while_the_engine_is_asked_is_left_alone() {
    let (listener, address) = bind("127.0.0.1:0").await;
    let answers = Arc::new(Notify::new());
    tokio::spawn(engine(listener, answers.clone()));
    let operator = operator(OTHER, &format!("http://{address}"));
    let asking = tokio::spawn({
        let operator = operator.clone();
        async move { operator.announce(None).await }
    });
    tokio::task::yield_now().await;
    operator.switch().announce().unwrap();
    operator.switch().abort().unwrap();
    answers.notify_one();
    let stale = Stale { expected: 0, epoch: 2 };
    assert_eq!(asking.await.unwrap(), Err(Refusal::Stale(stale)));
    assert_eq!(operator.switch().snapshot().epoch, 2);
}

#[tokio::test]
async fn nobody_is_asked_for_what_does_not_fit() {
    let operator = operator(OTHER, "http://green.invalid");
    let stale = Stale { expected: 7, epoch: 0 };
    assert_eq!(operator.announce(Some(7)).await, Err(Refusal::Stale(stale)));
    operator.switch().announce().unwrap();
    let Err(Refusal::Unfit(unfit)) = operator.announce(None).await else { panic!("it is announced") };
    assert_eq!(unfit.to_string(), "cannot announce in phase ANNOUNCED: expected STABLE");
    assert_eq!(operator.last_refusal(), None);
}

#[tokio::test]
async fn without_engines_there_is_nobody_to_ask() {
    let (switch, _) = Switch::new(Rules { switch_every: None, ..Rules::default() });
    let operator = Operator::new(switch, None);
    operator.announce(Some(0)).await.unwrap();
    assert_eq!(operator.engines(), []);
}
