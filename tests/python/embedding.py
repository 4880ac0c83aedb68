"""A client of examples/embed, which learns the service by reflection: `embedding.py ADDRESS`.

Reads a call per line, such as `1 Place blue`, and writes a line about it that begins with the same number. The strategy
`-` is none. `2 cancel 1` cancels a stream.
"""

import sys
import threading

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"

channel = grpc.insecure_channel(sys.argv[1])
streams = {}
writing = threading.Lock()


def say(line):
    """Writes a line as a whole, whatever thread says it."""
    with writing:
        print(line, flush=True)


def files(metadata):
    """The descriptors of the service, from the server itself."""
    ask = channel.stream_stream(
        REFLECTION, reflection_pb2.ServerReflectionRequest.SerializeToString, reflection_pb2.ServerReflectionResponse.FromString)
    question = reflection_pb2.ServerReflectionRequest(file_containing_symbol="library.Orders")
    [answer] = ask(iter([question]), metadata=metadata, timeout=60)
    return answer.file_descriptor_response.file_descriptor_proto


pool = DescriptorPool()
for file in files(None):
    pool.AddSerializedFile(file)
METHODS = pool.FindServiceByName("library.Orders").methods_by_name


def pairs(call):
    """The metadata of head and trailers that a switch sets."""
    found = dict(call.initial_metadata()) | dict(call.trailing_metadata())
    names = "new-strategy", "expected-strategy", "received-strategy"
    return " ".join(f"{name}={found[name]}" for name in names if name in found)


def shown(message):
    return " ".join(f"{field.name}={value}" for field, value in message.ListFields())


def read(number, stream):
    try:
        for message in stream:
            say(f"{number} got {shown(message)}")
        say(f"{number} over")
    except grpc.RpcError as error:
        say(f"{number} over {error.code().name}")


def call(number, method, strategy):
    metadata = None if strategy == "-" else [("strategy", strategy)]
    if method == "Check":
        answer, made = health_pb2_grpc.HealthStub(channel).Check.with_call(
            health_pb2.HealthCheckRequest(), metadata=metadata, timeout=60)
        return f"ok status={answer.status} {pairs(made)}"
    if method == "Reflect":
        return f"ok files={len(files(metadata))}"
    described = METHODS[method]
    path = f"/{described.containing_service.full_name}/{described.name}"
    request, response = GetMessageClass(described.input_type), GetMessageClass(described.output_type)
    message = request(**({"title": "Emma"} if method == "Place" else {}))
    if described.server_streaming:
        stream = channel.unary_stream(path, request.SerializeToString, response.FromString)(message, metadata=metadata)
        notice = dict(stream.initial_metadata()).get("new-strategy", "-")
        if not stream.is_active():
            stream.result()
        streams[number] = stream
        threading.Thread(target=read, args=(number, stream), daemon=True).start()
        return f"opened new-strategy={notice}"
    answer, made = channel.unary_unary(path, request.SerializeToString, response.FromString).with_call(
        message, metadata=metadata, timeout=60)
    return f"ok {shown(answer)} {pairs(made)}"


say("ready")
for line in sys.stdin:
    number, method, argument = line.split()
    try:
        if method == "cancel":
            said = f"cancelled {streams[argument].cancel()}"
        else:
            said = call(number, method, argument)
    except grpc.RpcError as error:
        said = f"{error.code().name} {error.details()!r} {pairs(error)}"
    say(f"{number}: {said.strip()}")
