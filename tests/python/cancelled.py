"""Ten thousand calls that are given up, wherever they are: `cancelled.py ADDRESS`.

Says `warm` after the first thousand and `done` after the last, and waits for a line after both.
"""

import random
import sys

from facts import PASSWORD, USER, limit_time
from stubs import Engine, pb

CALLS, TOGETHER = 10000, 100
ENDLESS = "SELECT a.value FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000)"

limit_time()
engine, numbers = Engine(), random.Random(7)
stub, session = engine.stub, engine.session
endless = engine.start(ENDLESS)
requests = [
    # These wait for one another.
    (stub.getNextResultBatch, pb.GetNextResultBatchRequest(engineIP=engine.engine, sessionId=session, queryId=endless)),
    (stub.authenticate, pb.AuthenticateRequest(user=USER, password=PASSWORD)),
    (stub.dryRun, pb.DryRunRequest(sessionId=session, schema="sales", queryString="SELECT count(*) FROM orders")),
    (stub.getTablesV2, pb.GetTablesV2Request(sessionId=session, catalog="default", schema="sales")),
]
for done in range(0, CALLS, TOGETHER):
    calls = []
    for _ in range(TOGETHER):
        method, request = numbers.choice(requests)
        calls.append(method.future(request, metadata=engine.metadata(), timeout=120))
    engine.call("healthCheck")
    for call in calls:
        call.cancel()
    if done + TOGETHER == 1000:
        print("warm", flush=True)
        sys.stdin.readline()
engine.call("clearOrCancelQuery", queryId=endless)
assert engine.read("SELECT 42 AS answer") == [[42]]
print("done", flush=True)
sys.stdin.readline()
