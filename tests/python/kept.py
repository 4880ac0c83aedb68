"""Reads two rows with a connector, or what a statement selects, and prints its session: `kept.py ADDRESS [SQL]`."""

import sys

from clients import connect

connection = connect()
cursor = connection.cursor()
if len(sys.argv) > 2:
    cursor.execute(sys.argv[2])
    assert len(cursor.fetchall()) > 0
else:
    cursor.execute("SELECT 1 AS id, 'x<b>y' AS name UNION ALL SELECT 2, NULL ORDER BY id")
    assert cursor.fetchall() == [[1, "x<b>y"], [2, None]]
cursor.clear()
print(connection.get_session_id)
