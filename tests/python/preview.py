"""A smoke test of the engine that is not active: `preview.py ADDRESS API [AUTHORITY]`, over TLS with an authority."""

import sys

from clients import Sync, open_client
from facts import check_facts, fact, same

API, *AUTHORITY = sys.argv[2:]


@fact
def two_connections_read_rows():
    for _ in range(2):
        client = Sync(secure=True, ssl_cert=AUTHORITY[0]) if AUTHORITY else open_client(API)
        for _ in range(3):
            same(client.read("SELECT 42 AS answer").rows, [[42]])
        client.close()


if __name__ == "__main__":
    check_facts()
