"""What tools such as grpcurl do at once, with no proto at hand: `introspection.py ADDRESS`."""

import sys

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

ENGINE, CLUSTER = "QueryEngineService", "ClusterService"
SERVING = health_pb2.HealthCheckResponse.SERVING

channel = grpc.insecure_channel(sys.argv[1])


def ask(version, **request):
    """One question to reflection, whose messages are the same in both versions."""
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    answers = list(call(iter([reflection_pb2.ServerReflectionRequest(**request)]), timeout=30))
    assert len(answers) == 1, answers
    return answers[0]


def services_are_listed():
    for version in "v1", "v1alpha":
        listed = {service.name for service in ask(version, list_services="").list_services_response.service}
        own = f"grpc.reflection.{version}.ServerReflection"
        assert {ENGINE, CLUSTER, "grpc.health.v1.Health", own} <= listed, listed


def symbols_are_described_or_not_found():
    for version in "v1", "v1alpha":
        for symbol in ENGINE, f"{ENGINE}.authenticate", "AuthenticateRequest", "grpc.health.v1.Health":
            described = ask(version, file_containing_symbol=symbol).file_descriptor_response
            assert described.file_descriptor_proto, symbol
        try:
            ask(version, file_containing_symbol="Nobody")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError("a symbol that isn't there is described")


def methods_are_called_by_their_descriptors():
    pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))

    def call(service, name, **values):
        method = pool.FindServiceByName(service).methods_by_name[name]
        request, response = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        stub = channel.unary_unary(f"/{service}/{name}", request.SerializeToString, response.FromString)
        return stub(request(**values), timeout=30)

    session = call(ENGINE, "authenticate", user="me@example.com", password="secret").sessionId
    assert session
    tables = call(ENGINE, "getTablesV2", sessionId=session, catalog="default", schema="sales").tables
    assert sorted(tables) == ["customers", "orders", "products"], tables
    assert call(CLUSTER, "status").status == "active"


def health_is_told():
    health = health_pb2_grpc.HealthStub(channel)
    for service in "", ENGINE, CLUSTER:
        request = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(request, timeout=30).status == SERVING, service
        assert next(health.Watch(request, timeout=30)).status == SERVING, service
    try:
        health.Check(health_pb2.HealthCheckRequest(service="Nobody"), timeout=30)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("a service that isn't there is well")


if __name__ == "__main__":
    services_are_listed()
    symbols_are_described_or_not_found()
    methods_are_called_by_their_descriptors()
    health_is_told()
