"""Queries that a recording has, and others: `unrecorded.py ADDRESS API record|replay`. The latter goes on until its input ends."""

import select
import sys

from clients import open_client
from facts import limit_time

API, WHAT = sys.argv[2], sys.argv[3]


def check(client, sql, expected):
    """The rows of a query."""
    rows = [list(row) for row in client.read(sql).rows]
    if rows != expected:
        raise AssertionError(f"{sql}: {rows}")


def main():
    limit_time()
    client = open_client(API)
    recorded = "SELECT name FROM flags", [["recorded"]]
    check(client, *recorded)
    rounds = 0
    while WHAT == "replay" and not (rounds and select.select([0], [], [], 0)[0]):
        rounds += 1
        check(client, f"SELECT {rounds} + 1 AS n", [[rounds + 1]])
        check(client, *recorded)
    client.close()
    print(f"{rounds} rounds")


if __name__ == "__main__":
    main()
