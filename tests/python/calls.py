"""What the scripts share that compare calls made directly with the same through teal."""

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1),
           ("grpc.max_metadata_size", 1 << 20), ("grpc.absolute_max_metadata_size", 1 << 20)]


def outcome(call, answers):
    """All that a client can see of a call."""
    got, error = [], None
    try:
        for answer in answers:
            got.append(answer)
    except grpc.RpcError as raised:
        error = raised
    del error
    return {
        "messages": got,
        "code": call.code(),
        "details": call.details(),
        "initial": sorted((pair.key, pair.value) for pair in call.initial_metadata() or []),
        "trailing": sorted((pair.key, pair.value) for pair in call.trailing_metadata() or []),
    }


def one(call):
    """The answer of a call with one, as a sequence."""
    yield call.result()
