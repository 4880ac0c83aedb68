"""The client credentials flow of 3.0.2, over TLS: `tokens.py ADDRESS CASE`, with `SSL_CERT_FILE` in the environment."""

import asyncio
import os
import sys
import time

import grpc
from e6data_python_connector import Connection
from e6data_python_connector.aio import connect as connect_async

from facts import address, limit_time, same

HOST, PORT = address()
AUTHORITY = os.environ["SSL_CERT_FILE"]
SQL, ROWS = "SELECT value FROM generate_series(1, 30000)", 30000


def options(method="basic", secret="s:e&c ret"):
    return {"host": HOST, "port": PORT, "catalog": "default", "database": "sales", "secure": True, "ssl_cert": AUTHORITY,
            "client_id": "app", "client_secret": secret, "client_auth_method": method,
            "token_url": f"https://{HOST}:{PORT}/oauth2/token"}


def read(pause=0, **given):
    """All rows of a query, read in parts with a pause between them, in which a token may expire."""
    connection = Connection(**options(**given))
    cursor = connection.cursor()
    cursor.execute(SQL)
    rows = []
    while part := cursor.fetchmany(6000):
        rows += part
        time.sleep(pause)
    cursor.clear()
    connection.close()
    same(len(rows), ROWS)


def read_async(pause=0, **given):
    """The same with asyncio."""
    async def run():
        connection = await connect_async(**options(**given))
        cursor = connection.cursor()
        await cursor.execute(SQL)
        rows = []
        while part := await cursor.fetchmany(6000):
            rows += part
            await asyncio.sleep(pause)
        await cursor.clear()
        await connection.close()
        return rows

    same(len(asyncio.run(run())), ROWS)


def refused(reading, words, **given):
    try:
        reading(**given)
    except Exception as error:
        assert words in str(error), repr(error)
    else:
        raise AssertionError("it was let in")


def call(token):
    """What a call with that token gets."""
    credentials = grpc.ssl_channel_credentials(open(AUTHORITY, "rb").read())
    with grpc.secure_channel(f"{HOST}:{PORT}", credentials) as channel:
        try:
            channel.unary_unary("/QueryEngineService/getSchemaNames")(b"", metadata=[("authorization", f"Bearer {token}")], timeout=60)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return "OK", ""


def case_reads():
    for reading in (read, read_async):
        for method in ("basic", "post"):
            reading(method=method)
        refused(reading, "reject", secret="wrong")
    same(call("somebody's"), ("UNAUTHENTICATED", "the token was not issued here"))


def case_expires():
    for reading in (read, read_async):
        reading(pause=0.5)


def revoked(reading):
    """What a token's end in mid-query is to a reader; the next query goes on with another token."""
    try:
        reading()
        outcome = "unnoticed"
    except Exception as error:
        outcome = "told" if "the token is revoked" in str(error) else repr(error)
    reading()
    print(f"revoked: {outcome}", flush=True)


def case_sync():
    revoked(read)


def case_async():
    revoked(read_async)


if __name__ == "__main__":
    limit_time()
    globals()[f"case_{sys.argv[2]}"]()
