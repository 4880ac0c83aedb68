"""A table of SQL against expected rows, through one API: `reading.py ADDRESS API`."""

import json
import sys
from decimal import Decimal

from clients import open_client
from facts import VERSION, check_facts, fact, same

API = sys.argv[2] if len(sys.argv) > 2 else "sync"


def client():
    """One client for all facts, opened by the first."""
    if not hasattr(client, "opened"):
        client.opened = open_client(API)
    return client.opened


def decimals(text):
    """What the connector makes of a decimal: 2.2.6 knows no scale and gives the unscaled value."""
    value = Decimal(text)
    if VERSION == "2.2.6":
        return Decimal(int(value.scaleb(-value.as_tuple().exponent)))
    return value


def as_json(value):
    """A check for text that is this value in JSON, however it is spaced."""
    return lambda text: isinstance(text, str) and json.loads(text) == value


def starts(prefix):
    """A check for text that starts like this."""
    return lambda text: isinstance(text, str) and text.startswith(prefix)


def ranked(number):
    """What a ranking gives: it is unsigned, and so read as a decimal."""
    return Decimal(number)


# 2.3.15 takes a day too much off a time before 1970 that is not midnight.
EARLY = "00:00:00.000" if VERSION == "2.3.15" else "23:59:59.999"

# Type in the metadata, the SQL that makes a value of it out of a text, texts, and what is read.
TYPES = [
    ("BOOLEAN", "CAST({} AS BOOLEAN)", ["true", "false"], [True, False]),
    ("BYTE", "CAST({} AS TINYINT)", ["-128", "127"], [-128, 127]),
    ("SHORT", "CAST({} AS SMALLINT)", ["-32768", "32767"], [-32768, 32767]),
    ("INTEGER", "CAST({} AS INT)", ["-2147483648", "2147483647"], [-(2**31), 2**31 - 1]),
    ("LONG", "CAST({} AS BIGINT)", ["-9223372036854775808", "9223372036854775807"], [-(2**63), 2**63 - 1]),
    ("LONG", "arrow_cast({}, 'UInt32')", ["0", "4294967295"], [0, 2**32 - 1]),
    ("DECIMAL128", "arrow_cast({}, 'UInt64')", ["1", "18446744073709551615"], [Decimal(1), Decimal(2**64 - 1)]),
    ("FLOAT", "CAST({} AS FLOAT)", ["1.5", "-0.1"], [1.5, -0.10000000149011612]),
    ("DOUBLE", "CAST({} AS DOUBLE)", ["0.1", "-1.7976931348623157e308"], [0.1, -1.7976931348623157e308]),
    ("DOUBLE", "CAST({} AS DOUBLE)", ["NaN", "-Infinity"], [float("nan"), float("-inf")]),
    ("STRING", "CAST({} AS VARCHAR)", ["", "plain"], ["", "plain"]),
    ("STRING", "arrow_cast({}, 'LargeUtf8')", ["large", "x"], ["large", "x"]),
    ("STRING", "arrow_cast({}, 'Utf8View')", ["a view that is longer than twelve", "x"],
     ["a view that is longer than twelve", "x"]),
    ("STRING", "arrow_cast({}, 'Dictionary(Int32, Utf8)')", ["one", "two"], ["one", "two"]),
    ("DATE", "CAST({} AS DATE)", ["1969-12-31", "1582-10-15"], ["1969-12-31", "1582-10-15"]),
    ("DATE", "CAST({} AS DATE)", ["1970-01-01", "9999-12-31"], ["1970-01-01", "9999-12-31"]),
    ("DATETIME", "CAST({} AS TIMESTAMP)", [f"1969-12-31 {EARLY}", "2024-02-29 12:00:00"],
     [f"1969-12-31T{EARLY}+00:00", "2024-02-29T12:00:00.000+00:00"]),
    ("DATETIME", "arrow_cast({}, 'Timestamp(Second, None)')", ["1900-01-01T00:00:00", "2262-01-01T00:00:01"],
     ["1900-01-01T00:00:00.000+00:00", "2262-01-01T00:00:01.000+00:00"]),
    ("TIMESTAMP_TZ", "arrow_cast({}, 'Timestamp(Microsecond, Some(\"+05:30\"))')",
     ["2024-01-02T03:04:05.678Z", "1959-12-31T18:30:00Z"],
     ["2024-01-02T08:34:05.678+05:30", "1960-01-01T00:00:00.000+05:30"]),
    ("TIMESTAMP_TZ", "arrow_cast({}, 'Timestamp(Millisecond, Some(\"-08:00\"))')",
     ["2024-01-02T03:04:05.678Z", "2024-07-02T03:04:05Z"],
     ["2024-01-01T19:04:05.678-08:00", "2024-07-01T19:04:05.000-08:00"]),
    ("TIMESTAMP_TZ", "arrow_cast({}, 'Timestamp(Nanosecond, Some(\"UTC\"))')",
     ["2024-01-02T03:04:05.678Z", f"1969-12-31T{EARLY}Z"],
     ["2024-01-02T03:04:05.678+00:00", f"1969-12-31T{EARLY}+00:00"]),
    # Its offset is told for each row: winter and summer differ.
    ("TIMESTAMP_TZ", "arrow_cast({}, 'Timestamp(Microsecond, Some(\"Europe/Berlin\"))')",
     ["2024-01-02T03:04:05Z", "2024-07-02T03:04:05Z"],
     ["2024-01-02T04:04:05.000+01:00", "2024-07-02T05:04:05.000+02:00"]),
    ("DECIMAL128", "CAST({} AS DECIMAL(10, 2))", ["-12345678.90", "0.01"], ["-12345678.90", "0.01"]),
    ("DECIMAL128", "CAST({} AS DECIMAL(38, 0))", ["9" * 38, "-" + "9" * 38], ["9" * 38, "-" + "9" * 38]),
    ("DECIMAL128", "CAST({} AS DECIMAL(38, 10))", ["1234567890123456789012345678.0123456789", "-0.0000000001"],
     ["1234567890123456789012345678.0123456789", "-0.0000000001"]),
    ("BINARY", "arrow_cast({}, 'Binary')", ["bytes", "ünï"], ["bytes", "ünï"]),
    ("BINARY", "arrow_cast({}, 'LargeBinary')", ["bytes", ""], ["bytes", ""]),
    ("STRING", "CAST({} AS TIME)", ["12:34:56.789", "00:00:00"], [starts("12:34:56.789"), starts("00:00:00")]),
]


