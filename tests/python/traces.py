"""A collector of traces and an engine that shows its metadata: `traces.py traced|untraced`.

Says `collector PORT engine PORT`, then takes the address of the server between them from its input.
"""

import queue
import sys
from concurrent.futures import ThreadPoolExecutor

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from facts import check_facts, fact, same, within

METHOD = "/QueryEngineService/getSchemaNames"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

spans, seen = [], queue.Queue()


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        for resource in request.resource_spans:
            service = {a.key: a.value.string_value for a in resource.resource.attributes}["service.name"]
            for scope in resource.scope_spans:
                spans.extend((service, span) for span in scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()


class Engine(grpc.GenericRpcHandler):
    def service(self, details):
        def answer(request, context):
            seen.put(details.invocation_metadata)
            if details.method != METHOD:
                context.abort(grpc.StatusCode.NOT_FOUND, "no such thing")
            return b""
        return grpc.unary_unary_rpc_method_handler(answer)


def serve(add):
    server = grpc.server(ThreadPoolExecutor(4))
    add(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def call(method=METHOD, metadata=()):
    """What the engine sees of a call's metadata, in the order of names, but for what grpc says of itself."""
    call = CHANNEL.unary_unary(method)
    try:
        call(b"", metadata=(("strategy", "blue"), *metadata), timeout=20)
    except grpc.RpcError as error:
        same(error.code(), grpc.StatusCode.NOT_FOUND)
    return sorted((key, value) for key, value in seen.get(timeout=20)
                  if key not in ("user-agent", "accept-encoding"))


def parts(metadata):
    version, trace, span, flags = dict(metadata)["traceparent"].split("-")
    same(version, "00")
    return trace, span, flags


def exported(trace):
    """The one span of a trace, once the collector has it."""
    found = within(60, lambda: [it for it in spans if it[1].trace_id.hex() == trace])
    same(len(found), 1)
    return found[0]


def attributes(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def the_trace_of_the_client_is_continued_and_forwarded():
    given = ("traceparent", f"00-{TRACE}-{SPAN}-01"), ("tracestate", "vendor=1")
    metadata = call(metadata=given)
    trace, span, flags = parts(metadata)
    same((trace, flags, dict(metadata)["tracestate"]), (TRACE, "01", "vendor=1"))
    assert span != SPAN
    service, found = exported(TRACE)
    same((service, found.name, found.span_id.hex(), found.parent_span_id.hex()),
         ("teal", METHOD[1:], span, SPAN))
    same(attributes(found), {"rpc.system": "grpc", "rpc.service": "QueryEngineService", "rpc.method": "getSchemaNames",
                             "rpc.grpc.status_code": 0, "teal.outcome": "ok", "teal.strategy": "blue"})
    assert found.end_time_unix_nano > found.start_time_unix_nano
    same((found.kind, found.status.code), (found.SPAN_KIND_SERVER, 0))


def a_call_without_a_trace_begins_one():
    trace, span, flags = parts(call())
    assert trace != TRACE and flags == "01"
    _, found = exported(trace)
    same((found.span_id.hex(), found.parent_span_id), (span, b""))


def a_failed_call_says_so():
    trace, _, _ = parts(call("/Nothing/atAll"))
    _, found = exported(trace)
    same((found.name, found.status.code, attributes(found)["rpc.grpc.status_code"]), ("other", 2, 5))


def what_the_client_does_not_sample_is_forwarded_and_not_sent():
    trace, span, flags = parts(call(metadata=[("traceparent", f"00-{'ab' * 16}-{SPAN}-00")]))
    same((trace, flags), ("ab" * 16, "00"))
    assert span != SPAN
    # Spans are sent in order: when a later one is there, this one would be.
    exported(parts(call())[0])
    same([it for it in spans if it[1].trace_id.hex() == trace], [])


def metadata_is_what_the_client_sent():
    given = [("strategy", "blue"), ("traceparent", "of no known form"), ("tracestate", "vendor=1")]
    same(call(metadata=given[1:]), given)
    same(call(), given[:1])
    same(spans, [])


FACTS = {
    "traced": [
        the_trace_of_the_client_is_continued_and_forwarded,
        a_call_without_a_trace_begins_one,
        a_failed_call_says_so,
        what_the_client_does_not_sample_is_forwarded_and_not_sent,
    ],
    "untraced": [metadata_is_what_the_client_sent],
}

if __name__ == "__main__":
    collector, collects = serve(
        lambda server: trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server))
    engine, answers = serve(lambda server: server.add_generic_rpc_handlers([Engine()]))
    print(f"collector {collects} engine {answers}", flush=True)
    CHANNEL = grpc.insecure_channel(sys.stdin.readline().strip())
    for function in FACTS[sys.argv[1]]:
        fact(function)
    check_facts()
