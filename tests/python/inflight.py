"""A call that is in progress when the server is asked to end: `inflight.py ADDRESS`; says `in flight` once it is."""

from facts import check_facts, fact, same
from stubs import Engine, read_rows_from_chunk


@fact
def a_call_in_progress_is_answered():
    engine = Engine()
    size = 200
    query = engine.start(f"SELECT sum(a.value * b.value % 1000) > 0 AS s, count(*) AS n"
                         f" FROM generate_series(1, {size}) AS a CROSS JOIN generate_series(1, {size}) AS b")
    request = engine.request("getNextResultBatch", {"queryId": query})
    call = engine.stub.getNextResultBatch.future(request, metadata=engine.metadata(), timeout=60)
    # Calls of one connection arrive in order: when this one is answered, that one is in progress.
    engine.call("getSchemaNames")
    assert not call.done(), "it was over too soon"
    print("in flight", flush=True)
    batch = call.result().resultBatch
    assert batch
    # The metadata can't be asked for any more, so the columns are known here.
    same([list(row) for row in read_rows_from_chunk(["s", "n"], batch)], [[True, size * size]])


if __name__ == "__main__":
    check_facts()
