"""One client that is told of a switch and adopts it, step by step: `notice.py ADDRESS`."""

import grpc

from facts import check_facts, fact, same, within
from stubs import Engine

CLIENT = Engine("blue")


def with_metadata(method, **values):
    """The answer of a call, and the response metadata."""
    answer, call = getattr(CLIENT.stub, method).with_call(
        CLIENT.request(method, values), metadata=CLIENT.metadata(), timeout=20)
    return answer, dict(call.initial_metadata())


def told():
    """What the next answer announces: as field and as metadata."""
    answer, metadata = with_metadata("getSchemaNames")
    same(metadata.get("new-strategy", ""), answer.new_strategy, "field and metadata are one decision")
    return answer.new_strategy


def refused_as_blue():
    """Whether a login as blue is a 456, whose metadata tell more."""
    try:
        CLIENT.call("authenticate", user="u", password="p")
    except grpc.RpcError as error:
        same((error.code(), error.details()), (grpc.StatusCode.UNKNOWN, "status: 456"))
        more = dict(list(error.initial_metadata() or []) + list(error.trailing_metadata() or []))
        same((more.get("expected-strategy"), more.get("received-strategy")), ("green", "blue"), str(more))
        return True
    return False


@fact
def a_switch_is_announced_adopted_and_drained():
    query = CLIENT.start("SELECT value FROM generate_series(1, 3)")
    within(20, lambda: told() == "green")
    same([told() for _ in range(5)], ["green"] * 5, "every answer tells it")
    health, metadata = with_metadata("getTables", schema="sales")
    same((health.new_strategy, metadata["new-strategy"]), ("green", "green"))
    cleared, _ = with_metadata("clear", queryId=query)
    same(cleared.new_strategy, "green", "a clear that causes the cutover tells it too")
    CLIENT.strategy = "green"
    CLIENT.call("authenticate", user="u", password="p")
    CLIENT.strategy = "blue"
    within(20, refused_as_blue)


if __name__ == "__main__":
    check_facts()
