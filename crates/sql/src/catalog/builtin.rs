//! The built-in catalogs: names and columns of their tables. Rows are generated when a table is first scanned, and
//! are the same on every start.

use super::{
    column::{
        Column,
        Make::{Between, Serial},
        of::{
            boolean, bytes, choice, date, decimal, double, duration, instant, int, interval, list, long, map,
            structure, text, time,
        },
    },
    random::Random,
};
use datafusion::arrow::datatypes::DataType;

/// One built-in table.
pub(super) struct Spec {
    pub(super) catalog: &'static str,
    pub(super) schema: &'static str,
    pub(super) name: &'static str,
    pub(super) rows: usize,
    pub(super) columns: fn() -> Vec<Column>,
}

/// The default schema of the default catalog.
pub(super) const DEFAULT_SCHEMA: &str = "sales";

const fn table(path: [&'static str; 3], rows: usize, columns: fn() -> Vec<Column>) -> Spec {
    let [catalog, schema, name] = path;
    Spec { catalog, schema, name, rows, columns }
}

const ORDERS: i128 = 5000;
const CUSTOMERS: i128 = 1000;
const CAMPAIGNS: i128 = 60;
const LEADS: i128 = 3000;
const ACCOUNTS: i128 = 120;
const DASHBOARDS: i128 = 40;

/// All built-in tables.
pub(super) static TABLES: [Spec; 16] = [
    table(["default", "sales", "orders"], ORDERS as usize, orders),
    table(["default", "sales", "customers"], CUSTOMERS as usize, customers),
    table(["default", "sales", "products"], 200, products),
    table(["default", "marketing", "campaigns"], CAMPAIGNS as usize, campaigns),
    table(["default", "marketing", "leads"], LEADS as usize, leads),
    table(["default", "marketing", "conversions"], 1200, conversions),
    table(["default", "finance", "transactions"], 4000, transactions),
    table(["default", "finance", "accounts"], ACCOUNTS as usize, accounts),
    table(["default", "finance", "budgets"], 96, budgets),
    table(["analytics", "reports", "daily_revenue"], 730, daily_revenue),
    table(["analytics", "reports", "report_runs"], 500, report_runs),
    table(["analytics", "dashboards", "dashboards"], DASHBOARDS as usize, dashboards),
    table(["analytics", "dashboards", "widgets"], 240, widgets),
    table(["analytics", "metrics", "page_views"], 4000, page_views),
    table(["analytics", "metrics", "service_levels"], 600, service_levels),
    table(["analytics", "metrics", "counters"], 2000, counters),
];

const FIRST: [&str; 12] =
    ["Ada", "Björn", "Chloé", "Dilip", "Elena", "Fatima", "Grace", "Hiro", "Inês", "José", "Kofi", "李娜"];
const LAST: [&str; 10] =
    ["Andersen", "Brown", "García", "Haddad", "Ito", "Kowalski", "Müller", "O'Neill", "Patel", "Zhang"];
const CHANNELS: [&str; 5] = ["email", "search", "social", "display", "partner"];
const COUNTRIES: [&str; 6] = ["DE", "IN", "US", "JP", "BR", "FR"];
const CURRENCIES: [&str; 4] = ["EUR", "USD", "INR", "JPY"];
const COLOURS: [&str; 5] = ["black", "white", "teal", "red", "grün"];

fn person(_: usize, random: &mut Random) -> String {
    format!("{} {}", random.pick(&FIRST), random.pick(&LAST))
}

fn address(row: usize, _: &mut Random) -> String {
    format!("person{}@example.com", row + 1)
}

fn numbered(word: &str, row: usize) -> String {
    format!("{word} {}", row + 1)
}

fn orders() -> Vec<Column> {
    vec![
        long("order_id", Serial(1)),
        long("customer_id", Between(1, CUSTOMERS)),
        instant("order_date", None),
        double("total_amount", 500, 250_000).nulls(2),
        choice("status", &["pending", "paid", "shipped", "delivered", "cancelled"]).nulls(1),
    ]
}

fn customers() -> Vec<Column> {
    vec![
        long("customer_id", Serial(1)),
        text("name", person),
        text("email", address).nulls(5),
        date("created_date").nulls(1),
    ]
}

fn products() -> Vec<Column> {
    let size = |name| double(name, 100, 9000);
    vec![
        long("product_id", Serial(1)),
        text("name", |row, _| numbered("Product", row)),
        choice("category", &["books", "garden", "kitchen", "music", "toys"]).nulls(3),
        decimal("price", 10, 2, 99, 99_999),
        Column::new("weight_kg", DataType::Float32, Between(5, 4000)).nulls(4),
        Column::new("rating", DataType::Int8, Between(1, 5)).nulls(10),
        Column::new("stock", DataType::Int16, Between(0, 900)),
        boolean("active").nulls(2),
        list("tags", choice("item", &COLOURS).nulls(5), 4).nulls(5),
        map("attributes", &["colour", "material", "origin"], &["oak", "steel", "teal", "wool"]).nulls(5),
        structure("dimensions", vec![size("width"), size("height"), size("depth").nulls(10)]).nulls(5),
        bytes("thumbnail", 12).nulls(10),
    ]
}

fn campaigns() -> Vec<Column> {
    vec![
        int("campaign_id", Serial(1)),
        text("name", |row, _| numbered("Campaign", row)),
        choice("channel", &CHANNELS),
        date("start_date"),
        date("end_date").nulls(20),
        decimal("budget", 12, 2, 100_000, 90_000_000),
        boolean("active"),
        list("countries", choice("item", &COUNTRIES), 3),
        duration("attention").nulls(10),
    ]
}

fn leads() -> Vec<Column> {
    vec![
        long("lead_id", Serial(1)),
        int("campaign_id", Between(1, CAMPAIGNS)),
        long("customer_id", Between(1, CUSTOMERS)).nulls(30),
        text("email", address),
        Column::new("score", DataType::Int16, Between(-100, 1000)).nulls(5),
        instant("captured_at", Some("UTC")),
        choice("source", &CHANNELS).nulls(5),
    ]
}

fn conversions() -> Vec<Column> {
    let touch = vec![
        choice("first", &CHANNELS),
        choice("last", &CHANNELS).nulls(10),
        Column::new("weight", DataType::Float32, Between(0, 100)),
    ];
    vec![
        long("conversion_id", Serial(1)),
        long("lead_id", Between(1, LEADS)),
        long("order_id", Between(1, ORDERS)).nulls(15),
        instant("converted_at", Some("+05:30")).nulls(2),
        decimal("revenue", 14, 4, 10_000, 90_000_000),
        interval("time_to_convert").nulls(5),
        structure("attribution", touch).nulls(5),
    ]
}

fn transactions() -> Vec<Column> {
    vec![
        Column::new("transaction_id", DataType::UInt64, Between(1, u64::MAX as i128)),
        int("account_id", Between(1, ACCOUNTS)),
        long("order_id", Between(1, ORDERS)).nulls(20),
        instant("booked_at", Some("UTC")),
        date("value_date"),
        decimal("amount", 18, 2, -50_000_000, 50_000_000),
        decimal("exchange_rate", 20, 10, 1_000_000_000, 900_000_000_000).nulls(40),
        bytes("reference", 16),
        boolean("reversed").nulls(1),
    ]
}

fn accounts() -> Vec<Column> {
    const MOST: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;
    vec![
        int("account_id", Serial(1)),
        text("iban", |_, random| format!("DE{:020}", random.between(0, 99_999_999_999_999_999_999))),
        text("holder", person),
        choice("currency", &CURRENCIES),
        decimal("balance", 38, 2, -MOST, MOST).nulls(3),
        Column::new("opened", DataType::Date32, Between(-7000, 20_000)).nulls(3),
        Column::new("kind", DataType::Int8, Between(-3, 3)),
    ]
}

fn budgets() -> Vec<Column> {
    vec![
        Column::new("budget_id", DataType::Int16, Serial(1)),
        choice("department", &["engineering", "finance", "marketing", "sales"]),
        Column::new("fiscal_year", DataType::Int16, Between(2023, 2025)),
        Column::new("quarter", DataType::Int8, Between(1, 4)),
        decimal("planned", 15, 0, 10_000, 900_000),
        decimal("spent", 15, 3, 0, 900_000_000).nulls(10),
        time("cutoff").nulls(10),
        boolean("approved").nulls(10),
    ]
}

fn daily_revenue() -> Vec<Column> {
    vec![
        Column::new("day", DataType::Date32, Serial(19_723)),
        long("orders", Between(0, 400)),
        double("revenue", 0, 9_000_000).nulls(1),
        decimal("refunds", 12, 2, 0, 900_000).nulls(5),
    ]
}

fn report_runs() -> Vec<Column> {
    vec![
        long("run_id", Serial(1)),
        choice("report", &["daily_revenue", "churn", "cohorts", "stock"]),
        instant("started_at", Some("UTC")),
        duration("took").nulls(5),
        boolean("succeeded"),
        bytes("checksum", 8).nulls(5),
    ]
}

fn dashboards() -> Vec<Column> {
    vec![
        int("dashboard_id", Serial(1)),
        text("title", |row, _| numbered("Dashboard", row)),
        text("owner", person).nulls(10),
        instant("created_at", None),
        list("tags", choice("item", &COLOURS), 3),
    ]
}

fn widgets() -> Vec<Column> {
    let cell = |name| int(name, Between(0, 11));
    vec![
        int("widget_id", Serial(1)),
        int("dashboard_id", Between(1, DASHBOARDS)),
        choice("kind", &["bar", "gauge", "line", "table"]),
        structure("position", vec![cell("x"), cell("y")]),
        interval("refresh_every").nulls(20),
        boolean("visible"),
        map("settings", &["colour", "legend", "unit"], &["auto", "off", "teal"]),
    ]
}

fn page_views() -> Vec<Column> {
    vec![
        Column::new("view_id", DataType::UInt64, Serial(1)),
        choice("path", &["/", "/cart", "/product", "/search", "/über-uns"]),
        long("customer_id", Between(1, CUSTOMERS)).nulls(40),
        instant("viewed_at", None),
        time("local_time"),
        int("duration_ms", Between(10, 600_000)).nulls(3),
        Column::new("bytes_sent", DataType::UInt64, Between(200, 5_000_000)),
    ]
}

fn service_levels() -> Vec<Column> {
    vec![
        choice("service", &["api", "checkout", "search"]),
        instant("window_start", Some("+05:30")),
        Column::new("availability", DataType::Float32, Between(9000, 10_000)),
        double("p99_ms", 500, 90_000).nulls(2),
        list("samples", double("item", 100, 90_000), 5),
        duration("error_budget"),
    ]
}

fn counters() -> Vec<Column> {
    vec![
        choice("name", &["errors", "logins", "orders", "signups"]),
        instant("at", None),
        long("value", Between(0, 1_000_000)),
        int("delta", Between(-500, 500)).nulls(5),
    ]
}
