"""Reads one row with a connector, and clears the query: `once.py ADDRESS`."""

from clients import connect

connection = connect()
cursor = connection.cursor()
cursor.execute("SELECT 1 AS one")
assert cursor.fetchall() == [[1]]
cursor.clear()
