"""A query is followed by what messages say of it, through a whole switch: `tracking.py ADDRESS ADMIN [gzip]`.

Between two of `engine.py`, whose queries have their engine's name in their ids. With `gzip` requests are compressed, too.
"""

import json
import sys
import urllib.request

import grpc
from grpc import StatusCode

from facts import check_facts, fact, same
from stubs import Engine

ADMIN = sys.argv[2]
COMPRESSION = grpc.Compression.Gzip if "gzip" in sys.argv[3:] else None


def operate(path, body=None):
    """Asks the admin API, or orders something."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{ADMIN}/api/v1/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def on_record():
    return {query["id"]: query["strategy"] for query in operate("queries")["queries"]}


class Caller(Engine):
    """Compresses what it sends, where that is asked for."""

    def call(self, method, token=None, compression=COMPRESSION, **values):
        return super().call(method, token, compression, **values)

    def frame(self):
        """A DataFrame, and what its calls need."""
        created = self.call("createDataFrame", catalog="default", schema="sales", table="orders", dataframeNumber=1)
        return {"queryId": created.queryId, "dataframeNumber": 1}


@fact
def a_query_stays_with_its_engine_through_a_switch():
    blue = Caller("blue")
    same(blue.engine, "blue")
    query, frame = blue.prepare("SELECT value, value * 7 AS seven FROM generate_series(1, 1500) ORDER BY value"), blue.frame()
    idle = blue.start("SELECT 1 AS one")
    same(on_record(), dict.fromkeys([query, frame["queryId"], idle], "blue"))
    assert all(name.startswith("blue-") for name in on_record()), on_record()

    operate("switch", {})
    for answer in (blue.call("status", queryId=query), blue.call("getSchemaNamesV2", catalog="default"),
                   blue.call("getResultMetadata", queryId=idle)):
        same(answer.new_strategy, "green", "the notice")
    late = blue.frame()
    green = Caller("green")
    same(green.engine, "green")
    operate("cutover", {})

    # Whatever the header says: the one of the new strategy, or nothing.
    for strategy in ("green", None):
        caller = Caller(strategy, user=None)
        caller.session = green.session
        same(caller.call("status", queryId=idle).status, True)
        same(caller.rows(idle), [[1]] if strategy == "green" else [])
    green.call("executeStatementV2", queryId=query)
    same(green.rows(query), [[n, n * 7] for n in range(1, 1501)])
    for of in (frame, late):
        green.call("projectionOnDataFrame", field=["order_id", "status"], **of)
        green.call("limitOnDataFrame", fetchLimit=3, **of)
        green.call("executeDataFrame", **of)
        same(green.rows(of["queryId"]), [[1, "open"], [2, None], [3, "open"]])
    # What is not on record goes by the header.
    assert "green has no query" in green.refused("status", StatusCode.NOT_FOUND, queryId="query-of-nobody").details()
    assert "blue has no query" in blue.refused("status", StatusCode.NOT_FOUND, queryId="query-of-nobody").details()
    blue.refused("prepareStatementV2", StatusCode.UNKNOWN, "status: 456", catalog="default", schema="sales", queryString="SELECT 1")
    blue.refused("createDataFrame", StatusCode.UNKNOWN, "status: 456", table="orders")
    new = green.start("SELECT 2 AS two")
    same(on_record()[new], "green")
    same(green.read("SELECT 3 AS three"), [[3]])

    for method, query_id in [("clear", query), ("cancelQuery", frame["queryId"]), ("clearOrCancelQuery", late["queryId"]),
                             ("clear", idle)]:
        same(on_record()[query_id], "blue")
        green.call(method, queryId=query_id)
        assert query_id not in on_record(), on_record()
    same(on_record(), {new: "green"})


@fact
def what_an_engine_refuses_begins_nothing():
    green, before = Caller("green"), on_record()
    green.refused("createDataFrame", StatusCode.INVALID_ARGUMENT, "no_such_table", table="no_such_table")
    same(on_record(), before)


if __name__ == "__main__":
    check_facts()
