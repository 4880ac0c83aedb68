"""Queries whose rows are kept in a file, or compared with it until the input ends: `replaying.py ADDRESS API FILE`."""

import json
import os
import select
import sys

from clients import open_client
from facts import limit_time

API, FILE = sys.argv[2], sys.argv[3]

QUERIES = [
    "SELECT 1",
    "SELECT status, count(*) AS n, sum(total_amount) AS s FROM orders GROUP BY status ORDER BY status",
    "SELECT value, 'row ' || CAST(value AS VARCHAR) AS text FROM generate_series(1, 3000) ORDER BY value",
    "SELECT name FROM customers WHERE name = 'no  one'",
]


def read(client):
    """All rows and columns, in JSON."""
    results = [client.read(sql) for sql in QUERIES]
    return json.dumps([[result.columns, result.rows] for result in results], default=str)


def main():
    limit_time()
    client = open_client(API)
    if not os.path.exists(FILE):
        rows = read(client)
        with open(FILE, "w") as file:
            file.write(rows)
        client.close()
        return
    with open(FILE) as file:
        expected = file.read()
    rounds = 0
    # No thread reads the input: connectors fork, and the child would wait for it.
    while not (rounds and select.select([0], [], [], 0)[0]):
        if read(client) != expected:
            raise AssertionError("other rows than recorded")
        rounds += 1
    client.close()
    print(f"{rounds} rounds")


if __name__ == "__main__":
    main()
