//! String literals as clients send them.

use crate::support::engine;

#[tokio::test]
async fn backslash_escapes() {
    let engine = engine().open();
    for (sql, value) in [
        (r"select 'it\'s'", "it's"),
        (r"select 'it''s'", "it's"),
        (r"select 'a\\b'", r"a\b"),
        (r"select 'a\nb'", "a\nb"),
        (r"select 'a\tb'", "a\tb"),
        (r#"select 'say \"hi\"'"#, r#"say "hi""#),
        (r"select 'end\\'", r"end\"),
        (r"select '\\\''", r"\'"),
        (r"select 'grün \' 李'", "grün ' 李"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
}

#[tokio::test]
async fn an_escaped_wildcard_means_itself() {
    let engine = engine().open();
    for (sql, value) in [
        (r"select '50%' like '50\%'", "true"),
        (r"select '500' like '50\%'", "false"),
        (r"select '500' like '50%'", "true"),
        (r"select 'a_b' like 'a\_b'", "true"),
        (r"select 'axb' like 'a\_b'", "false"),
        (r"select '50\%'", r"50\%"),
    ] {
        assert_eq!(engine.one(sql).await, value, "{sql}");
    }
}

#[tokio::test]
async fn quotes_and_comments_inside_literals_are_text() {
    let engine = engine().open();
    assert_eq!(engine.one("select '-- no; comment ? $1'").await, "-- no; comment ? $1");
    assert_eq!(engine.ask("select \"x y\" from (select 1 as \"x y\")").await, [["1"]]);
    assert_eq!(engine.ask("select `x y` from (select 1 as `x y`)").await, [["1"]]);
    assert_eq!(engine.names("select 1 as \"It's \"\"it\"\"\"").await, ["It's \"it\""]);
}
