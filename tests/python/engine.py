"""An engine on grpcio, with SQLite behind it: `engine.py NAME [gzip]`; says `listens on PORT`, ends with its input.

Any session is good, as of twins. Queries are its own, and have its name in their ids. With `gzip` its answers are compressed.
"""

import itertools
import re
import sqlite3
import struct
import sys
import threading
import uuid
from concurrent import futures
from dataclasses import dataclass, field

import grpc
from e6data_python_connector.e6x_vector.ttypes import Chunk, Data, Float64Data, Int64Data, VarcharData, Vector, VectorType
from e6data_python_connector.server import e6x_engine_pb2 as pb
from e6data_python_connector.server import e6x_engine_pb2_grpc as pb_grpc
from thrift.protocol.TBinaryProtocol import TBinaryProtocol
from thrift.transport.TTransport import TMemoryBuffer

from facts import limit_time

NAME = sys.argv[1]
BATCH_ROWS = 512
CATALOG = {"sales": {"customers": "customer_id name email created_date", "orders": "order_id status", "products": "product_id"},
           "marketing": {}, "finance": {}}
# Each kind of column: its name, its vector's type, and how a vector holds its values, with what holds a null's place.
KINDS = {
    int: ("LONG", VectorType.LONG, lambda values: Data(int64Data=Int64Data(values)), 0),
    float: ("DOUBLE", VectorType.DOUBLE, lambda values: Data(float64Data=Float64Data(values)), 0.0),
    str: ("STRING", VectorType.STRING, lambda values: Data(varcharData=VarcharData(values)), ""),
}
SERIES = re.compile(r"generate_series\((\d+), (\d+)\)")


@dataclass
class Query:
    sql: str
    fields: str = "*"
    limit: int = -1
    names: list = field(default_factory=list)
    kinds: list = field(default_factory=list)
    rows: list = None
    left: list = field(default_factory=list)


def series(found):
    """What SQLite lacks."""
    first, last = found.groups()
    return (f"(WITH RECURSIVE s(value) AS (SELECT {first} UNION ALL SELECT value + 1 FROM s WHERE value < {last})"
            " SELECT value FROM s)")


def metadata(query):
    text = lambda value: struct.pack(">H", len(value.encode())) + value.encode()
    columns = [text(name) + text(KINDS[kind][0]) + text("") * 2 for name, kind in zip(query.names, query.kinds)]
    return struct.pack(">qi", len(query.rows), len(columns)) + b"".join(columns)


def chunk(kinds, rows):
    vectors = []
    for kind, values in zip(kinds, zip(*rows)):
        _, vector_type, hold, filler = KINDS[kind]
        data = hold([filler if value is None else value for value in values])
        vectors.append(Vector(len(rows), vector_type, [value is None for value in values], data, False))
    buffer = TMemoryBuffer()
    Chunk(len(rows), vectors).write(TBinaryProtocol(buffer))
    return buffer.getvalue()


