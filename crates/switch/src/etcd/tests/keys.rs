//! The names of keys and their values.

use protocol::Strategy::{Blue, Green};

use crate::{
    etcd::keys::{BadKey, LONGEST_PREFIX, Name, Prefix, check_format, read_query, write_query},
    queries::Query,
};

fn prefix() -> Prefix {
    Prefix::new("teal/").expect("it is good")
}

#[test]
fn names_are_read_as_they_are_written() {
    let prefix = prefix();
    let uuid = "3f1c9d0e-5a53-4c2f-9d8a-0f3f0a9f1b11";
    for (key, name) in [
        (prefix.format(), Name::Format),
        (prefix.state(), Name::State),
        (prefix.instance(0x7ea1), Name::Instance(0x7ea1)),
        (prefix.about(i64::MAX), Name::About(i64::MAX)),
        (prefix.query(uuid), Name::Query(uuid.into())),
        (prefix.query("a/b/ü"), Name::Query("a/b/ü".into())),
    ] {
        assert_eq!(prefix.name(&key).expect("it is ours"), name);
    }
    assert_eq!(&*prefix.instance(0x7ea1), b"teal/instances/0000000000007ea1");
}

/// FNV-1a of "abc" is e71fa2190541574b. The ranges are part of the format: another hash would hide older queries.
#[test]
fn ranges_of_queries_are_fixed() {
    assert_eq!(&*prefix().query("abc"), b"teal/queries/1b/abc");
    assert_eq!(&*prefix().query(""), b"teal/queries/e1/");
}

#[test]
fn queries_spread_over_all_ranges() {
    let prefix = prefix();
    let keys: Vec<_> = (0..10_000).map(|number| prefix.query(&format!("query-{number}"))).collect();
    for range in 0..=u8::MAX {
        let range = prefix.query_range(range);
        assert!((10..100).contains(&keys.iter().filter(|key| range.contains(key)).count()), "{range:?}");
    }
}

#[test]
fn foreign_keys_are_named_in_one_line() {
    let prefix = prefix();
    for key in
        ["teal/other", "teal/instances/7ea1", "teal/queries/00/abc", "teal/state/x", "else", "teal/a\nb"]
    {
        let error = prefix.name(key.as_bytes()).expect_err(key).to_string();
        assert!(error.contains("found a key of another program") && !error.contains('\n'), "{error}");
        assert!(error.starts_with(&key.replace('\n', "\\n")), "{error}");
    }
}

#[test]
fn newer_format_is_named_in_one_line() {
    check_format(b"teal/format", b"1").expect("it is known");
    let newer = check_format(b"teal/format", b"2").expect_err("it is newer");
    assert_eq!(
        newer.to_string(),
        "teal/format: expected format 1, found format 2: a newer teal has written it"
    );
    for bad in ["", "0", "one", "-1"] {
        assert!(matches!(check_format(b"f", bad.as_bytes()), Err(BadKey::Value { .. })), "{bad}");
    }
}

#[test]
fn queries_are_read_as_they_are_written() {
    for query in [Query { strategy: Blue, birth: 7 }, Query { strategy: Green, birth: u64::MAX >> 8 }] {
        assert_eq!(read_query(b"k", write_query(query).as_bytes()).expect("it is ours"), query);
    }
    assert_eq!(write_query(Query { strategy: Blue, birth: 7 }), "b7");
    let later = read_query(b"k", b"g12 something new").expect("what comes behind is ignored");
    assert_eq!(later, Query { strategy: Green, birth: 12 });
    for bad in ["", "b", "x7", "b-7", "ü7", "7"] {
        let error = read_query(b"teal/q", bad.as_bytes()).expect_err(bad).to_string();
        assert!(error.starts_with("teal/q: expected a strategy and an epoch, such as b7, found"), "{error}");
    }
}

#[test]
fn prefix_ends_with_a_slash() {
    assert_eq!(Prefix::new("a").expect("it is good").to_string(), "a/");
    assert!(!Prefix::new("a").expect("it is good").all().contains(b"ab/state"));
    for bad in ["", "a\nb", &"a".repeat(LONGEST_PREFIX + 1)] {
        assert!(Prefix::new(bad).is_err(), "{bad}");
    }
}

#[test]
fn gaps_hold_all_but_the_keys() {
    let (prefix, gaps) = (prefix(), prefix().gaps());
    let in_gaps = |key: &[u8]| gaps.iter().any(|gap| gap.contains(key));
    for key in [prefix.format(), prefix.state(), prefix.instance(1), prefix.about(1), prefix.query("a")] {
        assert!(!in_gaps(&key), "{key:?}");
    }
    for key in ["teal/", "teal/a", "teal/formats", "teal/format/a", "teal/instances", "teal/state2", "teal/z"]
    {
        assert!(in_gaps(key.as_bytes()), "{key}");
    }
    assert!(!in_gaps(b"teal0") && !in_gaps(b"tea"));
}
