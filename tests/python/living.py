"""What a connection does besides reading rows: `living.py ADDRESS`."""

import grpc

from clients import connect
from facts import GENERATION, PASSWORD, VERSION, check_facts, fact, same


def cursor_with(sql, **options):
    cursor = connect(**options).cursor()
    cursor.execute(sql)
    return cursor


@fact
def without_a_catalog_the_older_calls_are_used():
    connection = connect(catalog=None)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) > 1000 FROM orders")
        same(cursor.fetchall(), [[True]])
    assert connection.dry_run("SELECT 1")


@fact
def a_catalog_of_the_cursor_wins():
    connection = connect()
    cursor = connection.cursor(catalog_name="analytics", db_name="reports")
    tables = connection.get_tables("analytics", "reports")
    cursor.execute(f"SELECT count(*) > 0 FROM {tables[0]}")
    same(cursor.fetchall(), [[True]])


@fact
def rows_come_in_any_portion():
    cursor = cursor_with("SELECT value FROM generate_series(1, 25000) ORDER BY value")
    same(cursor.fetchone(), [[1]])
    same([row[0] for row in cursor.fetchmany(10)], list(range(2, 12)))
    assert not cursor.rowcount or cursor.rowcount in (-1, 25000)
    rest = []
    while rows := cursor.fetchmany(7000):
        rest += [row[0] for row in rows]
    same(rest, list(range(12, 25001)))
    same(cursor.fetchone(), None)


@fact
def several_cursors_read_at_once():
    connection = connect()
    cursors = [connection.cursor() for _ in range(5)]
    for n, cursor in enumerate(cursors):
        cursor.execute(f"SELECT value + {n} FROM generate_series(1, 20000) ORDER BY value")
    parts = [[] for _ in cursors]
    for _ in range(4):
        for cursor, part in zip(cursors, parts):
            part += [row[0] for row in cursor.fetchmany(5000)]
    for n, part in enumerate(parts):
        same(part, list(range(1 + n, 20001 + n)))


@fact
def a_statement_fails_with_the_words_of_the_engine_and_the_cursor_goes_on():
    connection = connect()
    cursor = connection.cursor()
    for sql, code, text in [("SELECT * FROM no_such_table", grpc.StatusCode.INVALID_ARGUMENT, "no_such_table"),
                            ("DROP TABLE orders", grpc.StatusCode.PERMISSION_DENIED, "")]:
        try:
            cursor.execute(sql)
        except grpc.RpcError as error:
            assert error.code() == code and text in error.details(), (error.code(), error.details())
        else:
            raise AssertionError(f"{sql} succeeded")
    cursor.execute("SELECT 1")
    same(cursor.fetchall(), [[1]])


@fact
def plans_are_told():
    connection = connect()
    assert "LONG" in connection.dry_run("SELECT order_id FROM orders")
    cursor = connection.cursor()
    cursor.execute("SELECT status, count(*) FROM orders GROUP BY status")
    assert "orders" in cursor.explain()
    cursor.fetchall()
    analysed = cursor.explain_analyse()
    same(set(analysed), {"is_cached", "parsing_time", "queuing_time", "planner"})
    assert analysed["planner"] and analysed["is_cached"] is False, analysed


@fact
def a_query_is_watched_cancelled_and_cleared_twice():
    cursor = cursor_with("SELECT a.value FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000)")
    query = cursor._query_id
    same(cursor.status(query).status, False)
    cursor.cancel(query)
    cursor.clear(query)
    cursor.clear(query)
    cursor.close()
    connection = connect()
    cursor = connection.cursor()
    query = cursor.execute("SELECT 1")
    connection.clear(query, cursor._engine_ip)
    connection.query_cancel(cursor._engine_ip, query)


@fact
def the_catalog_is_listed():
    connection = connect()
    same(sorted(connection.get_schema_names("default")), ["finance", "marketing", "sales"])
    same(sorted(connection.get_tables("default", "sales")), ["customers", "orders", "products"])
    same([column["fieldName"] for column in connection.get_columns("default", "sales", "customers")],
         ["customer_id", "name", "email", "created_date"])
    cursor = connection.cursor()
    same(sorted(cursor.get_tables()), ["customers", "orders", "products"])
    assert cursor.get_columns("orders") and cursor.get_schema_names()
    if VERSION == "3.0.2":
        same(sorted(c["name"] for c in connection.get_catalogs()), ["analytics", "default"])


@fact
def a_session_that_is_gone_is_renewed_by_execute():
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.fetchall()
    connection._session_id = "session-of-nobody"
    cursor.execute("SELECT 2")
    same(cursor.fetchall(), [[2]])
    assert connection._session_id != "session-of-nobody"


@fact
def compressed_calls_are_answered():
    connection = connect(grpc_options={"default_compression_algorithm": grpc.Compression.Gzip.value})
    with connection.cursor() as cursor:
        cursor.execute("SELECT repeat('x', 100000) AS x")
        same(cursor.fetchall(), [["x" * 100000]])


@fact
def wrong_credentials_are_refused():
    # The connectors refuse an empty password before they ask, so it is taken away later.
    connection = connect(username="someone", password=PASSWORD)
    connection._Connection__password = ""
    try:
        # 2.3.15 keeps the error to itself and goes on without a session.
        same(connection.get_session_id, None, "logged in without a password")
        same(VERSION, "2.3.15")
    except (grpc.RpcError, ValueError) as error:
        assert "Invalid credentials" in str(error), error


@fact
def the_generation_is_what_the_tests_take_it_for():
    from e6data_python_connector.server import e6x_engine_pb2

    same("CreateDataFrameRequest" in e6x_engine_pb2.DESCRIPTOR.message_types_by_name, GENERATION == 2)


if __name__ == "__main__":
    check_facts()
