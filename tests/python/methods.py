"""Every method of the engine's service, called through the connector's own stubs: `methods.py ADDRESS`."""

import functools
import json
from io import BytesIO

import grpc
from e6data_python_connector.datainputstream import DataInputStream, read_rows_from_chunk, read_values_from_array
from grpc import StatusCode

from facts import VERSION, check_facts, fact, same
from stubs import ENGINE, Engine, fields, has, pb

NOBODY, NOTHING = "session-of-nobody", "query-of-nobody"
ENDS = ["clear", "cancelQuery", "clearOrCancelQuery"]
CONTINUES = [
    "executeStatement", "executeStatementV2", "getResultMetadata", "getDynamicParams", "getNextResultBatch",
    "getNextResultBatchV2", "getNextResultRow", "explain", "explainAnalyze", "status", "projectionOnDataFrame",
    "aggregateOnDataFrame", "filterOnDataFrame", "orderByOnDataFrame", "limitOnDataFrame", "executeDataFrame"]
# What a request needs besides the session, for the judging of the session to be what is seen.
SENSIBLE = {
    "prepareStatement": {"schema": "sales", "queryString": "SELECT 1"},
    "prepareStatementV2": {"catalog": "default", "schema": "sales", "queryString": "SELECT 1"},
    "dryRun": {"schema": "sales", "queryString": "SELECT 1"},
    "dryRunV2": {"catalog": "default", "schema": "sales", "queryString": "SELECT 1"},
    "getTables": {"schema": "sales"},
    "getTablesV2": {"catalog": "default", "schema": "sales"},
    "getColumns": {"schema": "sales", "table": "orders"},
    "getColumnsV2": {"catalog": "default", "schema": "sales", "table": "orders"},
    "getSchemaNamesV2": {"catalog": "default"},
    "addCatalogs": {"json": "[]"},
    "setProps": {"props": "{}"},
    "createDataFrame": {"catalog": "default", "schema": "sales", "table": "orders"},
}


@functools.cache
def engine():
    """One session for all facts that leave it alone."""
    return Engine()


def needs(*methods):
    """For facts about methods that the older connectors do not know."""
    def only(function):
        return fact(function) if all(map(has, methods)) else function
    return only


@fact
def authenticate_wants_user_and_password():
    login = engine().call("authenticate", user="u", password="p")
    same(len(login.sessionId), 36)
    same((login.sessionId[14], login.sessionId.count("-")), ("4", 4), "a version 4 UUID")
    if "engineIP" in fields("authenticate", False):
        assert login.engineIP
    for user, password in [("", ""), ("u", ""), ("", "p")]:
        engine().refused("authenticate", StatusCode.UNAUTHENTICATED, "Invalid credentials", user=user, password=password)


@needs("healthCheck")
def health_needs_no_session():
    Engine(user=None).call("healthCheck")
    engine().call("healthCheck")


@fact
def unknown_sessions_are_denied():
    for method in ENGINE:
        if "sessionId" in fields(method) and method not in ENDS:
            values = SENSIBLE.get(method, {}) | ({"queryId": NOTHING} if method in CONTINUES else {})
            for session in (NOBODY, ""):
                engine().refused(method, StatusCode.INTERNAL, "Access denied", **values | {"sessionId": session})


@fact
def a_bearer_token_stands_for_a_session():
    caller = Engine(user=None)
    same(sorted(caller.call("getTablesV2", token="t", catalog="default", schema="sales").tables),
         ["customers", "orders", "products"])
    prepared = caller.call("prepareStatementV2", token="t", catalog="default", schema="sales", queryString="SELECT 1")
    caller.call("executeStatementV2", token="t", queryId=prepared.queryId)
    caller.refused("getResultMetadata", StatusCode.NOT_FOUND, NOTHING, token="t", queryId=NOTHING)


@fact
def what_is_about_a_known_query_is_let_in_whatever_the_session():
    query = engine().start("SELECT 42 AS answer")
    for session in (NOBODY, "", Engine().session):
        engine().call("getResultMetadata", queryId=query, sessionId=session)
        engine().call("status", queryId=query, sessionId=session)
    batch = engine().call("getNextResultBatch", queryId=query, sessionId=NOBODY).resultBatch
    same(read_rows_from_chunk(engine().columns(query)[1], batch), [[42]])


