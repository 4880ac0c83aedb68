"""The engine is killed while results are read, and started again: `killed.py ADDRESS`.

Says `reading` once every reader has rows. Then the engine has to die; when a line comes, it is there again. No reader may take
what it has for the whole.
"""

import sys
import threading

import grpc
from e6data_python_connector.datainputstream import read_rows_from_chunk

from clients import connect
from facts import check_facts, fact, same
from stubs import Engine

# Long rows: most batches are some way between the engine and the reader.
ENDLESS = ("SELECT a.value, repeat('long text ', 1000) AS text FROM generate_series(1, 1000000) AS a"
           " CROSS JOIN generate_series(1, 1000000)")
CLEAN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)


def is_clean(outcome):
    return isinstance(outcome, grpc.RpcError) and outcome.code() in CLEAN


def read(engine, outcomes, has_rows):
    """Reads until something ends it."""
    query = engine.start(ENDLESS)
    _, columns = engine.columns(query)
    try:
        while batch := engine.call("getNextResultBatch", queryId=query).resultBatch:
            assert read_rows_from_chunk(columns, batch)
            has_rows.release()
        outcomes.append("a clean end")
    except grpc.RpcError as error:
        outcomes.append(error)
    except BaseException as error:
        outcomes.append(error)


@fact
def an_engine_that_dies_in_mid_result_is_a_clean_error_and_all_recovers():
    outcomes, has_rows, engines = [], threading.Semaphore(0), [Engine() for _ in range(8)]
    connection = connect()
    cursor = connection.cursor()
    cursor.execute(ENDLESS)
    cursor.fetchmany(10)
    readers = [threading.Thread(target=read, args=(engine, outcomes, has_rows), daemon=True) for engine in engines]
    for reader in readers:
        reader.start()
    for _ in range(3 * len(readers)):
        assert has_rows.acquire(timeout=120), "no rows"
    print("reading", flush=True)
    for reader in readers:
        reader.join(120)
    same(len(outcomes), len(readers))
    assert all(is_clean(outcome) for outcome in outcomes), outcomes
    # While it is away: says so at once, and of which engine.
    error = engines[0].refused("getSchemaNames", grpc.StatusCode.UNAVAILABLE, "engine http://")
    print(error.details(), flush=True)
    try:
        while cursor.fetchmany(100000):
            pass
        raise AssertionError("a cursor of the connector took its rows for all")
    except grpc.RpcError as error:
        assert is_clean(error), error
    print("refused", flush=True)
    sys.stdin.readline()

    # The same channels, and the same connection of the connector.
    for engine in engines:
        engine.refused("getSchemaNames", grpc.StatusCode.INTERNAL, "Access denied")
        login = engine.call("authenticate", user="someone", password="password")
        engine.session = login.sessionId
        same(engine.read("SELECT value FROM generate_series(1, 20000)"), [[n] for n in range(1, 20001)])
    cursor = connection.cursor()
    cursor.execute("SELECT value FROM generate_series(1, 20000)")
    same(cursor.fetchall(), [[n] for n in range(1, 20001)])


if __name__ == "__main__":
    check_facts()
