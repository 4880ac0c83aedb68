//! Tables that are generated because a query names them: their columns, types, rows and limits.

use sql::arrow::datatypes::DataType;

use crate::support::{Opened, engine, scope};

fn made() -> Opened {
    engine().generating().open()
}

impl Opened {
    /// The columns of a table, as `name type`.
    async fn shown(&self, table: &str) -> Vec<String> {
        let rows = self.ask(&format!("describe {table}")).await;
        rows.into_iter().map(|row| format!("{} {}", row[0], row[1])).collect()
    }
}

#[tokio::test]
async fn a_column_has_the_type_of_its_use() {
    let engine = made();
    engine
        .ask(
            "select region, sum(revenue), avg(discount), upper(code), date_trunc('hour', seen), tags[1], props['k'],
               case when state = 'open' then 1 end, duration & 1, hidden
             from events
             where quantity > 5 and price < 9.99 and day_of >= date '2024-01-01' and order_date < '2025-01-01'
               and created_at > now() - interval '3' year and active and is_new and note like 'a%' and user_id > 0
               and starts between '2024-01-01' and '2024-12-31' and stamp = '2024-01-01 10:00:00' and email is not null
             group by all",
        )
        .await;
    let mut shown = engine.shown("events").await;
    shown.sort();
    assert_eq!(
        shown,
        [
            "active BOOLEAN",
            "code STRING",
            "created_at TIMESTAMP",
            "day_of DATE",
            "discount DOUBLE",
            "duration BIGINT",
            "email STRING",
            "hidden STRING",
            "is_new BOOLEAN",
            "note STRING",
            "order_date DATE",
            "price DECIMAL(18,2)",
            "props MAP<STRING,STRING>",
            "quantity BIGINT",
            "region STRING",
            "revenue DOUBLE",
            "seen TIMESTAMP",
            "stamp TIMESTAMP",
            "starts DATE",
            "state STRING",
            "tags ARRAY<STRING>",
            "user_id BIGINT",
        ]
    );
}

const DASHBOARD: [&str; 28] = [
    "select count(*) from visits",
    "select date_trunc('month', created_at) as month, count(*) as n from visits group by month order by month",
    "select date_trunc('day', ts) d, count(distinct user_id) from visits where ts >= current_date - interval '30' day group by 1",
    "select country, sum(amount) total from payments where status = 'paid' group by country having sum(amount) > 10 order by total desc limit 10",
    "select u.name, count(*) from users u join payments p on p.user_id = u.id group by u.name",
    "select u.country, avg(p.amount) from users u left join payments p using (user_id) group by u.country",
    "with m as (select customer_id, sum(total) as spent from invoices group by customer_id) select c.segment, avg(m.spent) from customers_x c join m on m.customer_id = c.id group by c.segment",
    "select * from (select region, row_number() over (partition by region order by revenue desc) as rn, revenue from sales_x) s where rn <= 3",
    "select extract(year from order_date) y, extract(month from order_date) m, sum(qty * unit_price) from lines group by 1, 2 order by 1, 2",
    "select case when age < 18 then 'minor' when age < 65 then 'adult' else 'senior' end bucket, count(*) from people group by bucket",
    "select name from people p where exists (select 1 from payments where person_id = p.id and amount > 5)",
    "select name from people where id in (select person_id from payments where status = 'paid')",
    "select name from people where id not in (select person_id from refunds)",
    "select (select max(amount) from payments where person_id = p.id) from people p",
    "select coalesce(country, 'unknown') c, count(*) from visits group by c",
    "select country, count(*) filter (where is_mobile) from visits group by country",
    "select country, city, count(*) from visits group by rollup(country, city)",
    "select lag(revenue) over (order by day) prev, revenue - lag(revenue) over (order by day) from daily",
    "select source from visits union all select channel from campaigns_x order by 1 limit 5",
    "select a.id, b.id from nodes a join nodes b on a.parent_id = b.id where a.kind <> b.kind",
    "select datediff(ended_at, started_at) from tickets where closed",
    "select percentile_cont(0.5) within group (order by latency) from calls",
    "select lower(email) || '@' || domain from accounts_x where email like '%example%' and length(domain) between 3 and 20",
    "select count(*) from visits v, users u where v.user_id = u.user_id and v.browser in ('Firefox', 'Chrome') and not u.is_bot",
    "select year(signup_date), count(*) from users group by year(signup_date) order by 1",
    "select o.customer_id, c.segment from orders o join segments c on c.customer_id = o.customer_id",
    "select * from audit where level = 'error' order by happened_at desc limit 5",
    "select sum(case when won then value else 0 end) / nullif(sum(value), 0) from deals where stage not in ('lost', 'new')",
];