@fact
def unknown_queries_are_not_found_by_name():
    for method in CONTINUES:
        if has(method):
            engine().refused(method, StatusCode.NOT_FOUND, NOTHING, queryId=NOTHING)


@fact
def ending_an_unknown_query_succeeds():
    for method in ENDS:
        for values in ({"queryId": NOTHING}, {"queryId": NOTHING, "sessionId": NOBODY}, {"queryId": ""}):
            engine().call(method, **values)


@fact
def ending_a_query_forgets_it():
    for method in ENDS:
        query = engine().start("SELECT value FROM generate_series(1, 1000000)")
        engine().call("getNextResultBatch", queryId=query)
        engine().call(method, queryId=query)
        engine().refused("getNextResultBatch", StatusCode.NOT_FOUND, query, queryId=query)
        engine().call(method, queryId=query)


@fact
def garbage_is_refused_and_the_connection_goes_on():
    for method in ENGINE:
        if not fields(method):
            continue
        try:
            engine().raw(f"/QueryEngineService/{method}", b"\xff\xff\xff\xff garbage")
        except grpc.RpcError as error:
            assert error.code() in (StatusCode.INTERNAL, StatusCode.INVALID_ARGUMENT), (method, error.code(), error.details())
            assert "Access denied" not in error.details(), error.details()
        else:
            raise AssertionError(f"{method} took garbage")
        engine().call("getSchemaNames")


@fact
def an_unknown_method_is_unimplemented():
    try:
        engine().raw("/QueryEngineService/noSuchMethod", b"")
    except grpc.RpcError as error:
        same(error.code(), StatusCode.UNIMPLEMENTED)
    else:
        raise AssertionError("it answered")


@fact
def prepare_refuses_what_it_can_not_plan():
    for sql, text in [("SELEC 1", ""), ("SELECT", ""), ("", ""), ("SELECT 'open", ""), ("SELECT 1; SELECT 2", ""),
                      ("SELECT * FROM no_such_table", "no_such_table"), ("SELECT no_such_column FROM orders", "no_such_column"),
                      ("SELECT * FROM no_such_schema.orders", "no_such_schema"), ("SELECT sum(status) FROM orders", ""),
                      ("SELECT no_such_function(1)", "no_such_function"), ('SELECT "ORDER_ID" FROM orders', "ORDER_ID")]:
        engine().refused("prepareStatementV2", StatusCode.INVALID_ARGUMENT, text,
                         catalog="default", schema="sales", queryString=sql)
        engine().refused("prepareStatement", StatusCode.INVALID_ARGUMENT, text, schema="sales", queryString=sql)


@fact
def prepare_lets_only_queries_through():
    for sql in ["INSERT INTO orders VALUES (1, 2, NULL, 3.0, 'x')", "UPDATE orders SET status = 'x'", "DELETE FROM orders",
                "COPY (SELECT 1) TO 'out.csv'", "COPY orders TO '/tmp/out.parquet'", "DROP TABLE orders",
                "CREATE TABLE t AS SELECT 1", "CREATE VIEW v AS SELECT 1", "CREATE SCHEMA s", "SET datafusion.execution.batch_size = 1",
                "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'"]:
        engine().refused("prepareStatementV2", StatusCode.PERMISSION_DENIED,
                         catalog="default", schema="sales", queryString=sql)
    for sql in ["SELECT * FROM '/etc/passwd'", "SELECT * FROM 'file:///etc/passwd'", "SELECT * FROM `/etc/passwd`",
                "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd.csv'"]:
        try:
            engine().call("prepareStatementV2", catalog="default", schema="sales", queryString=sql)
        except grpc.RpcError as error:
            assert error.code() in (StatusCode.INVALID_ARGUMENT, StatusCode.PERMISSION_DENIED), (sql, error.code())
        else:
            raise AssertionError(f"prepared: {sql}")


