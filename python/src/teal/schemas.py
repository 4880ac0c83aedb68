"""The types of what the admin API answers. Generated from its OpenAPI document: see README.md."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Optional, TypedDict

if TYPE_CHECKING:
    from typing_extensions import NotRequired

ClusterAction = Literal["suspend", "resume"]
Event = dict[str, Any]
OneCall = Any
PhaseName = Literal["STABLE", "ANNOUNCED", "DRAINING"]
Source = Literal["start", "operator", "scenario", "call"]
Strategy = Literal["blue", "green"]
TimerAction = Literal["pause", "resume"]
Verdict = Literal["followed", "recovered", "late", "lost_work", "not_heard_from"]


class AddressStatus(TypedDict):
    """The status of one address of an engine."""

    address: str
    connections: int
    problem: Optional[str]


class Agreed(TypedDict):
    """How many instances agree on where the switch is headed."""

    of: int
    open: int
    telling: int


class Answer(TypedDict):
    """The result of a command."""

    done: str
    event: Optional[int]
    state: State


class Call(TypedDict):
    """A finished call."""

    asked: Optional[str]
    client: str
    engine: Optional[str]
    epoch: int
    fault: Optional[str]
    first_byte_seconds: float
    id: int
    message: Optional[str]
    method: str
    notice: Optional[Strategy]
    outcome: str
    peer: str
    phase: PhaseName
    query: Optional[str]
    request_bytes: int
    response_bytes: int
    seconds: float
    session: Optional[str]
    status: str
    strategy: Optional[Strategy]
    time: str
    user: Optional[str]
    user_agent: str
    verdict: str


class Calls(TypedDict):
    """The last calls that match, oldest first."""

    calls: list[Call]
    complete_from: int
    last: int
    total: int


Change = TypedDict(
    "Change",
    {
        "from": "str",
        "name": "str",
        "to": "str",
    },
)


class Client(TypedDict):
    """A client: all calls with the same user agent, as the same user, from the same address."""

    adopted: NotRequired[Optional[str]]
    came_back: NotRequired[Optional[bool]]
    errors: dict[str, int]
    first_heard: str
    id: str
    last_heard: str
    peer: str
    queries: QueryCounts
    reason: NotRequired[Optional[str]]
    rejected: int
    requests: int
    session: NotRequired[Optional[str]]
    strategy: NotRequired[Optional[Strategy]]
    token: NotRequired[Optional[str]]
    told: NotRequired[Optional[Told]]
    user: NotRequired[Optional[str]]
    user_agent: str
    verdict: NotRequired[Optional[Verdict]]
    verdicts: list[Judged]


class ClientList(TypedDict):
    """The known clients."""

    by_verdict: dict[str, int]
    clients: list[Client]
    total: int


class ClusterStatus(TypedDict):
    """The state of the cluster."""

    status: str


class Deadlines(TypedDict):
    """Deadlines in seconds from now; `null` if nothing is due."""

    announcement_seconds: Optional[float]
    cutover_seconds: Optional[float]
    drain_seconds: Optional[float]


class Each(TypedDict):
    """A number per strategy."""

    blue: int
    green: int


class EngineStatus(TypedDict):
    """The status of an engine."""

    addresses: NotRequired[list[AddressStatus]]
    connections: int
    healthy: Optional[bool]
    problem: Optional[str]
    strategies: list[Strategy]
    url: str


class ErrorAnswer(TypedDict):
    """The body of every error response."""

    error: ErrorBody


class ErrorBody(TypedDict):
    """A reason, as a code for programs and a sentence for people."""

    code: str
    epoch: NotRequired[int]
    message: str
    phase: NotRequired[PhaseName]


class EtcdState(TypedDict):
    """How the instance that answers stands with etcd."""

    lag_seconds: float
    lease_seconds: float
    state: str


class Events(TypedDict):
    """The most recent events, oldest first."""

    events: list[Event]
    next: int


class FaultList(TypedDict):
    """The active fault rules, in order."""

    faults: list[Listed]


class Instance(TypedDict):
    """An instance that shares the switch."""

    admin: Optional[str]
    differs: list[str]
    epoch: int
    here: bool
    id: str
    live: bool
    name: str
    quiet: bool
    requests: Optional[int]
    stage: str
    version: Optional[str]
    waited_for: bool


Judged = TypedDict(
    "Judged",
    {
        "announced": "str",
        "from": "Strategy",
        "reason": "str",
        "rejected": "int",
        "switch": "int",
        "to": "Strategy",
        "verdict": "NotRequired[Optional[Verdict]]",
        "withdrawal": "bool",
    },
)


class LastRefusal(TypedDict):
    """An announcement that was due and was not made."""

    reason: str
    time: str


class Listed(TypedDict):
    """A rule, as the admin API shows it."""

    hits: int
    id: str
    matches: int
    rule: str
    source: Source


class Message(TypedDict):
    """A message without its secrets: passwords and tokens are left out, and a session is the beginning of its hash."""

    bytes: int
    content: NotRequired[Optional[dict[str, Any]]]
    cut: bool
    hex: NotRequired[Optional[str]]
    problem: NotRequired[Optional[str]]
    type: str


class Messages(TypedDict):
    """The messages of a call, in order."""

    note: NotRequired[Optional[str]]
    request: list[Message]
    request_left_out: int
    response: list[Message]
    response_left_out: int


class Point(TypedDict):
    """One second."""

    queries: Each
    rejected: int
    requests: Each
    time: str


class Queries(TypedDict):
    """The queries on record, longest idle first."""

    queries: list[Query]
    total: int


class Query(TypedDict):
    """A query on record."""

    age_seconds: float
    id: str
    idle_seconds: float
    requests: int
    strategy: Strategy


class QueryCounts(TypedDict):
    """The queries of a client."""

    abandoned: int
    begun: int
    completed: int
    open: int


class RecordState(TypedDict):
    """The state of the recording."""

    bytes: int
    calls: int
    failing: bool
    file: Optional[str]
    lost: int
    recording: bool
    since: Optional[str]


class Refuted(TypedDict):
    """The statement is not true."""

    error: ErrorBody
    seen: Seen


class Reloaded(TypedDict):
    """The result of a reload."""

    done: str
    event: int
    needs_restart: list[Change]
    read_again: list[str]
    taken_over: list[Change]
    unchanged: list[str]


class Removed(TypedDict):
    """The number of rules that were removed."""

    removed: int


class Revoked(TypedDict):
    """The result of a revocation."""

    revoked: int


class Seen(TypedDict):
    """The calls that a statement was compared with."""

    by_method: dict[str, dict[str, int]]
    calls: int
    matched: int
    nearest: list[Call]


class Series(TypedDict):
    """The last ten minutes: one point per second, oldest first, without the current second."""

    points: list[Point]
    step_seconds: int


class State(TypedDict):
    """The state of the switch."""

    abandoned: int
    active: Strategy
    agreed: NotRequired[Agreed]
    cutover: str
    deadlines: Deadlines
    engines: list[EngineStatus]
    epoch: int
    etcd: NotRequired[EtcdState]
    instances: NotRequired[list[Instance]]
    last_refusal: Optional[LastRefusal]
    old: Optional[Strategy]
    pending: Optional[Strategy]
    phase: PhaseName
    phase_seconds: float
    queries: Each
    requests: Each
    since: str
    started: str
    timer: TimerState
    version: str


class TimerState(TypedDict):
    """The state of the timer."""

    every_seconds: Optional[float]
    left_seconds: Optional[float]
    paused: bool


class Told(TypedDict):
    """A notice that a client got."""

    method: str
    strategy: Strategy
    time: str


class Verified(TypedDict):
    """The statement is true."""

    seen: Seen


class Well(TypedDict):
    """A passed probe."""

    status: str
