"""A client of its own user, until its input ends: `fates.py ADDRESS follow|recover|freeze|vanish|stray`.

Says `at work` once it queries. `follow` bears no failure, `recover` answers a 456 with a fresh execute, `freeze` never
takes another strategy than blue and says `refused` at its first 456, `vanish` is gone in the middle of a query, `stray`
calls what nobody knows, and ends.
"""

import os
import sys
import threading

from clients import connect
from facts import limit_time

FATE = sys.argv[2]
SQL = "SELECT value FROM generate_series(1, 3000) ORDER BY value"

ended = threading.Event()


def until_the_input_ends():
    while os.read(0, 1024):
        pass
    ended.set()


def rejected(error):
    return "status: 456" in (error.details() or "") if hasattr(error, "details") else False


def say(what, said=set()):
    if what not in said:
        said.add(what)
        print(what, flush=True)


def query(connection):
    cursor = connection.cursor()
    try:
        cursor.execute(SQL)
        rows = cursor.fetchall()
        assert [row[0] for row in rows] == list(range(1, 3001)), rows[:3]
        cursor.clear()
    finally:
        cursor.close()


def freeze():
    """Has every request of this process say blue."""
    from e6data_python_connector import e6data_grpc

    header = e6data_grpc._get_grpc_header
    e6data_grpc._get_grpc_header = lambda **parts: header(**parts | {"strategy": "blue"})


def stray():
    import grpc

    try:
        grpc.insecure_channel(sys.argv[1]).unary_unary("/Nothing/atAll")(b"", timeout=20)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error


def main():
    limit_time()
    threading.Thread(target=until_the_input_ends, daemon=True).start()
    if FATE == "stray":
        return stray()
    if FATE == "freeze":
        freeze()
    connection = connect(username=f"{FATE}@example.com")
    if FATE == "vanish":
        cursor = connection.cursor()
        cursor.execute(SQL)
        assert cursor.fetchmany(10)
        say("at work")
        ended.wait()
        os._exit(0)
    while not ended.is_set():
        try:
            query(connection)
            say("at work")
        except Exception as error:
            if FATE == "follow" or not rejected(error):
                raise
            say("refused")
            ended.wait(0.1)
    # Threads of a connector that still wait for something must not keep the script.
    os._exit(0)


if __name__ == "__main__":
    main()