@fact
def an_unknown_catalog_or_schema_hurts_only_who_looks_into_it():
    same(engine().read("SELECT 1 AS one", catalog="no_such", schema="no_such"), [[1]])
    same(engine().read('SELECT count(*) > 0 FROM "default".sales.orders', catalog="no_such", schema="no_such"), [[True]])
    engine().refused("prepareStatementV2", StatusCode.INVALID_ARGUMENT, "orders",
                     catalog="default", schema="no_such", queryString="SELECT * FROM orders")


@fact
def a_query_walks_through_both_generations_of_calls():
    prepared = engine().call("prepareStatement", schema="sales", queryString="SELECT 'v1' AS v, count(*) > 0 AS b FROM orders")
    same(prepared.sessionId, engine().session)
    same(engine().call("executeStatement", queryId=prepared.queryId).sessionId, engine().session)
    same(engine().rows(prepared.queryId), [["v1", True]])
    query = engine().start("SELECT 'v2' AS v")
    count, columns = engine().columns(query)
    same((count, [(c.get_name(), c.get_field_type()) for c in columns]), (1, [("v", "STRING")]))
    same(engine().rows(query), [["v2"]])
    same(engine().call("getNextResultBatch", queryId=query).resultBatch, b"", "an exhausted result stays exhausted")


@fact
def the_metadata_counts_rows_exactly_or_not_at_all():
    same(engine().columns(engine().start("SELECT value FROM generate_series(1, 5)"))[0], 5)
    count, _ = engine().columns(engine().start("SELECT value FROM generate_series(1, 300000) WHERE value % 3 = 0"))
    assert count in (-1, 100000), count


@needs("getNextResultBatchV2")
def envelopes_hold_chunks_until_the_end_of_the_stream():
    query = engine().start("SELECT value FROM generate_series(1, 100000) ORDER BY value")
    _, columns = engine().columns(query)
    rows, last = [], False
    while not last:
        envelope = engine().call("getNextResultBatchV2", queryId=query)
        for chunk in envelope.resultBatches:
            assert chunk, "an empty chunk"
            rows += read_rows_from_chunk(columns, chunk)
        last = envelope.endOfStream
    same([row[0] for row in rows], list(range(1, 100001)))
    same(engine().call("getNextResultBatchV2", queryId=query).endOfStream, True)


@needs("getNextResultRow")
def rows_are_read_one_by_one():
    query = engine().start(
        "SELECT k, CAST(k AS INT) AS i, CAST(k AS SMALLINT) AS s, CAST(k AS TINYINT) AS b, k > 1 AS t,"
        " CAST(k AS FLOAT) / 2 AS f, CAST(k AS DOUBLE) / 4 AS d, v, CAST('1969-12-31' AS DATE) AS day,"
        " TIMESTAMP '1960-01-02 03:04:05' AS ts, CAST('-12.50' AS DECIMAL(10, 2)) AS m, CAST(NULL AS INT) AS n"
        " FROM (VALUES (1, 'é'), (2, NULL)) AS x(k, v) ORDER BY k")
    _, columns = engine().columns(query)
    rows = []
    while row := engine().call("getNextResultRow", queryId=query).resultRow:
        rows.append(read_values_from_array(columns, DataInputStream(BytesIO(row))))
    tail = ["1969-12-31", "1960-01-02 03:04:05", lambda m: str(m) == "-12.50", None]
    same(rows, [[1, 1, 1, 1, False, 0.5, 0.25, "é", *tail], [2, 2, 2, 2, True, 1.0, 0.5, None, *tail]])


@needs("getNextResultRow")
def rows_and_batches_are_read_from_the_same_stream():
    query = engine().start("SELECT value FROM generate_series(1, 20000) ORDER BY value")
    _, columns = engine().columns(query)
    rows = []
    for _ in range(3):
        row = engine().call("getNextResultRow", queryId=query).resultRow
        rows.append(read_values_from_array(columns, DataInputStream(BytesIO(row))))
    same([row[0] for row in rows + engine().rows(query)], list(range(1, 20001)))


@fact
def status_tells_whether_a_query_is_finished_and_its_rows():
    query = engine().start("SELECT value FROM generate_series(1, 3)")
    engine().rows(query)
    status = engine().call("status", queryId=query)
    same((status.status, status.rowCount), (True, 3))
    query = engine().start("SELECT a.value FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000)")
    same(engine().call("status", queryId=query).status, False)
    engine().call("cancelQuery", queryId=query)


