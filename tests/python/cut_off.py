"""What an instance lets in without etcd: `cut_off.py ADDRESS`. It does the next step at each line that it reads."""

import sys

from grpc import StatusCode

from facts import check_facts, fact, same
from stubs import Engine

BEGIN = {"catalog": "default", "schema": "sales", "queryString": "SELECT 1"}


def at_the_next_line(said):
    print(said, flush=True)
    assert sys.stdin.readline()


@fact
def known_queries_go_on_without_etcd():
    blue = Engine()
    query = blue.start("SELECT value FROM generate_series(1, 3000) ORDER BY value")
    idle = blue.prepare("SELECT 1 AS one")
    at_the_next_line("begun")
    same(blue.rows(query), [[row] for row in range(1, 3001)])
    blue.call("clearOrCancelQuery", queryId=query)
    blue.refused("prepareStatementV2", StatusCode.UNAVAILABLE, "teal web-1 has lost etcd", **BEGIN)
    blue.refused("getSchemaNamesV2", StatusCode.UNAVAILABLE, "teal web-1 has lost etcd", catalog="default")
    blue.refused("status", StatusCode.UNAVAILABLE, "teal web-1 has lost etcd", queryId="of-nobody")
    at_the_next_line("refused")
    same(blue.read("SELECT 2 AS two"), [[2]])
    blue.call("executeStatementV2", queryId=idle)
    same(blue.rows(idle), [[1]])


if __name__ == "__main__":
    check_facts()
