"""The operations of the admin API, with the names of the commands. A test compares them with the API's own document."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Union, cast
from urllib.parse import quote

from .errors import Error, NotCompleted, Refused, Timeout
from .fault import Fault, Key, rule_text
from .transport import PATIENCE, Transport, Value, parse, refusal

if TYPE_CHECKING:
    from .schemas import (
        Answer,
        Call,
        Client,
        ClusterStatus,
        Event,
        Listed,
        OneCall,
        PhaseName,
        Query,
        RecordState,
        Reloaded,
        Seen,
        Series,
        State,
        Strategy,
        TimerAction,
        Verdict,
    )

Seconds = Union[int, float]

LONGEST_WAIT = 120.0
"""The default limit, in seconds, of what waits. Without a query a switch takes `announce_timeout` and `grace`, by default 60 s
and 5 s."""
NOT_STARTED = "the server is not started: expected it in a with statement, or start()"
_RESUMES = 0.05
"""The pause in seconds between two looks at a cluster that resumes."""


class Control:
    """Operates a running teal through its admin API: `Control("http://127.0.0.1:50061").switch()`.

    All methods raise `Refused` if teal refuses, and `Unreachable` if it does not answer.
    """

    _first_event: int
    _since: str | None

    def __init__(self, admin: str, *, token: str | None = None) -> None:
        self._transport_: Transport | None = Transport(admin, token)
        self._begin()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._transport_.url if self._transport_ else '(not started)'}>"

    @property
    def admin(self) -> str:
        """The URL of the admin API."""
        return self._transport.url

    # The switch.

    def state(self) -> State:
        """The state of the switch: phase, active and pending strategy, epoch, deadlines, queries, engines."""
        return cast("State", self._send("GET", "/api/v1/state"))

    def switch(
        self,
        to: Strategy | None = None,
        *,
        epoch: int | None = None,
        wait: bool = False,
        timeout: Seconds = LONGEST_WAIT,
    ) -> Answer:
        """Announces a strategy, by default the inactive one. With `wait` returns when the switch is complete, and raises
        `NotCompleted` if it is aborted or rolled back. `epoch` has it refused if the state has moved on since."""
        answer = self._send("POST", "/api/v1/switch", body={"to": to, "epoch": epoch})
        return self._settle(answer, wait, timeout)

    def cutover(
        self,
        *,
        force: bool = False,
        epoch: int | None = None,
        wait: bool = False,
        timeout: Seconds = LONGEST_WAIT,
    ) -> Answer:
        """Makes the announced strategy active, whatever the age of the announcement; with `force` even if its engine is
        unhealthy. With `wait` returns when the old strategy has drained."""
        answer = self._send("POST", "/api/v1/cutover", body={"force": force, "epoch": epoch})
        return self._settle(answer, wait, timeout)

    def abort(self, *, epoch: int | None = None, wait: bool = False, timeout: Seconds = LONGEST_WAIT) -> Answer:
        """Withdraws the announcement, and drains clients that have adopted it. With `wait` returns when they have drained."""
        answer = self._send("POST", "/api/v1/abort", body={"epoch": epoch})
        return self._settle(answer, wait, timeout)

    def rollback(self, *, epoch: int | None = None, wait: bool = False, timeout: Seconds = LONGEST_WAIT) -> Answer:
        """Announces the old strategy again, while it drains. With `wait` returns when the switch back is complete."""
        answer = self._send("POST", "/api/v1/rollback", body={"epoch": epoch})
        return self._settle(answer, wait, timeout)

    def timer(self, action: TimerAction, *, epoch: int | None = None) -> Answer:
        """Pauses the timer of `switch_every`, or resumes it with the time that is left."""
        return cast("Answer", self._send("POST", "/api/v1/timer", body={"action": action, "epoch": epoch}))

    def wait(
        self,
        phase: PhaseName | None = None,
        *,
        active: Strategy | None = None,
        timeout: Seconds = LONGEST_WAIT,
    ) -> State:
        """Waits until the switch is in this phase, and this strategy is active, and returns the state."""
        state = self.state()
        if _is_so(state, phase, active):
            return state
        expected = " and ".join(filter(None, [phase, active and f"{active} active"]))
        for name, data in self._follow(None, timeout, expected):
            if name == "state" and _is_so(data, phase, active):
                return cast("State", data)
        raise AssertionError("it is followed until it is so")

    def queries(self, *, limit: int = 1000, strategy: Strategy | None = None) -> list[Query]:
        """The queries on record, the longest idle first."""
        found = self._send("GET", "/api/v1/queries", query={"limit": limit, "strategy": strategy})
        return cast("list[Query]", found["queries"])

    # The history.

    def events(self, after: int | None = None) -> list[Event]:
        """The last 10 000 events after this id, oldest first; by default those since the last `reset`."""
        found = self._send("GET", "/api/v1/events", query={"after": self._first_event if after is None else after})
        return cast("list[Event]", found["events"])

    def stream_events(self, after: int | None = None) -> Iterator[Event]:
        """Events as they happen: from now on, or from the first one after this id. Ends with the server."""
        for name, data in self._transport.stream("/api/v1/events/stream", {"after": after}):
            if name not in ("", "state"):
                yield cast("Event", data)

    def calls(
        self,
        method: str | None = None,
        *,
        client: str | None = None,
        strategy: Strategy | None = None,
        query: str | None = None,
        status: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        after: int | None = None,
        limit: int = 10_000,
    ) -> list[Call]:
        """The last calls that have ended and match all conditions, oldest first. `*` and `?` are wildcards. `since` is
        `call:ID`, `event:ID` or `epoch:N`; by default it is the last `reset`."""
        wanted = _wanted(method, client, strategy, query, status, outcome)
        found = self._send(
            "GET", "/api/v1/calls", query={**wanted, "since": since or self._since, "after": after, "limit": limit}
        )
        return cast("list[Call]", found["calls"])

    def call(self, id: int) -> OneCall:
        """One call, with its messages as far as they are kept."""
        return cast("OneCall", self._send("GET", f"/api/v1/calls/{id}"))

    def stream_calls(
        self,
        method: str | None = None,
        *,
        client: str | None = None,
        strategy: Strategy | None = None,
        query: str | None = None,
        status: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        after: int | None = None,
    ) -> Iterator[Call]:
        """Calls as they end: from now on, or from `since` or `after` on. Ends with the server; raises `Error` if calls left
        the history unread, because the reader is too slow."""
        wanted = _wanted(method, client, strategy, query, status, outcome)
        for name, data in self._transport.stream("/api/v1/calls/stream", {**wanted, "since": since, "after": after}):
            if name == "lost":
                raise Error(f"{data['lost']} calls left the history unread: read faster, or start teal with more calls")
            if name == "call":
                yield cast("Call", data)

    def verify(
        self,
        method: str | None = None,
        *,
        client: str | None = None,
        strategy: Strategy | None = None,
        query: str | None = None,
        status: str | None = None,
        outcome: str | None = None,
        since: str | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        exactly: int | None = None,
        within: Seconds | str | None = None,
    ) -> Seen:
        """Verifies how many calls match, by default at least one; raises `NotSo`, an `AssertionError`, if it is not so.
        `within` seconds it may become so. The conditions are those of `calls`."""
        wanted = _wanted(method, client, strategy, query, status, outcome)
        numbers = {"at_least": at_least, "at_most": at_most, "exactly": exactly}
        span = within if within is None or isinstance(within, str) else f"{round(within * 1000)}ms"
        body: Mapping[str, Value] = {**wanted, "since": since or self._since, **numbers, "within": span}
        # What it may be at most, if it is written as a text.
        patience = PATIENCE + (600 if isinstance(within, str) else within or 0)
        answer = self._send("POST", "/api/v1/calls/verify", body=body, patience=patience)
        return cast("Seen", answer["seen"])

    def clients(self, *, limit: int = 10_000, verdict: Verdict | None = None) -> list[Client]:
        """The clients, the most recently active first, with their verdicts: how they followed switches."""
        found = self._send("GET", "/api/v1/clients", query={"limit": limit, "verdict": verdict})
        return cast("list[Client]", found["clients"])

    def series(self) -> Series:
        """Counts of the last ten minutes, second by second."""
        return cast("Series", self._send("GET", "/api/v1/series"))

    def metrics(self) -> str:
        """The metrics in the text format of Prometheus."""
        return self._text("/metrics")

    # Faults.

    def fault(self, rule: str | None = None, **keys: Key) -> Fault:
        """Adds a fault: `fault("method=clear*,delay=200ms")`, or `fault(method="clear*", delay="200ms")`. As a context
        manager it removes the fault at the end."""
        listed = self.add_fault(rule_text(rule, keys))
        return Fault(self, listed["id"])

    def add_fault(self, rule: str) -> Listed:
        """Adds a rule after the existing ones."""
        return cast("Listed", self._send("POST", "/api/v1/faults", body={"rule": rule}))

    def faults(self) -> list[Listed]:
        """The active rules in their order, each with its counts."""
        return cast("list[Listed]", self._send("GET", "/api/v1/faults")["faults"])

    def remove_fault(self, id: str) -> None:
        """Removes a rule."""
        self._send("DELETE", f"/api/v1/faults/{quote(id, safe='')}")

    def clear_faults(self) -> int:
        """Removes all rules, and returns their number."""
        return int(self._send("DELETE", "/api/v1/faults")["removed"])

    # The built-in engine.

    def cluster(self) -> ClusterStatus:
        """Whether the cluster of the built-in engine is `active`, `suspended` or `resuming`."""
        return cast("ClusterStatus", self._send("GET", "/api/v1/cluster"))

    def suspend(self) -> ClusterStatus:
        """Suspends the cluster of the built-in engine."""
        return cast("ClusterStatus", self._send("POST", "/api/v1/cluster", body={"action": "suspend"}))

    def resume(self, *, wait: bool = False, timeout: Seconds = LONGEST_WAIT) -> ClusterStatus:
        """Resumes the cluster of the built-in engine, which takes it two seconds; with `wait` returns when it is active."""
        cluster = cast("ClusterStatus", self._send("POST", "/api/v1/cluster", body={"action": "resume"}))
        deadline = time.monotonic() + timeout
        while wait and cluster["status"] != "active":
            if time.monotonic() > deadline:
                raise Timeout(f"expected an active cluster within {timeout:g} s; it is {cluster['status']}")
            time.sleep(_RESUMES)
            cluster = self.cluster()
        return cluster

    def revoke_tokens(self, *, token: str | None = None, client: str | None = None, all: bool = False) -> int:
        """Revokes a token, those of a client, or all; returns how many were valid."""
        body: Mapping[str, Value] = {"token": token, "client": client, "all": all}
        return int(self._send("POST", "/api/v1/tokens/revoke", body=body)["revoked"])

    # The server.

    def recording(self) -> RecordState:
        """Whether calls are recorded, and in which file."""
        return cast("RecordState", self._send("GET", "/api/v1/record"))

    def start_recording(self, file: str) -> RecordState:
        """Records calls in a file of this name, in the folder of `record_dir`."""
        return cast("RecordState", self._send("POST", "/api/v1/record", body={"action": "start", "file": file}))

    def stop_recording(self) -> RecordState:
        """Stops the recording, and returns its state at the end."""
        return cast("RecordState", self._send("POST", "/api/v1/record", body={"action": "stop"}))

    def reload(self) -> Reloaded:
        """Reads the configuration file and certificates again."""
        return cast("Reloaded", self._send("POST", "/api/v1/reload", body={}))

    def is_live(self) -> bool:
        """Whether the process runs and needs no restart."""
        return self._probe("/livez")

    def is_ready(self) -> bool:
        """Whether calls can be served."""
        return self._probe("/readyz")

    def document(self) -> dict[str, Any]:
        """The OpenAPI document of this API."""
        return cast("dict[str, Any]", self._send("GET", "/api/v1/openapi.json"))

    def reset(self, *, active: Strategy = "blue", timeout: Seconds = LONGEST_WAIT) -> State:
        """Removes all faults, resumes the cluster and the timer, and brings the switch to STABLE with this strategy. The
        history begins here: `events`, `calls` and `verify` tell of nothing before, unless they are asked to."""
        deadline = time.monotonic() + timeout
        self.clear_faults()
        try:
            if self.cluster()["status"] != "active":
                self.resume(wait=True, timeout=timeout)
        except Refused as error:
            # Calls are forwarded.
            if error.code != "not_here":
                raise
        if self.state()["timer"]["paused"]:
            self.timer("resume")
        state = self.state()
        while not _is_so(state, "STABLE", active):
            # The timer may be faster.
            epoch = state["epoch"]
            try:
                if state["phase"] == "STABLE":
                    self.switch(active, epoch=epoch)
                elif state["phase"] == "ANNOUNCED" and state["pending"] == active:
                    self.cutover(force=True, epoch=epoch)
                elif state["phase"] == "ANNOUNCED":
                    self.abort(epoch=epoch)
                else:
                    self.wait("STABLE", timeout=max(0.0, deadline - time.monotonic()))
            except Refused as error:
                if error.code != "stale":
                    raise
            state = self.state()
        self._first_event = int(self._send("GET", "/api/v1/events", query={"after": 2**53})["next"]) - 1
        try:
            self._since = f"call:{self._send('GET', '/api/v1/calls', query={'limit': 1})['last']}"
        except Refused as error:
            # No calls are kept.
            if error.code != "not_here":
                raise
        return state

    # How they are sent.

    @property
    def _transport(self) -> Transport:
        if self._transport_ is None:
            raise Error(NOT_STARTED)
        return self._transport_

    def _begin(self) -> None:
        """Has the history begin with the server."""
        self._first_event, self._since = 0, None

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Value] | None = None,
        body: Mapping[str, Value] | None = None,
        patience: float = PATIENCE,
    ) -> Any:
        status, answer = self._transport.request(method, path, query, body, patience)
        return parse(self._transport.url, status, answer)

    def _text(self, path: str) -> str:
        status, answer = self._transport.request("GET", path)
        if status != 200:
            raise refusal(self._transport.url, status, answer)
        return answer.decode()

    def _probe(self, path: str) -> bool:
        status, answer = self._transport.request("GET", path)
        if status not in (200, 503):
            raise refusal(self._transport.url, status, answer)
        return status == 200

    def _settle(self, answer: Answer, wait: bool, timeout: Seconds) -> Answer:
        """The answer, and with `wait` the state once the switch is complete."""
        if not wait or answer["state"]["phase"] == "STABLE":
            return answer
        for name, data in self._follow(answer["event"], timeout, "the switch to be complete"):
            if name == "drained" or (name == "cut_over" and data["phase"] == "STABLE"):
                return cast("Answer", {**answer, "state": self.state()})
            if name in ("aborted", "announced", "drain_timed_out"):
                raise NotCompleted(f"the switch was not completed: {data['message']}")
        raise AssertionError("it is followed until it is over")

    def _follow(self, after: int | None, timeout: Seconds, expected: str) -> Iterator[tuple[str, Any]]:
        """Events, and the state with each of them and once a second, without an end; raises if that takes too long."""
        deadline = time.monotonic() + timeout
        for name, data in self._transport.stream("/api/v1/events/stream", {"after": after}):
            yield name, data
            if name == "state" and time.monotonic() > deadline:
                now = f"it is in phase {data['phase']}, with {data['active']} active"
                raise Timeout(f"expected {expected} within {timeout:g} s; {now}")
        raise self._transport.gone(f"{self.admin} ended: expected {expected}")


def _is_so(state: State, phase: PhaseName | None, active: Strategy | None) -> bool:
    return phase in (None, state["phase"]) and active in (None, state["active"])


def _wanted(
    method: str | None,
    client: str | None,
    strategy: str | None,
    query: str | None,
    status: str | None,
    outcome: str | None,
) -> dict[str, Value]:
    return {"method": method, "client": client, "strategy": strategy, "query": query, "status": status, "outcome": outcome}