@fact
def a_huge_query_starts_and_is_cancelled():
    query = engine().start("SELECT a.value, b.value AS v FROM generate_series(1, 1000000) AS a CROSS JOIN generate_series(1, 1000000) AS b")
    same(engine().columns(query)[0], lambda count: count in (-1, 10**12))
    for _ in range(3):
        assert engine().call("getNextResultBatch", queryId=query).resultBatch
    engine().call("clearOrCancelQuery", queryId=query)
    engine().refused("status", StatusCode.NOT_FOUND, query, queryId=query)


@fact
def a_failure_while_running_is_told():
    query = engine().prepare("SELECT 1 / (value - 3) AS x FROM generate_series(1, 5)")
    try:
        engine().call("executeStatementV2", queryId=query)
        engine().rows(query)
    except grpc.RpcError as error:
        assert error.code() == StatusCode.INVALID_ARGUMENT and "ivide by zero" in error.details(), (error.code(), error.details())
    else:
        raise AssertionError("a division by zero had rows")


@fact
def explain_gives_the_plan():
    query = engine().prepare("SELECT status, count(*) FROM orders GROUP BY status")
    plan = engine().call("explain", queryId=query)
    assert "Aggregate" in plan.explain and "orders" in plan.explain, plan
    same(plan.sessionId, engine().session)


@fact
def explain_analyze_gives_plan_and_times():
    query = engine().start("SELECT status, count(*) FROM orders GROUP BY status")
    engine().rows(query)
    answer = engine().call("explainAnalyze", queryId=query)
    told = json.loads(answer.explainAnalyze)
    for name in ("plan", "total_query_time", "executionQueueingTime", "parsingTime"):
        assert name in told, told
    assert "Aggregate" in json.dumps(told["plan"]), told
    assert answer.parsingTime >= 0 and answer.queueingTime >= 0 and not answer.isCached, answer


@fact
def dry_runs_tell_columns_and_types():
    for method in ("dryRun", "dryRunV2"):
        values = SENSIBLE[method] | {"queryString": "SELECT order_id AS id, status FROM orders"}
        told = engine().call(method, **values).dryrunValue
        for word in ("id", "LONG", "status", "STRING"):
            assert word in told, told
        engine().refused(method, StatusCode.INVALID_ARGUMENT, "no_such_table",
                         **values | {"queryString": "SELECT * FROM no_such_table"})
        engine().refused(method, StatusCode.PERMISSION_DENIED, **values | {"queryString": "DROP TABLE orders"})


@needs("analyzeQuery")
def analyzing_a_query_is_preparing_it_without_a_handle():
    where = {"catalog": "default", "schema": "sales"}
    engine().call("analyzeQuery", query="SELECT count(*) FROM orders", **where)
    engine().refused("analyzeQuery", StatusCode.INVALID_ARGUMENT, "no_such_table", query="SELECT * FROM no_such_table", **where)
    engine().refused("analyzeQuery", StatusCode.PERMISSION_DENIED, query="DROP TABLE orders", **where)


@fact
def the_catalog_is_listed():
    call = engine().call
    same(sorted(call("getSchemaNames").schemas), ["finance", "marketing", "sales"])
    same(sorted(call("getSchemaNamesV2", catalog="default").schemas), ["finance", "marketing", "sales"])
    same(sorted(call("getSchemaNamesV2", catalog="analytics").schemas), ["dashboards", "metrics", "reports"])
    same(sorted(call("getTables", schema="sales").tables), ["customers", "orders", "products"])
    for schema, tables in {"sales": ["customers", "orders", "products"], "marketing": ["campaigns", "conversions", "leads"],
                           "finance": ["accounts", "budgets", "transactions"]}.items():
        same(sorted(call("getTablesV2", catalog="default", schema=schema).tables), tables)
    for schema in ("reports", "dashboards", "metrics"):
        assert 2 <= len(call("getTablesV2", catalog="analytics", schema=schema).tables) <= 3
    orders = [("order_id", "LONG"), ("customer_id", "LONG"), ("order_date", "TIMESTAMP"), ("total_amount", "DOUBLE"), ("status", "STRING")]
    for answer in (call("getColumns", schema="sales", table="orders"),
                   call("getColumnsV2", catalog="default", schema="sales", table="orders")):
        same([(column.fieldName, column.fieldType) for column in answer.fieldInfo], orders)
        same(answer.sessionId, engine().session)


