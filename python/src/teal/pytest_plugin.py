"""The plugin for pytest: fixtures `teal` and `teal_server`, the marker `teal`, and a report of what the servers of a failed
test have seen."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from .errors import Died, Error
from .server import Flag, Server

if TYPE_CHECKING:
    from .schemas import Strategy

SHOWN = 50
"""The events, and the calls, that a report shows."""

_PACE: dict[str, Flag] = {"notice": "100ms", "announce_timeout": "2s", "grace": "200ms", "drain_timeout": "30s"}
_AT_ONCE = {"notice": "0s", "announce_timeout": "1ms", "grace": "0s", "drain_timeout": "1ms"}
_MARKER = "teal(scenario=..., switch_every=..., ...): the fixture teal is a server of the test's own, with these flags"
_servers_of = pytest.StashKey["list[Server]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("teal_flags", "flags of the servers of the fixtures, each as name=value", type="linelist", default=[])


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", _MARKER)


@pytest.fixture
def teal(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server. Tests share one, whose faults and switch are reset before each test, and whose history then begins again; a
    test with the marker `teal` has its own."""
    marked = list(request.node.iter_markers("teal"))
    if any(mark.args for mark in marked):
        raise pytest.UsageError('expected flags by name, such as @pytest.mark.teal(switch_every="2s")')
    if not marked:
        shared: _Shared = request.getfixturevalue("_teal_shared")
        shared.reset()
        _use(request, shared.server)
        yield shared.server
        return
    flags: dict[str, Flag] = {}
    # The closest one comes first.
    for mark in reversed(marked):
        flags.update(mark.kwargs)
    with Server(**_flags(request.config, flags)) as server:  # type: ignore[arg-type]
        _use(request, server)
        yield server


@pytest.fixture
def teal_server(request: pytest.FixtureRequest) -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the test: `teal_server(cutover="strict")`."""
    with contextlib.ExitStack() as servers:

        def start(**flags: Any) -> Server:
            server = servers.enter_context(Server(**_flags(request.config, flags)))  # type: ignore[arg-type]
            _use(request, server)
            return server

        yield start


@pytest.fixture(scope="session")
def _teal_shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Shared]:
    shared = _Shared(_given(request.config), tmp_path_factory.mktemp("teal") / "teal.toml")
    with shared.server:
        yield shared


class _Shared:
    """The server of a session. The pace of its switch is in a file, so that it can be reset at once."""

    def __init__(self, flags: dict[str, Flag], file: Path) -> None:
        self._pace = {name: flags.pop(name, value) for name, value in _PACE.items()}
        self._file = file
        self._active: Strategy = "green" if flags.get("initial") == "green" else "blue"
        if "config" in flags:
            raise pytest.UsageError("teal_flags: 'config': expected flags, because the plugin has a file of its own")
        self._write(self._pace)
        self.server = Server(**{"switch_every": "0", **flags, "config": file})  # type: ignore[arg-type]

    def reset(self) -> None:
        try:
            state = self.server.state()
        except Died:
            # That is the failure of another test.
            self.server.start()
            return
        if state["phase"] != "STABLE" or state["active"] != self._active:
            with self._at_once():
                self.server.reset(active=self._active)
        self.server.reset(active=self._active)

    @contextlib.contextmanager
    def _at_once(self) -> Iterator[None]:
        """Has drains end at once, whatever queries earlier tests have left."""
        self._write({**self._pace, **_AT_ONCE})
        self.server.reload()
        try:
            yield
        finally:
            self._write(self._pace)
            self.server.reload()

    def _write(self, settings: dict[str, Flag]) -> None:
        lines = [f"{name.replace('_', '-')} = {json.dumps(str(value))}\n" for name, value in settings.items()]
        self._file.write_text("".join(lines), encoding="utf-8")


def _flags(config: pytest.Config, own: dict[str, Flag]) -> dict[str, Flag]:
    """The flags of a server that is not shared. A scenario has a pace of its own."""
    return {**({} if own.get("scenario") else _PACE), **_given(config), **own}


def _given(config: pytest.Config) -> dict[str, Flag]:
    """The flags of the ini file."""
    flags: dict[str, Flag] = {}
    for line in config.getini("teal_flags"):
        name, equals, value = line.partition("=")
        if not equals:
            raise pytest.UsageError(f"teal_flags: {line!r}: expected name=value, such as grace=1s")
        flags[name.strip().replace("-", "_")] = value.strip()
    return flags


def _use(request: pytest.FixtureRequest, server: Server) -> None:
    request.node.stash.setdefault(_servers_of, []).append(server)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Adds to the report of a failed test what its servers have seen."""
    outcome = yield
    report: pytest.TestReport = outcome.get_result()
    servers = item.stash.get(_servers_of, [])
    if report.failed and report.when != "teardown":
        for number, server in enumerate(servers, 1):
            name = "teal" if len(servers) == 1 else f"teal {number} of {len(servers)}"
            report.sections.extend((f"{name}: {title}", text) for title, text in _seen(server))


def _seen(server: Server) -> Iterator[tuple[str, str]]:
    try:
        events = [f"{_clock(event)} {event['kind']}: {event['message']}" for event in server.events()]
        yield "events", _last(events)
        calls = [
            f"{_clock(call)} {call['method']} {call['strategy'] or '-'} {'456' if call['outcome'] == 'rejected' else call['status']}"
            f" {call['seconds'] * 1e3:.1f} ms {call['user'] or call['peer']} {call['query'] or '-'}"
            + (f" told {call['notice']}" if call["notice"] else "")
            + (f" fault {call['fault']}" if call["fault"] else "")
            for call in server.calls()
        ]
        yield "calls", _last(calls)
    except Error as error:
        yield "nothing to show", str(error)


def _clock(entry: Any) -> str:
    """The time of day of an event or a call."""
    return str(entry["time"])[11:23]


def _last(lines: list[str]) -> str:
    left = len(lines) - SHOWN
    return "\n".join([f"... {left} before", *lines[-SHOWN:]] if left > 0 else lines or ["none"])