def check(sql, rows, types=None):
    """Reads a statement and compares its rows and, where told, the types of its columns."""
    result = client().read(sql)
    same(result.rows, rows, sql)
    if types is not None:
        same([kind for _, kind in result.columns], list(types), sql)
    return result


def expectation(kind, values):
    return [decimals(value) if kind == "DECIMAL128" and isinstance(value, str) else value for value in values]


@fact
def a_literal_is_read_as_its_type():
    for kind, make, texts, values in TYPES:
        columns = ", ".join(f"{make.format(repr(text))} AS c{n}" for n, text in enumerate(texts))
        check(f"SELECT {columns}", [expectation(kind, values)], [kind] * len(texts))


@fact
def a_column_of_every_type_has_values_and_nulls():
    for kind, make, texts, values in TYPES:
        rows = ", ".join(f"({n}, {text!r})" for n, text in enumerate(texts))
        check(f"SELECT {make.format('v')} AS c FROM (VALUES {rows}, (98, NULL)) AS t(k, v) ORDER BY k",
              [[value] for value in expectation(kind, values)] + [[None]], [kind])


@fact
def every_type_can_be_null_throughout():
    for kind, make, _, _ in TYPES:
        check(f"SELECT {make.format('NULL')} AS c", [[None]], [kind])
        check(f"SELECT {make.format('v')} AS c FROM (VALUES (CAST(NULL AS VARCHAR)), (NULL), (NULL)) AS t(v)",
              [[None]] * 3, [kind])


@fact
def a_null_without_a_type_is_read():
    same(client().read("SELECT NULL AS nothing, 1 AS one").rows, [[None, 1]])


@fact
def a_literal_beside_a_column_is_repeated_in_every_row():
    check("SELECT 'same' AS s, 7 AS n, 1.5 AS f, true AS b, DATE '2020-01-01' AS d, value"
          " FROM generate_series(1, 3) ORDER BY value",
          [["same", 7, lambda f: f in (1.5, Decimal("1.5"), Decimal(15)), True, "2020-01-01", n] for n in (1, 2, 3)])


@fact
def lists_maps_and_structs_are_json():
    check("SELECT [1, 2, NULL] AS a, ['x', 'it''s \"quoted\"'] AS b, named_struct('a', 1, 'b', 'x') AS c,"
          " MAP {'one': 1, 'two': 2} AS d",
          [[as_json([1, 2, None]), as_json(["x", 'it\'s "quoted"']), as_json({"a": 1, "b": "x"}),
            as_json({"one": 1, "two": 2})]],
          ["ARRAY", "ARRAY", "STRUCT", "MAP"])
    check("SELECT make_array(value, value * 2) AS a FROM generate_series(1, 2) ORDER BY value",
          [[as_json([1, 2])], [as_json([2, 4])]], ["ARRAY"])
    check("SELECT [[1], [], NULL] AS nested, named_struct('inner', [named_struct('n', NULL)]) AS deep",
          [[as_json([[1], [], None]), as_json({"inner": [{"n": None}]})]], ["ARRAY", "STRUCT"])


