"""Rows/s of a million rows of four columns, through the connector and through a plain gRPC client, in turn,
and the server's peak memory.

Usage: python benches/million_rows.py path/to/teal [ROUNDS]
with a Python that has e6data-python-connector 3.0.2.
"""

import re
import subprocess
import sys
import time
from pathlib import Path

import grpc
from e6data_python_connector import Connection
from e6data_python_connector.server import e6x_engine_pb2 as pb
from e6data_python_connector.server import e6x_engine_pb2_grpc

ROWS = 1_000_000
SQL = f"SELECT value AS a, value * 2 AS b, CAST(value AS VARCHAR) AS c, value / 3.0 AS d FROM generate_series(1, {ROWS})"
METADATA = [("strategy", "blue")]


def through_connector(port):
    connection = Connection(host="127.0.0.1", port=port, username="bench", password="bench", catalog="default")
    cursor = connection.cursor()
    start = time.perf_counter()
    cursor.execute(SQL)
    rows = 0
    while batch := cursor.fetch_batch():
        rows += len(batch)
    elapsed = time.perf_counter() - start
    cursor.close()
    connection.close()
    return rows, elapsed


def through_grpc(port):
    channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.max_receive_message_length", -1)])
    stub = e6x_engine_pb2_grpc.QueryEngineServiceStub(channel)
    session = stub.authenticate(pb.AuthenticateRequest(user="bench", password="bench"), metadata=METADATA).sessionId
    start = time.perf_counter()
    query = stub.prepareStatement(pb.PrepareStatementRequest(sessionId=session, queryString=SQL), metadata=METADATA)
    about = {"engineIP": query.engineIP, "sessionId": session, "queryId": query.queryId}
    stub.executeStatement(pb.ExecuteStatementRequest(**about), metadata=METADATA)
    size = 0
    while batch := stub.getNextResultBatch(pb.GetNextResultBatchRequest(**about), metadata=METADATA).resultBatch:
        size += len(batch)
    elapsed = time.perf_counter() - start
    stub.clear(pb.ClearRequest(**about), metadata=METADATA)
    channel.close()
    return size, elapsed


def main():
    teal, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    arguments = [teal, "--listen", "127.0.0.1:0", "--admin", "off", "--switch-every", "0"]
    server = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r"Server started on .*:(\d+)", server.stderr.readline())[1])
        for _ in range(rounds):
            rows, elapsed = through_connector(port)
            assert rows == ROWS, rows
            print(f"connector: {rows / elapsed:,.0f} rows/s")
            size, elapsed = through_grpc(port)
            print(f"plain gRPC: {ROWS / elapsed:,.0f} rows/s, {size / elapsed / 2**20:,.0f} MiB/s")
        peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1]
        print(f"peak memory of the server: {int(peak) / 1024:.0f} MiB")
    finally:
        server.kill()


main()
