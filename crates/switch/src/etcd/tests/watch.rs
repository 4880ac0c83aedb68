//! Listing and watching.

use std::time::Instant;

use protocol::Strategy::Blue;
use tokio::time::timeout;

use super::{SOON, World, both, kept, status, truth};
use crate::{
    Query,
    etcd::{Board, Deadline, Feed, Known, News, Prefix, RecordCopy, StoreError, Written},
};

both! {
    feed_lists_and_follows compaction_leads_to_another_list resync_lists_anew newer_format_stops_the_feed
    thousand_queries_are_listed
}

const BLUE: Query = Query { strategy: Blue, birth: 1 };

/// What an instance makes of its feed.
struct Seen {
    feed: Feed,
    prefix: Prefix,
    board: Board,
    copy: RecordCopy,
    lists: usize,
    lost: Vec<StoreError>,
}

impl Seen {
    async fn start(world: &World) -> Self {
        let feed = Feed::start(world.store.clone());
        let prefix = world.store.prefix().clone();
        let mut seen = Self {
            feed,
            prefix,
            board: Board::empty(0),
            copy: RecordCopy::default(),
            lists: 0,
            lost: vec![],
        };
        seen.until(|seen| seen.lists == 1).await;
        seen
    }

    async fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        while !is_so(self) {
            let news = timeout(SOON, self.feed.next()).await.expect("there is news").expect("it goes on");
            match news {
                News::List { board, queries, .. } => {
                    self.copy.replace(queries, board.revision);
                    self.board = board;
                    self.lists += 1;
                }
                News::Changes { events, record, revision } => {
                    self.board.take(&self.prefix, &events, revision).expect("they are good");
                    self.copy.take(record, revision, Instant::now());
                }
                News::Lost(error) => self.lost.push(error),
            }
        }
    }

    fn has(&self, id: &str) -> bool {
        self.copy.get(id, Instant::now()) == Known::OnRecord(BLUE)
    }
}

async fn put(world: &World, id: &str) -> i64 {
    world.client.put(world.store.prefix().query(id), "b1", 0).await.expect("it is put")
}

async fn feed_lists_and_follows(world: World) {
    let (own, board) = world.joined().await;
    put(&world, "before").await;
    let mut seen = Seen::start(&world).await;
    assert!(seen.has("before") && kept(&seen.board) == kept(&board));
    put(&world, "after").await;
    world.store.publish(own, &board, kept(&board), &status(1)).await.expect("it is answered");
    let board = world.read().await;
    let won = world.store.propose(own, &board, kept(&board), &truth(2)).await.expect("it is answered");
    assert!(matches!(won, Written::Done(_)), "{won:?}");
    world.client.delete(world.store.prefix().query("before")).await.expect("it is deleted");
    seen.until(|seen| seen.copy.get("before", Instant::now()) == Known::Left).await;
    assert!(seen.has("after") && kept(&seen.board).value == truth(2));
    assert_eq!(seen.board.live(), [status(1)]);
    world.store.leave(own, &Deadline::over()).await.expect("it leaves");
    seen.until(|seen| seen.board.instances.is_empty()).await;
    let count = world.store.count(seen.copy.revision()).await.expect("it is counted");
    assert_eq!((seen.copy.keys() as u64, seen.lists), (count, 1));
}

/// Nobody compacts what a real etcd shares between tests: there the watch is only asked to begin again.
async fn compaction_leads_to_another_list(world: World) {
    world.joined().await;
    let mut seen = Seen::start(&world).await;
    if let Some(etcd) = &world.etcd {
        (0..3).for_each(|member| etcd.lag(member, std::time::Duration::from_secs(5)));
        put(&world, "a").await;
        let last = put(&world, "a").await;
        world.client.compact(last).await.expect("it is compacted");
        seen.until(|seen| !seen.lost.is_empty()).await;
        assert!(seen.lost[0].to_string().contains("compacted"), "{:?}", seen.lost);
        (0..3).for_each(|member| etcd.lag(member, std::time::Duration::ZERO));
    } else {
        put(&world, "a").await;
        seen.feed.resync();
    }
    seen.until(|seen| seen.lists == 2 && seen.has("a")).await;
    put(&world, "b").await;
    seen.until(|seen| seen.has("b")).await;
}

async fn resync_lists_anew(world: World) {
    world.joined().await;
    let mut seen = Seen::start(&world).await;
    // As if an event was lost.
    let revision = put(&world, "a").await;
    seen.until(|seen| seen.has("a")).await;
    seen.copy = RecordCopy::default();
    seen.copy.take([], revision, Instant::now());
    let count = world.store.count(revision).await.expect("it is counted");
    assert_ne!(seen.copy.keys() as u64, count);
    seen.feed.resync();
    seen.until(|seen| seen.lists == 2).await;
    assert!(seen.has("a"));
}

async fn newer_format_stops_the_feed(world: World) {
    world.joined().await;
    let mut seen = Seen::start(&world).await;
    world.client.put(world.key("format"), "2", 0).await.expect("it is put");
    seen.until(|seen| seen.lost.len() == 2).await;
    assert!(seen.lost.iter().all(|error| error.to_string().contains("found format 2")), "{:?}", seen.lost);
    world.client.put(world.key("format"), "1", 0).await.expect("it is put");
    seen.until(|seen| seen.lists == 2).await;
}

async fn thousand_queries_are_listed(world: World) {
    world.joined().await;
    for batch in 0..10 {
        let put = (0..100).map(|number| {
            let key = world.store.prefix().query(&format!("{batch}-{number}"));
            teal_etcd::Op::put(key, "b1")
        });
        let txn = put.fold(teal_etcd::Txn::new(), teal_etcd::Txn::then);
        world.client.txn(&txn, teal_etcd::Retry::Idempotent).await.expect("they are put");
    }
    let seen = Seen::start(&world).await;
    assert_eq!((seen.copy.len(), seen.copy.keys()), (1000, 1000));
}