#[tokio::test]
async fn a_whole_dashboard_runs_twice() {
    let engine = made();
    let mut first = Vec::new();
    for query in DASHBOARD {
        first.push(engine.ask(query).await);
    }
    let empty = DASHBOARD.iter().zip(&first).filter(|(_, rows)| rows.is_empty());
    let empty: Vec<_> = empty.map(|(query, _)| query).collect();
    assert!(empty.is_empty(), "no rows for {empty:?}");
    // Queries in between change no row.
    for (query, rows) in DASHBOARD.iter().zip(first) {
        let sorted = |mut rows: Vec<Vec<String>>| {
            rows.sort();
            rows
        };
        let limited = query.contains("limit");
        let again = engine.ask(query).await;
        assert!(again.len() == rows.len() && (limited || sorted(again) == sorted(rows)), "{query}");
    }
}

#[tokio::test]
async fn columns_are_those_of_all_queries_so_far() {
    let engine = made();
    engine.ask("select Alpha from t").await;
    assert_eq!(engine.shown("t").await, ["alpha STRING"]);
    engine.ask("select count(*) from T where beta > 1").await;
    assert_eq!(engine.shown("t").await, ["alpha STRING", "beta BIGINT"]);
    assert_eq!(engine.names("select * from t").await, ["alpha", "beta"]);
    assert_eq!(engine.engine.tables(&scope("", "")).len(), 4);
    let sql =
        "select column_name from information_schema.columns where table_name = 't' order by ordinal_position";
    assert_eq!(engine.ask(sql).await, [["alpha"], ["beta"]]);
    assert!(engine.ask("show tables").await.contains(&vec!["t".to_owned()]));
    engine.ask("select 1 from elsewhere.deep.things").await;
    assert!(engine.engine.schemas("elsewhere").contains(&"deep".to_owned()));
    assert_eq!(engine.ask("show tables in elsewhere.deep").await, [["things"]]);
}

#[tokio::test]
async fn nothing_is_remembered_of_a_refused_query() {
    let engine = made();
    engine.refused("select gone, no_such_function(x) from t").await;
    assert_eq!(engine.engine.tables(&scope("", "")).len(), 3);
    assert!(engine.engine.columns(&scope("", ""), "t").await.expect("columns").fields().is_empty());
}

#[tokio::test]
async fn known_types_stay_and_other_uses_still_run() {
    let engine = made();
    engine.ask("select code from t").await;
    engine.ask("select sum(code) from t").await;
    assert_eq!(engine.shown("t").await, ["code DOUBLE"]);
    engine.ask("select upper(code), code like 'a%' from t where code = 'x'").await;
    engine.ask("select date_trunc('day', code) from t").await;
    engine.ask("select 1 from t where code").await;
    assert_eq!(engine.shown("t").await, ["code DOUBLE"]);
    engine.ask("select sum(code) from t where code > 5").await;
}

#[tokio::test]
async fn others_columns_make_nothing_ambiguous() {
    let engine = made();
    let query = "select status, count(*) from a join b on a.id = b.a_id group by status order by status";
    let before = engine.ask(query).await;
    engine.ask("select status, id, a_id from b").await;
    engine.ask("select status from a").await;
    assert_eq!(engine.ask(query).await, before);
    engine.ask("select a.*, b.*, status from a join b on a.id = b.a_id where \"STATUS\" is not null").await;
    engine.ask("select * from a join b using (id) where a_id > 0").await;
}

#[tokio::test]
async fn a_name_goes_to_the_likeliest_table() {
    let engine = made();
    engine
        .ask("select client_name, ordered, s_x from invoices, clients, suppliers where i_x = 1 and s_x = 2")
        .await;
    assert_eq!(engine.shown("clients").await, ["client_name STRING"]);
    assert_eq!(engine.shown("suppliers").await, ["s_x BIGINT"]);
    assert_eq!(engine.shown("invoices").await, ["i_x BIGINT", "ordered STRING"]);
    // Known columns have priority, and those of the inner query.
    engine.ask("select status, made_only from orders, extra where extra.k = order_id").await;
    assert_eq!(engine.shown("extra").await, ["k BIGINT", "made_only STRING"]);
    engine
        .ask("select 1 from people where exists (select 1 from pets where owner = people.id and weight > 1)")
        .await;
    assert_eq!(engine.shown("pets").await, ["owner BIGINT", "weight BIGINT"]);
}

#[tokio::test]
async fn forms_of_other_engines_name_columns_too() {
    let engine = made();
    let rows = engine
        .ask("select * from (select k, v from cells) pivot (sum(v) for k in ('a' as a, 'b' as b))")
        .await;
    assert_eq!(rows.len(), 1);
    assert_eq!(engine.shown("cells").await, ["k STRING", "v DOUBLE"]);
    engine.ask("select qty * 2 as twice, twice + 1 as more from t").await;
    assert_eq!(engine.shown("t").await, ["qty BIGINT"]);
}

