"""What a client reads when nothing is wrong."""

import grpc
import pytest


def test_rows_are_read(read):
    assert read("SELECT 1 AS one, 'two' AS two") == [[1, "two"]]


def test_tables_have_rows(read):
    [[orders]] = read("SELECT count(*) FROM orders")
    assert orders > 0


def test_parameters_are_quoted(read):
    assert read("SELECT %(name)s", {"name": "O'Hara"}) == [["O'Hara"]]


def test_many_batches_are_read(read):
    rows = read("SELECT value FROM generate_series(1, 30000) ORDER BY value")
    assert [row[0] for row in rows] == list(range(1, 30001))


def test_columns_have_names(connection):
    cursor = connection.cursor()
    cursor.execute("SELECT 1 AS one, 'two' AS two")
    assert [column[0] for column in cursor.description] == ["one", "two"]
    cursor.clear()


def test_schemas_are_listed(connection):
    assert {"sales", "marketing", "finance"} <= set(connection.get_schema_names(catalog="default"))


def test_bad_sql_is_an_error(connection, teal):
    with pytest.raises(grpc.RpcError, match="no_such_table"):
        connection.cursor().execute("SELECT * FROM no_such_table")
    teal.verify(outcome="error", exactly=1)
