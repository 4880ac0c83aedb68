"""What connections get between two engines, of one process: `own_sessions.py ADDRESS ADMIN API known|any`.

Three connections are there when a switch is announced. The first one learns of it and adopts it, which is the cutover. With `any`
the engines take each other's sessions, and every call is answered; with `known`, that is written down here.
"""

import json
import sys
import urllib.request

from clients import open_client
from facts import check_facts, fact, same

ADMIN, API, SESSIONS = sys.argv[2:]
STEPS = ["first asks", "first asks", "first lists", "second lists", "second lists", "second asks", "second lists",
         "third asks", "third lists", "third asks", "first lists", "first asks"]
# Which steps fail, and how.
FAILURES = {
    # The one that adopts logs in again. The others keep the old session, until they execute.
    "sync": {3: "Access denied", 4: "Access denied"},
    # No session is needed.
    "sync-token": {},
    # What is answered under the old strategy is told, and adopts. A prepare that gets a 456 tries the other strategy with
    # the session that it has; what comes of that is not known to the client, and it does not come back from there.
    "async": {7: "AmbiguousSubmissionError", 8: "OperationalError", 9: "AmbiguousSubmissionError"},
}


def asks(client):
    same(client.read("SELECT 42 AS answer").rows, [[42]])


def lists(client):
    called = client.connection.get_schema_names("default")
    same(sorted(client.runner.run(called) if API == "async" else called), ["finance", "marketing", "sales"])


def failure(call, client):
    """How a call fails: in the engine's words, or else by its type."""
    try:
        call(client)
    except AssertionError:
        raise
    except Exception as error:
        return error.details() if hasattr(error, "details") else type(error).__name__


@fact
def connections_fare_as_written_down():
    clients = {name: open_client(API) for name in ("first", "second", "third")}
    for client in clients.values():
        asks(client)
    order = urllib.request.Request(f"http://{ADMIN}/api/v1/switch", b"{}", {"content-type": "application/json"})
    urllib.request.urlopen(order, timeout=60).close()
    failures = {}
    for number, (name, what) in enumerate(map(str.split, STEPS)):
        if said := failure(globals()[what], clients[name]):
            failures[number] = said
    same(json.dumps(failures), json.dumps({} if SESSIONS == "any" else FAILURES[API]))


if __name__ == "__main__":
    check_facts()