class Engine(pb_grpc.QueryEngineServiceServicer):
    def __init__(self):
        self.queries, self.numbers, self.lock = {}, itertools.count(), threading.Lock()
        self.database = sqlite3.connect(":memory:", check_same_thread=False)
        self.database.execute("CREATE TABLE orders (order_id INTEGER, status TEXT)")
        self.database.executemany("INSERT INTO orders VALUES (?, ?)", ((n, "open" if n % 2 else None) for n in range(1, 1001)))

    def begin(self, query):
        # Long enough to be worth compressing.
        query_id = f"{NAME}-{next(self.numbers):080}"
        self.queries[query_id] = query
        return query_id

    def query(self, request, context):
        return self.queries.get(request.queryId) or context.abort(
            grpc.StatusCode.NOT_FOUND, f"{NAME} has no query {request.queryId}")

    def execute(self, query, context):
        sql = SERIES.sub(series, query.sql)
        try:
            with self.lock:
                cursor = self.database.execute(sql)
                query.names, query.rows = [column[0] for column in cursor.description], cursor.fetchall()
        except sqlite3.Error as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        query.left = list(query.rows)
        values = lambda n: (type(row[n]) for row in query.rows if row[n] is not None)
        query.kinds = [next(values(n), str) for n in range(len(query.names))]

    def next_batch(self, query):
        batch, query.left = query.left[:BATCH_ROWS], query.left[BATCH_ROWS:]
        return chunk(query.kinds, batch) if batch else b""

    def healthCheck(self, request, context):
        return pb.HealthCheckResponse()

    def authenticate(self, request, context):
        if not request.user or not request.password:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "Invalid credentials")
        return pb.AuthenticateResponse(sessionId=str(uuid.uuid4()), engineIP=NAME)

    def prepareStatement(self, request, context):
        if not request.sessionId:
            context.abort(grpc.StatusCode.INTERNAL, "Access denied")
        query_id = self.begin(Query(request.queryString))
        return pb.PrepareStatementResponse(engineIP=NAME, queryId=query_id, sessionId=request.sessionId)

    def executeStatement(self, request, context):
        self.execute(self.query(request, context), context)
        return pb.ExecuteStatementResponse(sessionId=request.sessionId)

    def getResultMetadata(self, request, context):
        return pb.GetResultMetadataResponse(resultMetaData=metadata(self.query(request, context)), sessionId=request.sessionId)

    def getNextResultBatch(self, request, context):
        return pb.GetNextResultBatchResponse(
            resultBatch=self.next_batch(self.query(request, context)), sessionId=request.sessionId)

    def getNextResultBatchV2(self, request, context):
        query = self.query(request, context)
        batch = self.next_batch(query)
        return pb.GetNextResultBatchV2Response(
            resultBatches=[batch] if batch else [], sessionId=request.sessionId, endOfStream=not query.left)

    def status(self, request, context):
        query = self.query(request, context)
        return pb.StatusResponse(status=query.rows is not None, rowCount=len(query.rows or []), sessionId=request.sessionId)

    def clear(self, request, context):
        self.queries.pop(request.queryId, None)
        return pb.ClearResponse(sessionId=request.sessionId)

    def cancelQuery(self, request, context):
        self.queries.pop(request.queryId, None)
        return pb.CancelQueryResponse(sessionId=request.sessionId)

    def clearOrCancelQuery(self, request, context):
        self.queries.pop(request.queryId, None)
        return pb.ClearOrCancelQueryResponse(sessionId=request.sessionId)

    def getSchemaNamesV2(self, request, context):
        return pb.GetSchemaNamesResponse(schemas=CATALOG, sessionId=request.sessionId)

    def getTablesV2(self, request, context):
        return pb.GetTablesResponse(tables=CATALOG.get(request.schema, {}), sessionId=request.sessionId)

    def getColumnsV2(self, request, context):
        columns = CATALOG.get(request.schema, {}).get(request.table, "").split()
        info = [pb.GFieldInfo(fieldName=name, fieldType="STRING") for name in columns]
        return pb.GetColumnsResponse(fieldInfo=info, sessionId=request.sessionId)

    def createDataFrame(self, request, context):
        if request.table != "orders":
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"there is no table {request.table}")
        return pb.CreateDataFrameResponse(queryId=self.begin(Query("")))

    def projectionOnDataFrame(self, request, context):
        self.query(request, context).fields = ", ".join(request.field)
        return pb.ProjectionOnDataFrameResponse()

    def limitOnDataFrame(self, request, context):
        self.query(request, context).limit = request.fetchLimit
        return pb.LimitOnDataFrameResponse()

    def executeDataFrame(self, request, context):
        query = self.query(request, context)
        query.sql = f"SELECT {query.fields} FROM orders ORDER BY order_id LIMIT {query.limit}"
        self.execute(query, context)
        return pb.ExecuteDataFrameResponse()

    prepareStatementV2, executeStatementV2 = prepareStatement, executeStatement


def main():
    limit_time()
    compression = grpc.Compression.Gzip if "gzip" in sys.argv[2:] else None
    server = grpc.server(futures.ThreadPoolExecutor(16), compression=compression)
    pb_grpc.add_QueryEngineServiceServicer_to_server(Engine(), server)
    print("listens on", server.add_insecure_port("127.0.0.1:0"), flush=True)
    server.start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
