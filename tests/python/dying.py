"""Queries without pause while engines die: `dying.py ADDRESS THREADS`. Says `warm` once every thread has completed a query.

An application: what fails is begun anew on the same connection. When the input ends it says in JSON how many queries were
completed, for how long none was, and what became of the others: `refused` before their begin was answered, `lost` after
(with the IP address of the engine that answered it). A login may fail between two calls of a query, since the connector
logs in anew where its strategy has changed: that is refused, not lost.
"""

import collections
import json
import os
import random
import sys
import threading
import time
import traceback

from clients import connect
from facts import limit_time

THREADS = int(sys.argv[2])
# An application that begins anew at once would do little else.
PAUSE = 0.05

stop = threading.Event()
lock = threading.Lock()
refused, lost = collections.Counter(), collections.Counter()
completed, longest, last = 0, 0.0, None
warm = threading.Barrier(THREADS + 1)


def complete():
    """One more query is completed."""
    global completed, longest, last
    with lock:
        now = time.monotonic()
        longest, last, completed = max(longest, now - (last or now)), now, completed + 1


def told(error):
    """What an application is told."""
    return (error.details() if hasattr(error, "details") else None) or f"{type(error).__name__} {error}"


def logged_in(error):
    """Whether it was a login that failed."""
    return any(frame.name == "get_session_id" for frame in traceback.extract_tb(error.__traceback__))


def query(connection, numbers):
    """One query. What is wrong with its rows is an error of its own."""
    first, length = numbers.randrange(1000000), numbers.choice([1, 10, 2000])
    cursor, outcome, at = connection.cursor(), refused, ""
    try:
        cursor.execute(f"SELECT value, value * 7 FROM generate_series({first}, {first + length - 1}) ORDER BY value")
        # Which engine it was begun at.
        outcome, at = lost, f"{cursor._engine_ip}: "
        rows = cursor.fetchall()
        if rows != [[n, n * 7] for n in range(first, first + length)]:
            raise AssertionError(f"wrong rows: {len(rows)} of {length}")
        cursor.clear()
        complete()
        return True
    except Exception as error:
        if logged_in(error):
            outcome, at = refused, "login: "
        with lock:
            outcome[at + told(error)] += 1
        time.sleep(PAUSE)
        return False
    finally:
        try:
            cursor.close()
        except Exception as error:
            with lock:
                refused[f"close: {told(error)}"] += 1


def work(seed):
    """One thread with a connection of its own."""
    numbers, connection = random.Random(seed), connect()
    while not query(connection, numbers):
        pass
    warm.wait()
    while not stop.is_set():
        query(connection, numbers)
    # In the end it is served.
    while not query(connection, numbers):
        pass


def main():
    """Runs the threads until the input ends."""
    limit_time()
    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(THREADS)]
    for thread in threads:
        thread.start()
    warm.wait()
    print("warm", flush=True)
    while os.read(0, 1024):
        pass
    stop.set()
    for thread in threads:
        thread.join(30)
    with lock:
        gap = max(longest, time.monotonic() - last)
        stuck = sum(thread.is_alive() for thread in threads)
        print(json.dumps({"completed": completed, "longest": gap, "stuck": stuck, "refused": refused, "lost": lost}))


if __name__ == "__main__":
    main()
