"""The connector's generated stubs, called without the connector: one channel, one session."""

from io import BytesIO

import grpc
from e6data_python_connector.cluster_server import cluster_pb2, cluster_pb2_grpc
from e6data_python_connector.datainputstream import get_query_columns_info, read_rows_from_chunk
from e6data_python_connector.server import e6x_engine_pb2 as pb
from e6data_python_connector.server import e6x_engine_pb2_grpc as pb_grpc

from facts import PASSWORD, USER, address

OPTIONS = [("grpc.max_receive_message_length", -1)]
ENGINE = pb.DESCRIPTOR.services_by_name["QueryEngineService"].methods_by_name
CLUSTER = cluster_pb2.DESCRIPTOR.services_by_name["ClusterService"].methods_by_name


class Engine:
    """Calls methods by name, filling session and engine in where the request has a field for them."""

    # Of all sessions: what was answered, and what was refused as expected.
    called, refused_methods = set(), set()

    def __init__(self, strategy="blue", user=USER):
        self.strategy = strategy
        self.channel = grpc.insecure_channel("%s:%d" % address(), options=OPTIONS)
        self.stub = pb_grpc.QueryEngineServiceStub(self.channel)
        self.cluster = cluster_pb2_grpc.ClusterServiceStub(self.channel)
        self.session = self.engine = ""
        if user:
            login = self.call("authenticate", user=user, password=PASSWORD)
            self.session, self.engine = login.sessionId, login.engineIP if "engineIP" in fields("authenticate", False) else ""

    def metadata(self, token=None):
        pairs = [("strategy", self.strategy)] if self.strategy else []
        return pairs + ([("authorization", f"Bearer {token}")] if token else [])

    def request(self, method, values):
        descriptor = ENGINE[method].input_type
        given = {"sessionId": self.session, "engineIP": self.engine} | values
        return getattr(pb, descriptor.name)(**{
            name: value for name, value in given.items() if name in values or name in descriptor.fields_by_name})

    def call(self, method, token=None, compression=None, **values):
        response = getattr(self.stub, method)(
            self.request(method, values), metadata=self.metadata(token), compression=compression, timeout=60)
        self.called.add(method)
        return response

    def refused(self, method, code, text="", token=None, **values):
        """The call has to fail with this code, and with these words in its message."""
        try:
            response = self.call(method, token, **values)
        except grpc.RpcError as error:
            if error.code() != code or text not in error.details():
                raise AssertionError(f"{method}({values}): expected {code} {text!r}, found {error.code()} {error.details()!r}")
            self.refused_methods.add(method)
            return error
        raise AssertionError(f"{method}({values}): expected {code} {text!r}, it answered {response}")

    def prepare(self, sql, catalog="default", schema="sales"):
        """Prepares a query and gives its id."""
        prepared = self.call("prepareStatementV2", catalog=catalog, schema=schema, queryString=sql)
        assert prepared.queryId and prepared.engineIP, prepared
        self.engine = prepared.engineIP
        return prepared.queryId

    def start(self, sql, **where):
        """Prepares and executes a query and gives its id."""
        query = self.prepare(sql, **where)
        self.call("executeStatementV2", queryId=query)
        return query

    def columns(self, query):
        """Row count and columns of a query."""
        metadata = self.call("getResultMetadata", queryId=query).resultMetaData
        return get_query_columns_info(BytesIO(metadata))

    def rows(self, query):
        """All rows that are left of a query that runs."""
        _, columns = self.columns(query)
        rows = []
        while batch := self.call("getNextResultBatch", queryId=query).resultBatch:
            rows += read_rows_from_chunk(columns, batch)
        return rows

    def read(self, sql, **where):
        """The rows of a statement."""
        query = self.start(sql, **where)
        rows = self.rows(query)
        self.call("clearOrCancelQuery", queryId=query)
        return rows

    def raw(self, path, message):
        """Sends bytes as they are."""
        return self.channel.unary_unary(path)(message, metadata=self.metadata(), timeout=60)


def has(method):
    """Whether this connector knows the method."""
    return method in ENGINE


def fields(method, of_request=True):
    """Names of the fields of a method's request, or of its response."""
    descriptor = ENGINE[method].input_type if of_request else ENGINE[method].output_type
    return set(descriptor.fields_by_name)
