"""Queries of several threads, each with a connection, through a proxy that ends connections all the time: `ingress.py ADDRESS`."""

from concurrent.futures import ThreadPoolExecutor

from clients import connect

THREADS, QUERIES = 4, 30


def read(_):
    connection = connect()
    for number in range(QUERIES):
        cursor = connection.cursor()
        cursor.execute(f"SELECT {number} AS number")
        assert cursor.fetchall() == [[number]], number
        cursor.clear()
    connection.close()


with ThreadPoolExecutor(THREADS) as threads:
    list(threads.map(read, range(THREADS)))