@fact
def intervals_and_durations_are_text():
    result = client().read("SELECT INTERVAL '1 day 2 hours' AS i,"
                           " TIMESTAMP '2024-01-02 00:00:00' - TIMESTAMP '2024-01-01 00:00:00' AS d")
    same([kind for _, kind in result.columns], ["STRING", "STRING"])
    assert all(isinstance(value, str) and value and value != "Failed to parse." for value in result.rows[0]), result
    assert "1 day" in result.rows[0][0] and "2 hour" in result.rows[0][0], result


@fact
def bytes_that_are_no_text_are_lower_case_hexadecimal():
    check("SELECT X'FF00AB' AS b", [["ff00ab"]], ["BINARY"])


@fact
def an_empty_result_has_columns_and_no_rows():
    result = check("SELECT 1 AS one, 'x' AS x WHERE 1 = 0", [])
    same([name for name, _ in result.columns], ["one", "x"])
    check("SELECT order_id FROM orders WHERE order_id < 0", [], ["LONG"])


@fact
def the_row_count_of_a_small_result_is_exact():
    if API.startswith(("alchemy", "async-alchemy")):
        return
    same(client().read("SELECT value FROM generate_series(1, 17)").rowcount, 17)
    same(client().read("SELECT 1 WHERE 1 = 0").rowcount, 0)


@fact
def text_of_every_script_is_read():
    texts = ["Grüße", "世界", "🦀🧵", "שלום", "नमस्ते", "e\u0301", "a\tb\nc", "\u2028", "'", '"', "`", "\U0010ffff"]
    literals = ", ".join("({}, '{}')".format(n, text.replace("'", "''")) for n, text in enumerate(texts))
    check(f"SELECT v FROM (VALUES {literals}) AS t(k, v) ORDER BY k", [[text] for text in texts], ["STRING"])
    check("SELECT '世界 🦀' AS \"列 🧵\"", [["世界 🦀"]])
    same(client().read("SELECT 1 AS \"列 🧵\"").columns[0][0], "列 🧵")


@fact
def a_backslash_escapes_in_a_literal():
    check(r"""SELECT 'it\'s' AS a, 'back\\slash' AS b, 'line\nbreak' AS c, 'tab\tstop' AS d, 'two''quotes' AS e""",
          [["it's", "back\\slash", "line\nbreak", "tab\tstop", "two'quotes"]])


@fact
def long_text_is_read():
    check("SELECT repeat('x', 1000000) AS a, repeat('é漢🦀', 100000) AS b", [["x" * 1000000, "é漢🦀" * 100000]])
    check("SELECT repeat('ab', 40000 + value) AS a FROM generate_series(1, 20) ORDER BY value",
          [["ab" * (40000 + n)] for n in range(1, 21)])


@fact
def joins_match_rows():
    tables = ("WITH a(k, x) AS (VALUES (1, 'a1'), (2, 'a2'), (3, 'a3')),"
              " b(k, y) AS (VALUES (2, 'b2'), (3, 'b3'), (3, 'b3 again'), (4, 'b4')) ")
    check(tables + "SELECT a.k, x, y FROM a JOIN b ON a.k = b.k ORDER BY a.k, y",
          [[2, "a2", "b2"], [3, "a3", "b3"], [3, "a3", "b3 again"]])
    check(tables + "SELECT a.k, y FROM a LEFT JOIN b USING (k) ORDER BY a.k, y",
          [[1, None], [2, "b2"], [3, "b3"], [3, "b3 again"]])
    check(tables + "SELECT a.k, b.k FROM a FULL JOIN b ON a.k = b.k ORDER BY coalesce(a.k, b.k), y",
          [[1, None], [2, 2], [3, 3], [3, 3], [None, 4]])
    check(tables + "SELECT k FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.k = a.k)", [[1]])
    check(tables + "SELECT count(*) FROM a CROSS JOIN b", [[12]], ["LONG"])


@fact
def groups_are_aggregated():
    sales = "WITH s(city, n, d) AS (VALUES ('Oslo', 1, 1.5), ('Rome', 2, 2.5), ('Oslo', 3, NULL), ('Rome', 4, 4.0)) "
    check(sales + "SELECT city, sum(n), count(d), count(*), min(n), max(n), avg(n) FROM s GROUP BY city ORDER BY city",
          [["Oslo", 4, 1, 2, 1, 3, 2.0], ["Rome", 6, 2, 2, 2, 4, 3.0]])
    check(sales + "SELECT city FROM s GROUP BY city HAVING sum(n) > 5", [["Rome"]])
    check(sales + "SELECT city, sum(n) FROM s GROUP BY ROLLUP (city) ORDER BY city NULLS LAST",
          [["Oslo", 4], ["Rome", 6], [None, 10]])
    check(sales + "SELECT count(DISTINCT city), sum(n) FILTER (WHERE n > 1) FROM s", [[2, 9]])
    check("SELECT sum(value), avg(value) FROM generate_series(1, 0)", [[None, None]])


