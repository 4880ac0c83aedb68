"""The served descriptors against those inside the connector: `descriptors.py FILE`, an encoded FileDescriptorSet."""

import sys

from e6data_python_connector.cluster_server import cluster_pb2
from e6data_python_connector.server import e6x_engine_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from facts import GENERATION, VERSION, check_facts, fact, same

# Where the generations disagree, the second wins: what the first has at these places. `asRowData` has
# presence there, which is no difference on the wire.
MOVED = {1: {("ClearResponse", "new_strategy", 1), ("StatusResponse", "new_strategy", 4),
             ("GetNextResultBatchRequest", "asRowData", 4)}, 2: set()}
# What is served for the first generation, and no connector of the second knows.
UNION = {
    ("GetNextResultRowRequest", "engineIP", 1), ("GetNextResultRowRequest", "sessionId", 2),
    ("GetNextResultRowRequest", "queryId", 3), ("GetNextResultRowResponse", "resultRow", 2),
    ("GetNextResultRowResponse", "new_strategy", 3), ("GetNextResultBatchRequest", "asRowData", 4),
    ("DryRunResponse", "new_strategy", 2)}


def messages(file):
    """Every field as (message, field, number) and what there is to know of it on the wire."""
    found, enums, pending = {}, {}, [("", file.message_type, file.enum_type)]
    while pending:
        prefix, nested, kinds = pending.pop()
        for enum in kinds:
            enums[prefix + enum.name] = {(value.name, value.number) for value in enum.value}
        for message in nested:
            name = prefix + message.name
            pending.append((name + ".", message.nested_type, message.enum_type))
            for field in message.field:
                found[name, field.name, field.number] = (
                    field.type, field.label, field.type_name, field.proto3_optional, message.options.map_entry)
    return found, enums


def methods(file):
    """Every method with its types."""
    return {(service.name, method.name): (method.input_type, method.output_type, method.client_streaming, method.server_streaming)
            for service in file.service for method in service.method}


def served():
    """The files of the server by name."""
    with open(sys.argv[1], "rb") as file:
        return {file.name: file for file in FileDescriptorSet.FromString(file.read()).file}


PAIRS = [(FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb), name)
         for module, name in ((e6x_engine_pb2, "e6x_engine.proto"), (cluster_pb2, "cluster.proto"))]


@fact
def every_field_of_the_connector_is_served_as_it_is():
    for theirs, name in PAIRS:
        ours, _ = messages(served()[name])
        different = {key: (ours.get(key), value) for key, value in messages(theirs)[0].items() if ours.get(key) != value}
        same(set(different), MOVED[GENERATION] if name == "e6x_engine.proto" else set(), f"ours and theirs: {different}")


@fact
def nothing_else_is_served():
    """The newest connector knows all but the union; an older one has free numbers where fields were added."""
    for theirs, name in PAIRS:
        ours, _ = messages(served()[name])
        known, _ = messages(theirs)
        if VERSION == "3.0.2":
            same(set(ours) - set(known), UNION if name == "e6x_engine.proto" else set())
        numbers = {(message, number): field for message, field, number in known}
        moved = {(message, number) for message, _, number in MOVED[GENERATION]}
        clashes = {key for key in ours if numbers.get((key[0], key[2]), key[1]) != key[1]}
        same({(message, number) for message, _, number in clashes} - moved, set(), clashes)


@fact
def every_enum_is_served_as_it_is():
    for theirs, name in PAIRS:
        _, ours = messages(served()[name])
        for enum, values in messages(theirs)[1].items():
            same(ours[enum], values, enum)


@fact
def every_method_of_the_connector_is_served_with_its_types():
    for theirs, name in PAIRS:
        ours = methods(served()[name])
        for method, types in methods(theirs).items():
            same(ours.get(method), types, str(method))
        more = {method for _, method in set(ours) - set(methods(theirs))}
        if GENERATION == 2 and name == "e6x_engine.proto":
            same(more, {"getNextResultRow"} | ({"getNextResultBatchV2"} if VERSION != "3.0.2" else set()))


@fact
def packages_and_services_have_the_same_names():
    for theirs, name in PAIRS:
        same((served()[name].package, [s.name for s in served()[name].service]), (theirs.package, [s.name for s in theirs.service]))


if __name__ == "__main__":
    check_facts()
