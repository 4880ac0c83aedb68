//! Requests that exceed a limit: refused by the client before they are sent, or by etcd.

use futures::future;

use super::{World, both};
use crate::{
    Client, Compare, Error, Keys, MAX_ANSWER, MAX_IN_FLIGHT, MAX_OPERATIONS, MAX_REQUEST, MAX_WAITING, Op,
    Range, Retry, Settings, Txn, simulated::Etcd,
};

both! {
    Start::Shared => key_twice_in_a_txn_is_refused txn_of_129_operations_is_refused
        oversized_request_is_refused oversized_answer_is_refused;
    Start::Own(1, &["--quota-backend-bytes", "4194304"]) => full_etcd_takes_no_puts;
}

/// Sends what the client itself would refuse, and says what etcd says.
async fn refusal(client: &Client, txn: &Txn) -> String {
    match client.send_txn(txn.to_request(), Retry::IfNotApplied).await {
        Err(Error::Refused { said, .. }) => said,
        other => panic!("{other:?}"),
    }
}

async fn key_twice_in_a_txn_is_refused(world: World) {
    let client = world.client();
    let twice = Txn::new().then(Op::put("twice/a", "1")).then(Op::put("twice/a", "2"));
    let put_and_deleted =
        Txn::new().or_else(Op::put("twice/a", "1")).or_else(Op::delete(Keys::prefix("twice/")));
    for txn in [&twice, &put_and_deleted] {
        let error = client.txn(txn, Retry::Idempotent).await.expect_err("it is refused");
        assert_eq!(error, Error::DuplicateKey { key: "twice/a".to_owned() });
        assert!(refusal(&client, txn).await.contains("duplicate key"));
    }
    assert_eq!(client.range(&Range::new("twice/a")).await.expect("it is read").count, 0);
    let one_each = Txn::new().then(Op::put("twice/a", "1")).or_else(Op::put("twice/a", "2"));
    client.txn(&one_each, Retry::Idempotent).await.expect("only one list is applied");
}

async fn txn_of_129_operations_is_refused(world: World) {
    let client = world.client();
    let puts = |count: usize| {
        (0..count).fold(Txn::new(), |txn, number| txn.then(Op::put(format!("many/{number}"), "")))
    };
    let compares = (0..=MAX_OPERATIONS)
        .fold(Txn::new(), |txn, number| txn.when(Compare::absent(format!("no/{number}"))));
    client.txn(&puts(MAX_OPERATIONS), Retry::Idempotent).await.expect("that many are taken");
    for txn in [&puts(MAX_OPERATIONS + 1), &compares] {
        let error = client.txn(txn, Retry::Idempotent).await.expect_err("it is one too many");
        assert_eq!(error, Error::TooManyOperations { found: 129 });
        assert!(refusal(&client, txn).await.contains("too many operations"));
    }
}

async fn oversized_request_is_refused(world: World) {
    let client = world.client();
    let txn = |bytes: usize| Txn::new().then(Op::put("large", vec![b'x'; bytes]));
    client.txn(&txn(MAX_REQUEST - 64), Retry::Idempotent).await.expect("it fits");
    let error = client.txn(&txn(MAX_REQUEST), Retry::Idempotent).await.expect_err("it does not fit");
    assert!(matches!(error, Error::RequestTooLarge { found } if found > MAX_REQUEST), "{error:?}");
    let error = client.put("large", vec![b'x'; MAX_REQUEST], 0).await.expect_err("it does not fit");
    assert!(matches!(error, Error::RequestTooLarge { .. }), "{error:?}");
    assert!(refusal(&client, &txn(MAX_REQUEST)).await.contains("too large"));
}

async fn oversized_answer_is_refused(world: World) {
    let client = world.client().within(super::SOON);
    for number in 0..=MAX_ANSWER >> 20 {
        client.put(format!("answer/{number}"), vec![b'x'; 1 << 20], 0).await.expect("it is put");
    }
    let all = Range::new(Keys::prefix("answer/"));
    let error = client.range(&all).await.expect_err("it is larger than 32 MiB");
    assert!(matches!(error, Error::AnswerTooLarge { .. }), "{error:?}");
    let page = client.range(&all.limit(8)).await.expect("pages are smaller");
    assert_eq!(page.count, (MAX_ANSWER >> 20) as u64 + 1);
    client.delete(Keys::prefix("answer/")).await.expect("they are deleted");
}

async fn full_etcd_takes_no_puts(world: World) {
    let client = world.client();
    let created = client.put("full/first", "1", 0).await.expect("it is put");
    let lease = client.grant(std::time::Duration::from_secs(60)).await.expect("it is granted");
    if let World::Simulated(etcd) = &world {
        etcd.set_full(true);
    }
    let mut error = None;
    // It looks at its size ten times a second.
    for number in 0..1000 {
        if let Err(refused) = client.put(format!("full/{number}"), vec![b'x'; 1 << 20], 0).await {
            error = Some(refused);
            break;
        }
    }
    let error = error.expect("its quota is 4 MiB");
    assert_eq!(error, Error::NoSpace { member: world.settings().members[0].clone() });
    assert!(!error.is_outage() && !error.may_have_applied());
    let put = Txn::new().then(Op::put("full/more", "1"));
    assert!(matches!(client.txn(&put, Retry::Idempotent).await, Err(Error::NoSpace { .. })));
    assert!(matches!(client.grant(lease.ttl).await, Err(Error::NoSpace { .. })));
    client.keep_alive(lease.id).await.expect("renewals work");
    let page = client.range(&Range::new("full/first")).await.expect("reads work");
    assert_eq!(page.entries[0].created, created);
    let delete = Txn::new().then(Op::delete("full/first"));
    client.txn(&delete, Retry::Idempotent).await.expect("deletes work");
    assert!(!client.status(0).await.expect("it answers").alarms.is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_those_that_wait_fail() {
    let etcd = Etcd::new(1);
    let client = etcd.client(Settings { deadline: super::SOON, ..etcd.settings() });
    etcd.stop(0);
    let most = MAX_IN_FLIGHT + MAX_WAITING;
    let read = |client: Client| async move { client.range(&Range::new("a")).await.map(|page| page.count) };
    let mut waiting = future::join_all((0..most).map(|_| read(client.clone())));
    assert!(futures::poll!(&mut waiting).is_pending());
    assert_eq!(read(client.clone()).await, Err(Error::Busy));
    etcd.resume(0);
    assert_eq!(waiting.await, vec![Ok(0); most]);
    assert_eq!(read(client).await, Ok(0));
}
