//! Transactions and their comparisons.

use super::{World, both};
use crate::{Answer, Client, Compare, Is, Keys, Op, Range, Retry, Txn};

both! {
    Start::Shared => txn_applies_one_of_two_lists guard_holds_for_one_creation
        range_compare_sees_what_is_newer range_compare_needs_all_keys missing_key_compares_as_zeros
        txn_reads_what_it_wrote;
}

async fn holds(client: &Client, compare: Compare) -> bool {
    client.txn(&Txn::new().when(compare), Retry::Idempotent).await.expect("it is answered").succeeded
}

async fn txn_applies_one_of_two_lists(world: World) {
    let client = world.client();
    let txn = Txn::new()
        .when(Compare::absent("lists/a"))
        .then(Op::put("lists/a", "1"))
        .then(Op::put("lists/b", "1"))
        .or_else(Op::Range(Range::new("lists/a")));
    let outcome = client.txn(&txn, Retry::IfNotApplied).await.expect("it is applied");
    assert!(outcome.succeeded && !outcome.repeated);
    assert!(matches!(outcome.answers[..], [Answer::Put, Answer::Put]));
    let both = client.range(&Range::new(Keys::prefix("lists/"))).await.expect("it is read");
    assert!(both.entries.iter().all(|entry| entry.created == outcome.revision));
    assert_eq!(both.count, 2);

    let again = client.txn(&txn, Retry::IfNotApplied).await.expect("it is answered");
    assert!(!again.succeeded);
    let [Answer::Range(page)] = &again.answers[..] else { panic!("{again:?}") };
    assert_eq!((page.count, &*page.entries[0].value), (1, &b"1"[..]));
}

async fn guard_holds_for_one_creation(world: World) {
    let client = world.client();
    let created = client.put("guard/me", "1", 0).await.expect("it is put");
    let guarded = |value: &'static str| {
        Txn::new()
            .when(Compare::created("guard/me", Is::Equal, created))
            .then(Op::put(format!("guard/{value}"), value))
    };
    client.put("guard/me", "2", 0).await.expect("it is put");
    assert!(client.txn(&guarded("a"), Retry::IfNotApplied).await.expect("it is answered").succeeded);
    client.delete("guard/me").await.expect("it is deleted");
    assert!(!client.txn(&guarded("b"), Retry::IfNotApplied).await.expect("it is answered").succeeded);
    client.put("guard/me", "3", 0).await.expect("it is put");
    assert!(!client.txn(&guarded("b"), Retry::IfNotApplied).await.expect("it is answered").succeeded);
    assert_eq!(client.range(&Range::new("guard/b")).await.expect("it is read").count, 0);
}

async fn range_compare_sees_what_is_newer(world: World) {
    let client = world.client();
    let all = || Keys::prefix("newer/");
    let none_newer = |than: i64| Compare::modified(all(), Is::Less, than + 1);
    assert!(holds(&client, none_newer(0)).await, "there is no key");

    let seen = client.put("newer/a", "1", 0).await.expect("it is put");
    assert!(holds(&client, none_newer(seen)).await);
    assert!(!holds(&client, none_newer(seen - 1)).await, "one was created");

    let created = client.put("newer/b", "1", 0).await.expect("it is put");
    assert!(!holds(&client, none_newer(seen)).await, "another was created");
    assert!(holds(&client, none_newer(created)).await);

    let changed = client.put("newer/a", "2", 0).await.expect("it is put");
    assert!(!holds(&client, none_newer(created)).await, "one was changed");
    assert!(holds(&client, none_newer(changed)).await);

    client.delete("newer/b").await.expect("it is deleted");
    assert!(holds(&client, none_newer(changed)).await, "a deletion is not seen");
    client.delete(all()).await.expect("they are deleted");
    assert!(holds(&client, none_newer(0)).await, "no key is left");
}

async fn range_compare_needs_all_keys(world: World) {
    let client = world.client();
    let all = || Keys::prefix("all/");
    client.put("all/a", "same", 0).await.expect("it is put");
    client.put("all/b", "same", 0).await.expect("it is put");
    assert!(holds(&client, Compare::value(all(), Is::Equal, "same")).await);
    assert!(holds(&client, Compare::version(all(), Is::Equal, 1)).await);
    client.put("all/b", "other", 0).await.expect("it is put");
    assert!(!holds(&client, Compare::value(all(), Is::Equal, "same")).await);
    assert!(!holds(&client, Compare::version(all(), Is::Equal, 1)).await);
    assert!(holds(&client, Compare::version(all(), Is::Greater, 0)).await);
    let first = Keys::between("all/a", "all/b");
    assert!(holds(&client, Compare::value(first, Is::Equal, "same")).await);
}

async fn missing_key_compares_as_zeros(world: World) {
    let client = world.client();
    assert!(holds(&client, Compare::absent("missing")).await);
    assert!(holds(&client, Compare::modified("missing", Is::Equal, 0)).await);
    assert!(holds(&client, Compare::version("missing", Is::Less, 1)).await);
    assert!(!holds(&client, Compare::created("missing", Is::Greater, 0)).await);
    assert!(!holds(&client, Compare::value("missing", Is::Equal, "")).await);
    assert!(!holds(&client, Compare::value("missing", Is::NotEqual, "a")).await);
}

async fn txn_reads_what_it_wrote(world: World) {
    let client = world.client();
    client.put("wrote/old", "1", 0).await.expect("it is put");
    let txn = Txn::new()
        .then(Op::put("wrote/new", "1"))
        .then(Op::delete("wrote/old"))
        .then(Op::Range(Range::new(Keys::prefix("wrote/"))));
    let outcome = client.txn(&txn, Retry::IfNotApplied).await.expect("it is applied");
    let [Answer::Put, Answer::Deleted(1), Answer::Range(page)] = &outcome.answers[..] else {
        panic!("{outcome:?}")
    };
    assert_eq!((page.count, &*page.entries[0].key), (1, &b"wrote/new"[..]));
    assert_eq!(page.entries[0].created, outcome.revision);
}
