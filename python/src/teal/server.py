"""Servers of one's own: the program on free ports, until the end of a `with` statement."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import urlsplit

from . import binary
from .control import NOT_STARTED, Control
from .errors import Died, Error, Timeout
from .process import Process
from .transport import Transport

if TYPE_CHECKING:
    from .aio import AsyncServer

Flag = Union[str, int, float, bool, "os.PathLike[str]", timedelta, Sequence[Union[str, "os.PathLike[str]"]], None]
"""A flag's value: `True` and `False` are on and off, a `timedelta` is a duration, a list repeats the flag, and `None` leaves it
out."""

_STARTED = r"Server started on ([^\s\",]+)"
_ADMIN = r"Admin API on http://([^\s\",/]+)"
_LOOK = 0.02
"""The pause in seconds between two looks at a server that is not ready."""


class Server(Control):
    """A teal of one's own: `with teal.Server(cutover="strict") as server: ...`, or `async with`.

    Keyword arguments are the flags of `teal serve`, with `_` for `-`. By default it listens on free ports of 127.0.0.1, and
    switches on command only, unless `config`, `scenario` or `switch_every` say more. It sees no `TEAL_…` of the environment;
    `env` adds variables. `program` is another program than that of this package. A start that takes longer than `start_within`
    seconds fails.
    """

    def __init__(
        self,
        *,
        program: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        start_within: float = 60.0,
        **flags: Flag,
    ) -> None:
        if str(flags.get("admin")) == "off" or flags.get("admin") is False:
            raise ValueError("admin: 'off': expected an address, because this package operates the server through it")
        self.flags: dict[str, Flag] = dict(flags)
        self._program, self._env_, self._start_within = program, dict(env or {}), start_within
        self._process: Process | None = None
        self._transport_ = None
        self._begin()

    # Its life.

    def start(self) -> None:
        """Starts it, and returns once it serves. Does nothing if it runs."""
        if self._process is None or self._process.ended:
            self._run()

    def stop(self) -> None:
        """Ends it; calls in progress have 2 s to finish. Raises `Died` if it had ended by itself."""
        self._end()

    def restart(self, /, **flags: Flag) -> None:
        """Starts it again on the same ports, with these flags in addition. It forgets sessions, queries and faults, and the
        history begins again. A flag that is `None` gets its default."""
        at: dict[str, Flag] = {"listen": self.url.partition("://")[2], "admin": self.admin.partition("://")[2]}
        self.flags.update({**at, **flags})
        self._end()
        self._run()

    def scenario(self, name: str | os.PathLike[str]) -> Playing:
        """Restarts it with a scenario, a built-in one or a file, which begins at once. As a context manager it is restarted
        without one at the end."""
        self.restart(scenario=name)
        return Playing(self)

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except Died as died:
            if error is None:
                raise
            if not isinstance(error, Died):
                # The server's end is why, and more than that is lost if it replaces the error.
                raise died from error

    async def __aenter__(self) -> AsyncServer:
        await asyncio.to_thread(self.start)
        return self.aio

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.__exit__, kind, error, trace)

    # What it is.

    @property
    def aio(self) -> AsyncServer:
        """The same server for asyncio."""
        from .aio import AsyncServer

        return AsyncServer(self)

    @property
    def host(self) -> str:
        """The address that clients connect to."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return urlsplit(self.url).port or 0

    @property
    def url(self) -> str:
        """The URL that clients connect to, such as `http://127.0.0.1:41234`."""
        self._started()
        return f"{'https' if self.flags.get('tls_cert') else 'http'}://{self._address}"

    @property
    def log(self) -> list[str]:
        """The last 10 000 lines of its log, also after its end."""
        return [] if self._process is None else self._process.log

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._started().pid

    def connect(self, **options: Any) -> dict[str, Any]:
        """The keyword arguments with which a connector reaches it: `Connection(**server.connect(database="finance"))`. With
        `access_token` or `client_id` among the options there is no user and password."""
        given: dict[str, Any] = {"host": self.host, "port": self.port, "catalog": "default", "database": "sales"}
        if not {"access_token", "client_id"} & options.keys():
            given.update(username="me@example.com", password="secret")
        if self.flags.get("tls_cert"):
            given.update(secure=True, ssl_cert=str(self.flags["tls_cert"]))
        return {**given, **options}

    # How it is started and ended.

    def _run(self) -> None:
        deadline = time.monotonic() + self._start_within
        self._begin()
        program = binary.find() if self._program is None else os.fspath(self._program)
        self._process = process = Process([program, "serve", *self._arguments()], self._environment())
        try:
            admin = _reachable(process.find(_ADMIN, deadline))
            self._address = _reachable(process.find(_STARTED, deadline))
            self._transport_ = Transport(f"http://{admin}", self._token(), self._explain)
            while not self.is_ready():
                if time.monotonic() > deadline:
                    raise Timeout(f"expected a server that is ready within {self._start_within:g} s: {self._unready()}")
                time.sleep(_LOOK)
        except BaseException:
            process.stop()
            self._transport_ = None
            raise

    def _started(self) -> Process:
        """The process; raises if there is none."""
        if self._process is None or self._transport_ is None:
            raise Error(NOT_STARTED)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            died, self._transport_ = self._process.stop(), None
            if died is not None:
                raise died

    def _arguments(self) -> list[str]:
        # The ports are read from the log.
        flags: dict[str, Flag] = {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0", "log_level": "info"}
        if self.flags.get("gate") not in ("off", False) and not self.flags.get("config") and not self.flags.get("scenario"):
            flags["switch_every"] = "0"
        flags.update({name: value for name, value in self.flags.items() if value is not None})
        if flags["log_level"] not in ("info", "debug"):
            raise ValueError(f"log_level: {flags['log_level']!r}: expected info or debug, because the log tells the ports")
        return [part for name, value in flags.items() for part in _written(name, value)]

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TEAL_")}
        return {**kept, **self._env_}

    def _token(self) -> str | None:
        file = self.flags.get("admin_token_file")
        return None if file is None else Path(str(file)).read_text(encoding="utf-8").strip()

    def _unready(self) -> str:
        try:
            self._send("GET", "/readyz")
        except (Error, OSError) as error:
            return str(error)
        return "it is now"

    def _explain(self) -> Exception | None:
        return None if self._process is None else self._process.explain()


class Pair(Server):
    """A teal in front of two engines, `blue` and `green`, which are teals too. `engine` holds flags of the engines; the other
    keyword arguments are those of `Server`, for the teal in front."""

    def __init__(
        self,
        *,
        engine: Mapping[str, Flag] | None = None,
        program: str | os.PathLike[str] | None = None,
        env: Mapping[str, str] | None = None,
        start_within: float = 60.0,
        **flags: Flag,
    ) -> None:
        super().__init__(program=program, env=env, start_within=start_within, **flags)
        # They accept each other's sessions, as engines behind one teal should.
        given: dict[str, Flag] = {"gate": "off", "sessions": "any", **(engine or {})}
        self.blue = Server(program=program, env=env, start_within=start_within, **given)
        self.green = Server(program=program, env=env, start_within=start_within, **given)

    def start(self) -> None:
        """Starts the engines, and then the teal before them."""
        try:
            self.blue.start()
            self.green.start()
            self.flags.update(blue=self.blue.url, green=self.green.url)
            super().start()
        except BaseException:
            self._stop_engines()
            raise

    def stop(self) -> None:
        """Ends all three. Raises `Died` if the one in front had ended by itself."""
        try:
            super().stop()
        finally:
            self._stop_engines()

    def __enter__(self) -> Pair:
        self.start()
        return self

    def _stop_engines(self) -> None:
        for engine in (self.blue, self.green):
            try:
                engine.stop()
            except Died:
                # A test may have killed it.
                pass


class Playing:
    """A server that plays a scenario; as a context manager the scenario ends with it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def __enter__(self) -> Server:
        return self._server

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.restart(scenario=None)


def _written(name: str, value: Flag) -> list[str]:
    """A flag as the command line has it."""
    flag = f"--{name.replace('_', '-')}"
    if value is True or value is False:
        return [f"{flag}={'on' if value else 'off'}"]
    if isinstance(value, timedelta):
        return [f"{flag}={round(value.total_seconds() * 1000)}ms"]
    if isinstance(value, (str, int, float)):
        return [f"{flag}={value}"]
    if isinstance(value, os.PathLike):
        return [f"{flag}={os.fspath(value)}"]
    return [f"{flag}={os.fspath(each)}" for each in value or ()]


def _reachable(address: str) -> str:
    """An address that reaches what listens on this one."""
    return re.sub(r"^\[::\]", "[::1]", re.sub(r"^0\.0\.0\.0:", "127.0.0.1:", address))
