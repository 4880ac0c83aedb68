"""Queries whose calls go through two instances in turn: `instances.py ADDRESS OTHER ADMIN OTHER-ADMIN`."""

import json
import sys
import urllib.request

import grpc
from e6data_python_connector.server import e6x_engine_pb2_grpc as pb_grpc
from grpc import StatusCode

from facts import check_facts, fact, same, within
from stubs import OPTIONS, Engine

ADDRESSES, ADMINS = sys.argv[1:3], sys.argv[3:5]


def operate(admin, path, body=None):
    """Asks the admin API, or orders something."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{admin}/api/v1/{path}", data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


class Spread(Engine):
    """Sends each call to the next instance."""

    def __init__(self, strategy="blue"):
        channels = [grpc.insecure_channel(address, options=OPTIONS) for address in ADDRESSES]
        self.stubs = [pb_grpc.QueryEngineServiceStub(channel) for channel in channels]
        super().__init__(strategy)

    def call(self, *args, **values):
        self.stub = self.stubs[0]
        self.stubs.reverse()
        return super().call(*args, **values)

    def both(self, act):
        """What `act` gives at each instance."""
        return [act(), act()]


def is_on_record(query):
    """At both instances."""
    return all(query in {known["id"] for known in operate(admin, "queries")["queries"]} for admin in ADMINS)


@fact
def every_call_may_go_through_another_instance():
    blue = Spread()
    for rows in (1, 2000, 9000):
        statement = f"SELECT value FROM generate_series(1, {rows}) ORDER BY value"
        same(blue.read(statement), [[row] for row in range(1, rows + 1)])


@fact
def an_end_at_one_is_an_end_at_both():
    blue = Spread()
    query = blue.prepare("SELECT 1 AS one")
    within(10, lambda: is_on_record(query))
    blue.call("clearOrCancelQuery", queryId=query)
    within(10, lambda: not any(operate(admin, "queries")["queries"] for admin in ADMINS))


@fact
def a_switch_at_one_is_a_switch_at_both():
    blue = Spread()
    query = blue.start("SELECT value FROM generate_series(1, 3000) ORDER BY value")
    operate(ADMINS[0], "switch", {})
    # All have to let it in before one tells it.
    within(10, lambda: {"green"} == set(blue.both(lambda: blue.call("status", queryId=query).new_strategy)))
    # Before anybody adopts green: that would cut over, too.
    operate(ADMINS[1], "cutover", {})
    for admin in ADMINS:
        within(10, lambda: operate(admin, "state")["active"] == "green")
    green = Spread("green")
    # Each instance refuses, once it has seen that all tell where to go instead.
    begin = {"catalog": "default", "schema": "sales", "queryString": "SELECT 1"}
    blue.both(lambda: blue.refused("prepareStatementV2", StatusCode.UNKNOWN, "status: 456", **begin))
    same(green.read("SELECT 2 AS two"), [[2]])
    # The old query goes on through both, and holds the drain.
    same({operate(admin, "state")["phase"] for admin in ADMINS} == {"DRAINING"}, True)
    same(blue.rows(query), [[row] for row in range(1, 3001)])
    blue.call("clearOrCancelQuery", queryId=query)
    for admin in ADMINS:
        within(10, lambda: operate(admin, "state")["phase"] == "STABLE")
    same({operate(admin, "state")["epoch"] for admin in ADMINS}.__len__(), 1)


if __name__ == "__main__":
    check_facts()