@fact
def common_table_expressions_recur():
    check("WITH RECURSIVE f(n, a, b) AS (SELECT 1 AS n, 0 AS a, 1 AS b UNION ALL SELECT n + 1, b, a + b FROM f WHERE n < 10)"
          " SELECT a FROM f ORDER BY n", [[a] for a in (0, 1, 1, 2, 3, 5, 8, 13, 21, 34)])


@fact
def windows_look_around():
    check("SELECT k, row_number() OVER (PARTITION BY g ORDER BY k) AS r, sum(k) OVER (ORDER BY k) AS s,"
          " lag(k) OVER (ORDER BY k) AS l, rank() OVER (ORDER BY g) AS p"
          " FROM (VALUES (1, 'a'), (2, 'b'), (3, 'a'), (4, 'b')) AS t(k, g) ORDER BY k",
          [[1, ranked(1), 1, None, ranked(1)], [2, ranked(1), 3, 1, ranked(3)],
           [3, ranked(2), 6, 2, ranked(1)], [4, ranked(2), 10, 3, ranked(3)]])


@fact
def the_usual_expressions_work():
    check("SELECT CASE WHEN 1 < 2 THEN 'yes' ELSE 'no' END AS a, coalesce(NULL, 'b') AS b, upper('c') AS c,"
          " substr('abcd', 2, 2) AS d, 'abc' LIKE 'a%' AS e, 5 BETWEEN 1 AND 9 AS f, 3 IN (1, 2) AS g,"
          " 7 % 4 AS h, concat('x', 'y') AS i, nullif(1, 1) AS j",
          [["yes", "b", "C", "bc", True, True, False, 3, "xy", None]])
    check("SELECT extract(year FROM DATE '1999-05-06') AS y, date_trunc('month', TIMESTAMP '1999-05-06 07:08:09') AS m,"
          " DATE '2024-02-28' + INTERVAL '2 days' AS d",
          [[lambda year: int(year) == 1999, "1999-05-01T00:00:00.000+00:00", starts("2024-03-01")]])
    check("SELECT value FROM generate_series(1, 10) ORDER BY value DESC LIMIT 3 OFFSET 2", [[8], [7], [6]])
    check("SELECT 1 AS n UNION SELECT 2 UNION ALL SELECT 2 ORDER BY n", [[1], [2], [2]])


@fact
def names_are_found_whatever_their_case_unless_quoted():
    first = check("SELECT min(ORDER_ID) FROM Orders", [[lambda n: isinstance(n, int)]]).rows
    for sql in ('SELECT min("order_id") FROM "orders"', "SELECT min(`order_id`) FROM `sales`.`orders`",
                "SELECT min(o.Order_Id) FROM DEFAULT.Sales.ORDERS AS o",
                'SELECT min(order_id) FROM "default"."sales"."orders";'):
        check(sql, first)


@fact
def tables_of_the_catalog_join_on_their_keys():
    (orders,), = client().read("SELECT count(*) FROM orders").rows
    assert 1000 <= orders <= 100000, orders
    check("SELECT count(*) FROM orders AS o JOIN customers AS c ON o.customer_id = c.customer_id", [[orders]])
    result = client().read("SELECT * FROM orders ORDER BY order_id LIMIT 5")
    same(result.columns, [("order_id", "LONG"), ("customer_id", "LONG"), ("order_date", "DATETIME"),
                          ("total_amount", "DOUBLE"), ("status", "STRING")])
    result = client().read("SELECT * FROM customers ORDER BY customer_id LIMIT 5")
    same(result.columns, [("customer_id", "LONG"), ("name", "STRING"), ("email", "STRING"), ("created_date", "DATE")])
    per_status = client().read("SELECT status, count(*) AS n, sum(total_amount) AS s FROM orders GROUP BY status")
    same(sum(n for _, n, _ in per_status.rows), orders)


@fact
def a_million_rows_are_read_exactly():
    if API == "sync-pure":
        return
    sql = ("SELECT value, value * 2 AS twice, 'row ' || CAST(value AS VARCHAR) AS text, value % 3 = 0 AS third"
           " FROM generate_series(1, 1000000)")
    seen = bytearray(1000001)
    for batch in client().batches(sql):
        for n, twice, text, third in batch:
            if twice != 2 * n or text != f"row {n}" or third is not (n % 3 == 0):
                raise AssertionError(f"wrong row: {[n, twice, text, third]}")
            seen[n] += 1
    same(seen.count(1), 1000000, "rows seen once")


if __name__ == "__main__":
    check_facts()
