//! Keys, pages and revisions.

use super::{World, both};
use crate::{Error, Keys, Page, Range};

both! {
    Start::Shared => put_is_read_back deleted_key_is_gone pages_are_of_one_revision count_needs_no_values;
    Start::Own(1, &[]) => compacted_revision_is_named revision_to_come_is_named wiped_etcd_begins_anew;
}

async fn put_is_read_back(world: World) {
    let client = world.client();
    let first = client.put("back/a", "1", 0).await.expect("it is put");
    let second = client.put("back/a", "2", 0).await.expect("it is put");
    assert!(second > first);
    let page = client.range(&Range::new("back/a")).await.expect("it is read");
    assert!(page.revision >= second && page.rest.is_none());
    let [entry] = &page.entries[..] else { panic!("{page:?}") };
    assert_eq!((&*entry.key, &*entry.value), (&b"back/a"[..], &b"2"[..]));
    assert_eq!((entry.created, entry.modified, entry.version, entry.lease), (first, second, 2, 0));
}

async fn deleted_key_is_gone(world: World) {
    let client = world.client();
    for key in ["gone/a", "gone/b", "gone!"] {
        client.put(key, "", 0).await.expect("it is put");
    }
    let (deleted, revision) = client.delete(Keys::prefix("gone/")).await.expect("they are deleted");
    assert_eq!(deleted, 2);
    assert_eq!(client.range(&Range::new(Keys::prefix("gone/"))).await.expect("it is read").count, 0);
    let before = Range::new(Keys::prefix("gone/")).at(revision - 1);
    assert_eq!(client.range(&before).await.expect("it is read").count, 2);
    assert_eq!(client.range(&Range::new("gone!")).await.expect("it is read").count, 1);
    assert_eq!(client.delete("gone/a").await.expect("it is no error").0, 0);
}

async fn pages_are_of_one_revision(world: World) {
    let client = world.client();
    for number in 0..25 {
        client.put(format!("page/{number:02}"), "", 0).await.expect("it is put");
    }
    let mut next = Some(Range::new(Keys::prefix("page/")).limit(10));
    let mut keys = Vec::new();
    let mut counts = Vec::new();
    while let Some(range) = next.take() {
        let page = client.range(&range).await.expect("it is read");
        keys.extend(page.entries.iter().map(|entry| String::from_utf8_lossy(&entry.key).into_owned()));
        counts.push(page.count);
        next = page.rest;
        // Neither of them is in later pages, for these are of the first one's revision.
        client.put(format!("page/{:02}+", keys.len()), "", 0).await.expect("it is put");
        client.delete("page/24").await.expect("it is deleted");
    }
    assert_eq!(keys, (0..25).map(|number| format!("page/{number:02}")).collect::<Vec<_>>());
    assert_eq!(counts, [25, 15, 5]);
}

async fn count_needs_no_values(world: World) {
    let client = world.client();
    for key in ["count/a", "count/b"] {
        client.put(key, "value", 0).await.expect("it is put");
    }
    let all = Range::new(Keys::prefix("count/"));
    let Page { count, entries, .. } = client.range(&all.clone().count_only()).await.expect("it is counted");
    assert_eq!((count, entries.len()), (2, 0));
    let page = client.range(&all.keys_only().limit(1)).await.expect("it is read");
    assert_eq!((page.count, page.entries.len()), (2, 1));
    assert!(page.entries[0].value.is_empty());
}

async fn compacted_revision_is_named(world: World) {
    let client = world.client();
    client.put("a", "1", 0).await.expect("it is put");
    let second = client.put("a", "2", 0).await.expect("it is put");
    client.put("a", "3", 0).await.expect("it is put");
    client.compact(second).await.expect("it is compacted");
    let kept = client.range(&Range::new("a").at(second)).await.expect("that revision is kept");
    assert_eq!(kept.entries[0].value, "2");
    let error = client.range(&Range::new("a").at(second - 1)).await.expect_err("it is compacted");
    assert_eq!(error, Error::Compacted { asked: second - 1, revision: None });
    let error = client.compact(second).await.expect_err("it was compacted before");
    assert_eq!(error, Error::Compacted { asked: second, revision: None });
}

async fn revision_to_come_is_named(world: World) {
    let client = world.client();
    let now = client.put("a", "1", 0).await.expect("it is put");
    let error = client.range(&Range::new("a").at(now + 1)).await.expect_err("it is to come");
    let Error::FutureRevision { member, asked } = &error else { panic!("{error:?}") };
    assert_eq!((member, *asked), (&world.settings().members[0], now + 1));
    assert!(error.to_string().contains("may have lost data"), "{error}");
}

async fn wiped_etcd_begins_anew(world: World) {
    let client = world.client();
    let cluster = client.status(0).await.expect("it runs").cluster;
    for value in ["1", "2", "3"] {
        client.put("a", value, 0).await.expect("it is put");
    }
    match &world {
        World::Simulated(etcd) => etcd.lose_data(),
        World::Real(real) => {
            real.kill(0);
            real.wipe(0);
            real.run(0);
        }
    }
    world.ready().await;
    let page = client.range(&Range::new("a")).await.expect("it answers");
    assert_eq!((page.count, page.revision), (0, 1));
    assert_eq!(client.status(0).await.expect("it runs").cluster, cluster);
}