@fact
def what_is_not_in_the_catalog_is_an_empty_list():
    call = engine().call
    same(list(call("getSchemaNamesV2", catalog="no_such").schemas), [])
    same(list(call("getTables", schema="no_such").tables), [])
    same(list(call("getTablesV2", catalog="no_such", schema="sales").tables), [])
    same(list(call("getTablesV2", catalog="default", schema="no_such").tables), [])
    same(list(call("getColumns", schema="sales", table="no_such").fieldInfo), [])
    same(list(call("getColumnsV2", catalog="default", schema="sales", table="no_such").fieldInfo), [])
    same(list(call("getColumnsV2", catalog="no_such", schema="sales", table="orders").fieldInfo), [])


@fact
def every_table_has_the_types_that_it_lists_and_all_types_occur():
    listed = set()
    # The names that SQLAlchemy knows, where they differ.
    told = {"DATETIME": "TIMESTAMP", "TIMESTAMP_TZ": "TIMESTAMP", "DECIMAL128": "DECIMAL", "BYTE": "TINYINT"}
    nulls = 0
    for catalog in ("default", "analytics"):
        for schema in engine().call("getSchemaNamesV2", catalog=catalog).schemas:
            for table in engine().call("getTablesV2", catalog=catalog, schema=schema).tables:
                columns = [(c.fieldName, c.fieldType) for c in
                           engine().call("getColumnsV2", catalog=catalog, schema=schema, table=table).fieldInfo]
                query = engine().start(f"SELECT * FROM {table}", catalog=catalog, schema=schema)
                kinds = [(c.get_name(), c.get_field_type()) for c in engine().columns(query)[1]]
                same([(name, told.get(kind, kind)) for name, kind in kinds],
                     [(name, kind.split("(")[0].split("<")[0]) for name, kind in columns], f"{schema}.{table}")
                listed |= {kind for _, kind in kinds}
                rows = engine().rows(query)
                assert rows and not any(value == "Failed to parse." for row in rows for value in row), (schema, table)
                nulls += sum(value is None for row in rows for value in row)
    expected = {"BOOLEAN", "BYTE", "SHORT", "INTEGER", "LONG", "FLOAT", "DOUBLE", "STRING", "BINARY", "DATE", "DATETIME",
                "TIMESTAMP_TZ", "DECIMAL128", "ARRAY", "MAP", "STRUCT"}
    same(expected - listed, set(), "types that no table has")
    assert nulls > 100, nulls


@needs("getCataloges")
def catalogs_are_listed():
    catalogs = Engine(user=None).call("getCataloges").catalogResponses
    same(sorted((c.name, c.isDefault) for c in catalogs), [("analytics", False), ("default", True)])
    engine().call("getCataloges")


@needs("refreshCatalogs")
def catalogs_are_looked_at_again():
    answer = engine().call("refreshCatalogs")
    assert "sessionId" not in fields("refreshCatalogs", False) or answer.sessionId == engine().session, answer


@needs("syncSchemas")
def schemas_are_synchronized():
    engine().call("syncSchemas", catalog="default", database="sales")


@needs("addCatalogs", "getAddCatalogsResponse")
def adding_catalogs_tells_what_became_of_each():
    engine().call("addCatalogs", json=json.dumps([{"name": "nowhere", "path": "no/such/folder", "default": False}]))
    outcome = engine().call("getAddCatalogsResponse")
    same([failure.name for failure in outcome.failures], ["nowhere"])
    assert outcome.status and outcome.failures[0].reason, outcome
    for text in ("", "{", "7", '{"name": 1}'):
        engine().refused("addCatalogs", StatusCode.INVALID_ARGUMENT, json=text)
    for path in ("/etc", "../..", "a/../../b"):
        engine().call("addCatalogs", json=json.dumps([{"name": "outside", "path": path, "default": False}]))
        same(len(engine().call("getAddCatalogsResponse").failures), 1, path)


