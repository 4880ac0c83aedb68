"""Suspending and resuming, which changes the whole server: `cluster.py ADDRESS`."""

import importlib.util
import time

import grpc
from grpc import StatusCode

from clients import Async, connect
from facts import PASSWORD, USER, check_facts, fact, same, within
from stubs import CLUSTER, Engine, cluster_pb2, has

SUSPENDED = "status: 503, cluster is suspended"
ENGINE = Engine()


def ask(method):
    """Status after a call of the cluster service, which needs no session."""
    request = getattr(cluster_pb2, CLUSTER[method].input_type.name)(user=USER, password=PASSWORD)
    return getattr(ENGINE.cluster, method)(request, metadata=ENGINE.metadata(), timeout=20).status


@fact
def a_new_cluster_is_active():
    same(ask("status"), "active")


@fact
def a_suspended_cluster_starts_no_work():
    running = ENGINE.start("SELECT 42 AS answer")
    ask("suspend")
    within(10, lambda: ask("status") == "suspended")
    ENGINE.refused("authenticate", StatusCode.UNAVAILABLE, user="u", password="p")
    for method, values in [
            ("prepareStatementV2", {"catalog": "default", "schema": "sales", "queryString": "SELECT 1"}),
            ("prepareStatement", {"schema": "sales", "queryString": "SELECT 1"}), ("authenticate", {"user": "u", "password": "p"}),
            ("createDataFrame", {"catalog": "default", "schema": "sales", "table": "orders"}), ("identifyPlanner", {})]:
        if has(method):
            error = ENGINE.refused(method, StatusCode.UNAVAILABLE, SUSPENDED, **values)
            same(error.details(), SUSPENDED)
    same(ENGINE.rows(running), [[42]], "what was started before is read to its end")


@fact
def resuming_takes_a_moment():
    started = time.monotonic()
    same(ask("resume"), "resuming")
    same(ask("status"), "resuming")
    within(10, lambda: ask("status") == "active")
    assert time.monotonic() - started > 1.5
    same(ask("resume"), "active", "resuming an active cluster changes nothing")
    same(ENGINE.read("SELECT 1"), [[1]])


@fact
def garbage_is_refused():
    for method in CLUSTER:
        try:
            ENGINE.raw(f"/ClusterService/{method}", b"\xff\xff\xff")
        except grpc.RpcError as error:
            assert error.code() in (StatusCode.INTERNAL, StatusCode.INVALID_ARGUMENT), error
        else:
            raise AssertionError(f"{method} took garbage")


@fact
def the_connector_wakes_the_cluster_by_itself():
    ask("suspend")
    within(10, lambda: ask("status") == "suspended")
    cursor = connect(auto_resume=True).cursor()
    cursor.execute("SELECT 'awake' AS state")
    same(cursor.fetchall(), [["awake"]])
    same(ask("status"), "active")


def an_open_connection_of_asyncio_wakes_the_cluster():
    client = Async(auto_resume=True)
    same(client.read("SELECT 1").rows, [[1]])
    ask("suspend")
    within(10, lambda: ask("status") == "suspended")
    same(client.read("SELECT 'awake' AS state").rows, [["awake"]])
    same(ask("status"), "active")
    client.close()


if importlib.util.find_spec("e6data_python_connector.aio"):
    fact(an_open_connection_of_asyncio_wakes_the_cluster)

if __name__ == "__main__":
    check_facts()