#[tokio::test]
async fn keys_find_each_other_in_joins() {
    let engine = made();
    for (query, rows) in [
        ("select count(*) from users u join payments p on p.user_id = u.id", "1000"),
        ("select count(*) from customer join orders_x on c_custkey = o_custkey", "1000"),
        ("select count(*) from teams t join members m on m.teamId = t.teamId", "1000"),
        ("select count(*) from users where user_id = 4711", "1"),
        ("select count(*) from users where user_id = 17", "1"),
    ] {
        assert_eq!(engine.one(query).await, rows, "{query}");
    }
    assert_ne!(engine.one("select count(*) from l join r on l.city = r.town").await, "0");
    assert_ne!(engine.one("select count(*) from l where city = 'Paris' and size >= 1000000").await, "0");
}

#[tokio::test]
async fn real_tables_are_as_they_were() {
    let (plain, made) = (engine().open(), made());
    made.ask("select order_id, invented from somewhere").await;
    for query in
        ["select * from orders order by order_id limit 50", "select count(*), max(name) from customers"]
    {
        assert_eq!(made.ask(query).await, plain.ask(query).await);
    }
    let error = made.refused("select invented from orders").await;
    assert!(error.to_string().contains("not found"), "{error}");
}

#[tokio::test]
async fn generated_tables_have_limits() {
    let engine = made();
    let long = "x".repeat(129);
    let error = engine.refused(&format!("select {long} from t")).await;
    assert!(error.to_string().contains("more than 128 characters"), "{error}");
    let error = engine.refused(&format!("select 1 from {long}")).await;
    assert!(error.to_string().contains("more than 128 characters"), "{error}");
    engine.plan(&format!("select {} from t", &long[1..])).await;
    let columns =
        |from: usize, to: usize| (from..to).map(|at| format!("c{at}")).collect::<Vec<_>>().join(", ");
    let error = engine.refused(&format!("select {} from t", columns(0, 501))).await;
    assert!(error.to_string().contains("more than 500 columns"), "{error}");
    engine.plan(&format!("select {} from wide", columns(0, 400))).await;
    engine.plan(&format!("select {} from wide", columns(300, 600))).await;
    let shown =
        || async { engine.engine.columns(&scope("", ""), "wide").await.expect("columns").fields().len() };
    assert_eq!(shown().await, 500);
    // Columns beyond the limit exist for the query that names them.
    assert_eq!(engine.ask("select c599 from wide").await.len(), 1000);
    // At most 20 000 columns in all, of the most recently used tables.
    for at in 0..40 {
        engine.plan(&format!("select {} from w{at}", columns(0, 500))).await;
    }
    assert_eq!(shown().await, 0);
    assert_eq!(engine.engine.tables(&scope("", "")).len(), 3 + 40);
    for at in 0..1001 {
        engine.plan(&format!("select k from n{at}")).await;
    }
    let tables = engine.engine.tables(&scope("", ""));
    assert_eq!(tables.len(), 3 + 1000);
    assert!(!tables.contains(&"n0".to_owned()) && tables.contains(&"n1".to_owned()));
    assert_eq!(engine.ask("select k from n0").await.len(), 1000);
}

#[tokio::test]
async fn nested_queries_are_walked_once() {
    let engine = made();
    let (mut case, mut recursive) = ("x".to_owned(), "select 1 as n".to_owned());
    for _ in 0..40 {
        case = format!("case {case} when 1 then 2 end");
    }
    engine.plan(&format!("select {case} from t where y in ({case}, 1)")).await;
    for _ in 0..20 {
        recursive = format!(
            "with recursive r as (select n from ({recursive}) s union all select 1 from t) select n from r"
        );
    }
    let error = engine.refused(&recursive).await.to_string();
    assert!(error.contains("with those inside WITH"), "{error}");
}

#[tokio::test]
async fn a_star_over_unknown_tables_has_four_columns() {
    let engine = made();
    let names = ["id", "name", "amount", "created_at"];
    assert_eq!(engine.names("select * from t").await, names);
    assert_eq!(
        engine.names("select s.* from (select * from u where region = 'EU') s").await,
        [&names[..], &["region"]].concat()
    );
    assert_eq!(engine.names("select * from a natural join b").await, names);
    let statement = engine.plan("select id, created_at from t").await;
    assert_eq!(statement.schema().field(0).data_type(), &DataType::Int64);
    assert_eq!(engine.one("select count(*) from t cross join (select 1) x").await, "1000");
}

#[tokio::test]
async fn frames_have_the_known_columns() {
    let engine = made();
    engine.ask("select region, sum(revenue) from facts group by region").await;
    let frame = engine.engine.table_frame(&engine.scope, "facts").await.expect("a frame");
    let frame = frame.project(&["REGION".to_owned()]).expect("a column");
    assert_eq!(frame.statement().expect("a plan").schema().field(0).name(), "region");
}