@needs("updateUsers")
def users_are_taken():
    engine().call("updateUsers", users=b"")
    engine().call("updateUsers", users=b"any bytes \xff")


@needs("setProps")
def known_settings_are_taken_and_unknown_ones_listed():
    caller = Engine()
    caller.call("setProps", props="{}")
    error = caller.refused("setProps", StatusCode.INVALID_ARGUMENT, "no.such.setting", props='{"no.such.setting": "1"}')
    assert len(error.details()) > len("no.such.setting") + 20, error.details()
    caller.refused("setProps", StatusCode.INVALID_ARGUMENT, props="{ not json")
    caller.call("setProps", props='{"catalog": "analytics", "schema": "reports"}')
    table = caller.call("getTablesV2", catalog="analytics", schema="reports").tables[0]
    same(caller.read(f"SELECT count(*) > 0 FROM {table}", catalog="", schema=""), [[True]])
    engine().refused("prepareStatement", StatusCode.INVALID_ARGUMENT, table, schema="", queryString=f"SELECT * FROM {table}")


@needs("identifyPlanner")
def a_planner_is_identified():
    payload = pb.IdentifyPlannerRequest.FirstTimeRequestPayload(schema="sales", catalog="default", queryString="SELECT 1")
    answer = engine().call("identifyPlanner", firstTimeRequestPayload=payload)
    same((answer.queueMessage, answer.sessionId), (0, engine().session))
    assert answer.plannerIp, answer


@needs("getDynamicParams")
def parameters_are_told_and_bound():
    query = engine().prepare("SELECT ? AS a, ? AS b, status FROM orders WHERE order_id < ? LIMIT 1")
    params = list(engine().call("getDynamicParams", queryId=query).params)
    same([p.index - params[0].index for p in params], [0, 1, 2])
    same(params[2].type, "LONG")
    values = [("STRING", "it's"), ("LONG", "-7"), ("LONG", "1000000")]
    bound = [pb.ParameterValue(index=p.index, type=kind, value=value) for p, (kind, value) in zip(params, values)]
    engine().call("executeStatementV2", queryId=query, params=bound)
    same([row[:2] for row in engine().rows(query)], [["it's", -7]])
    query = engine().prepare("SELECT $2 AS b, $1 AS a")
    bound = [pb.ParameterValue(index=params[0].index + n, type=kind, value=value)
             for n, (kind, value) in enumerate([("DATE", "2024-02-29"), ("DOUBLE", "0.5")])]
    engine().call("executeStatementV2", queryId=query, params=bound)
    same(engine().rows(query), [[0.5, "2024-02-29"]])
    query = engine().prepare("SELECT CAST(? AS INT) AS a")
    engine().refused("executeStatementV2", StatusCode.INVALID_ARGUMENT, queryId=query)
    engine().refused("executeStatementV2", StatusCode.INVALID_ARGUMENT, queryId=query,
                     params=[pb.ParameterValue(index=params[0].index, type="LONG", value="not a number")])
    engine().refused("prepareStatementV2", StatusCode.INVALID_ARGUMENT, catalog="default", schema="sales",
                     queryString="SELECT ? AS a, $1 AS b")


@needs("getNextRemoteCachedChunk")
def chunks_of_a_held_query_are_cached():
    query = engine().start("SELECT 42 AS answer")
    _, columns = engine().columns(query)
    answer = engine().call("getNextRemoteCachedChunk", originalQueryId=query, remoteQueryId=query, sQueryHash="")
    same(answer.error, "")
    same(read_rows_from_chunk(columns, answer.chunk), [[42]])
    answer = engine().call("getNextRemoteCachedChunk", originalQueryId=NOTHING, remoteQueryId=NOTHING, sQueryHash="")
    assert answer.error and not answer.chunk, answer


def frame():
    """A DataFrame over `orders`, with what each of its calls needs."""
    created = engine().call("createDataFrame", catalog="default", schema="sales", table="orders", dataframeNumber=1)
    assert created.queryId
    return {"queryId": created.queryId, "dataframeNumber": 1}


