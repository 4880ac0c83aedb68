"""A connection to teal for each test."""

import pytest
from e6data_python_connector import Connection


@pytest.fixture
def connection(teal):
    connection = Connection(**teal.connect())
    yield connection
    connection.close()


@pytest.fixture
def read(connection):
    """Runs a query, reads all of its rows, and clears it."""

    def read(sql, parameters=None):
        cursor = connection.cursor()
        cursor.execute(sql, parameters)
        rows = cursor.fetchall()
        cursor.clear()
        return rows

    return read
