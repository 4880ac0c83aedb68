"""Queries without pause until the input ends, through switches: `switching.py ADDRESS THREADS drain|strict`.

Every row is checked, and every seventh query is followed by a schema call. With `drain` no call may fail. With
`strict` only 456s may, and a fresh execute has to recover.
"""

import json
import os
import random
import sys
import threading
import time
import traceback

from clients import connect
from facts import VERSION, limit_time

THREADS, STRICT = int(sys.argv[2]), sys.argv[3] == "strict"
TABLES = ["customers", "orders", "products"]
# A fresh execute can meet the next switch; three in a row can not, when seconds lie between them.
TRIES = 3

stop = threading.Event()
wrong = []
counts = {"queries": 0, "rows": 0, "schema calls": 0, "rejected": 0}
lock = threading.Lock()


def count(what, number=1):
    with lock:
        counts[what] += number


def query(connection, numbers):
    """One query of random length, cleared as applications do, all its rows checked."""
    first, length = numbers.randrange(1000000), numbers.choice([1, 10, 300, 3000])
    cursor = connection.cursor()
    try:
        cursor.execute(f"SELECT value, value * 7 AS seven, 'row ' || CAST(value AS VARCHAR) AS name"
                       f" FROM generate_series({first}, {first + length - 1}) ORDER BY value")
        rows = []
        while batch := cursor.fetchmany(512):
            rows += batch
        if rows != [[n, n * 7, f"row {n}"] for n in range(first, first + length)]:
            raise AssertionError(f"wrong rows: {len(rows)} of {length} from {first}, {rows[:3]} …")
        cursor.clear()
    finally:
        # Clears once more, also what an error left open, and is silent about errors of its own.
        cursor.close()
    count("queries")
    count("rows", length)


def schema_call(connection, numbers):
    """One of the neutral calls."""
    which = numbers.randrange(3)
    if which == 0:
        found, expected = sorted(connection.get_tables("default", "sales")), TABLES
    elif which == 1:
        found, expected = sorted(connection.get_schema_names("default")), ["finance", "marketing", "sales"]
    else:
        found, expected = [c["fieldName"] for c in connection.get_columns("default", "sales", "customers")], [
            "customer_id", "name", "email", "created_date"]
    if found != expected:
        raise AssertionError(f"wrong answer to a schema call: {found}")
    count("schema calls")


def rejected(error):
    """Whether a client was told that it has the wrong strategy."""
    return "status: 456" in (error.details() or "") if hasattr(error, "details") else False


def recover(connection, numbers):
    """A fresh execute, after a 456."""
    for left in reversed(range(TRIES)):
        try:
            return query(connection, numbers)
        except Exception as error:
            if not left or not rejected(error):
                raise
            count("rejected")


def work(seed):
    """One thread with a connection of its own."""
    numbers = random.Random(seed)
    about = "connecting"
    try:
        connection = connect()
        done = 0
        while not stop.is_set() and not wrong:
            done += 1
            for step in (query, schema_call) if done % 7 == 0 else (query,):
                about = f"{step.__name__} {done} at {time.strftime('%H:%M:%S')}"
                try:
                    step(connection, numbers)
                except Exception as error:
                    if not STRICT or not rejected(error):
                        raise
                    count("rejected")
                    recover(connection, numbers)
    except Exception:
        with lock:
            wrong.append(f"thread {seed}, {about}\n{traceback.format_exc()}")


def until_the_input_ends():
    """Reads past `sys.stdin`, whose lock a process that 2.2.6 forks would wait for."""
    while os.read(0, 1024):
        pass
    stop.set()


def main():
    """Runs the threads until the input ends."""
    limit_time()
    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    threading.Thread(target=until_the_input_ends, daemon=True).start()
    for thread in threads:
        thread.join()
    print("\n".join(wrong))
    print(f"{VERSION} {json.dumps(counts)}", flush=True)
    if wrong or not counts["queries"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