@needs("createDataFrame")
def a_data_frame_is_built_step_by_step():
    of = frame()
    engine().call("filterOnDataFrame", whereClause="order_id <= 100 AND status IS NOT NULL", **of)
    engine().call("projectionOnDataFrame", field=["order_id", "status"], **of)
    engine().call("orderByOnDataFrame", orderByFieldMap={"order_id": pb.DESC}, **of)
    engine().call("limitOnDataFrame", fetchLimit=7, **of)
    engine().call("executeDataFrame", **of)
    same(engine().rows(of["queryId"]), engine().read(
        "SELECT order_id, status FROM orders WHERE order_id <= 100 AND status IS NOT NULL ORDER BY order_id DESC LIMIT 7"))
    engine().call("clear", queryId=of["queryId"])


@needs("createDataFrame")
def data_frames_aggregate():
    def aggregated(function, field, sql):
        of = frame()
        engine().call("aggregateOnDataFrame", aggregateFunctionMap={field: function}, groupBy=["status"], **of)
        engine().call("executeDataFrame", **of)
        rows = engine().rows(of["queryId"])
        key = lambda row: sorted(map(str, row))
        expected = engine().read(f"SELECT status, {sql} FROM orders GROUP BY status")
        same(sorted(map(key, rows)), sorted(map(key, expected)))

    aggregated(pb.COUNT, "order_date", "count(order_date)")
    aggregated(pb.COUNT_STAR, "*", "count(*)")
    aggregated(pb.COUNT_DISTINCT, "customer_id", "count(DISTINCT customer_id)")
    aggregated(pb.SUM, "customer_id", "sum(customer_id)")


@needs("createDataFrame")
def a_data_frame_refuses_what_makes_no_sense():
    def refused(method, **values):
        engine().refused(method, StatusCode.INVALID_ARGUMENT, **values)

    refused("createDataFrame", catalog="default", schema="sales", table="no_such", dataframeNumber=1)
    refused("createDataFrame", parquetFilePath="/etc/passwd", createFromParquet=True, dataframeNumber=1)
    refused("createDataFrame", parquetFilePath="../../secret.parquet", createFromParquet=True, dataframeNumber=1)
    of = frame()
    refused("projectionOnDataFrame", field=["no_such"], **of)
    refused("filterOnDataFrame", whereClause="total_amount >", **of)
    refused("filterOnDataFrame", whereClause="no_such > 1", **of)
    refused("orderByOnDataFrame", orderByFieldMap={"no_such": pb.ASC}, **of)
    refused("aggregateOnDataFrame", aggregateFunctionMap={"no_such": pb.SUM}, **of)
    refused("limitOnDataFrame", fetchLimit=-1, **of)
    refused("filterOnDataFrame", whereClause="order_id > 1", **of | {"dataframeNumber": 99})
    engine().call("limitOnDataFrame", fetchLimit=2, **of)
    engine().call("executeDataFrame", **of)
    refused("filterOnDataFrame", whereClause="order_id > 1", **of)
    same(len(engine().rows(of["queryId"])), 2)


@needs("dropUserContext")
def dropping_a_user_context_ends_the_session_and_its_data_frames():
    caller = Engine()
    query = caller.call("createDataFrame", catalog="default", schema="sales", table="orders", dataframeNumber=1).queryId
    caller.call("dropUserContext")
    caller.refused("getSchemaNames", StatusCode.INTERNAL, "Access denied")
    engine().refused("executeDataFrame", StatusCode.NOT_FOUND, query, queryId=query, dataframeNumber=1)
    engine().call("getSchemaNames")


@fact
def compressed_requests_are_read():
    same(sorted(engine().call("getTables", compression=grpc.Compression.Gzip, schema="sales").tables),
         ["customers", "orders", "products"])


@fact
def every_method_was_called_and_every_one_with_input_refused_something():
    same(set(ENGINE) - Engine.called, set())
    without_faults = {"healthCheck", "getCataloges", "updateUsers", "syncSchemas", "getNextRemoteCachedChunk", *ENDS}
    same(set(ENGINE) - Engine.refused_methods - without_faults, set())
    same(len(ENGINE), {"2.2.6": 29, "2.3.15": 41, "3.0.2": 42}[VERSION])


if __name__ == "__main__":
    check_facts()
