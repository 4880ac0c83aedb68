"""The same for asyncio: each method is a coroutine that runs the method of the same name in a thread."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Callable, TypeVar

from .control import Control
from .fault import Fault, Key
from .server import Server

if TYPE_CHECKING:
    from typing_extensions import Concatenate, ParamSpec

    P = ParamSpec("P")

T = TypeVar("T")


def _awaitable(
    method: Callable[Concatenate[Any, P], T],
) -> Callable[Concatenate[AsyncControl, P], Coroutine[Any, Any, T]]:
    @functools.wraps(method)
    async def call(self: AsyncControl, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(getattr(self.sync, method.__name__), *args, **kwargs)

    return call


def _stream(
    method: Callable[Concatenate[Any, P], Iterator[T]],
) -> Callable[Concatenate[AsyncControl, P], AsyncIterator[T]]:
    @functools.wraps(method)
    async def call(self: AsyncControl, /, *args: P.args, **kwargs: P.kwargs) -> AsyncIterator[T]:
        end: Any = object()
        items = getattr(self.sync, method.__name__)(*args, **kwargs)
        while True:
            item = await asyncio.to_thread(next, items, end)
            if item is end:
                break
            yield item

    return call


class AsyncControl:
    """Operates a running teal through its admin API: `await AsyncControl(Control("http://127.0.0.1:50061")).switch()`."""

    def __init__(self, sync: Control) -> None:
        self.sync = sync
        """The same for code without asyncio."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.sync!r}>"

    @property
    def admin(self) -> str:
        """The URL of the admin API."""
        return self.sync.admin

    state = _awaitable(Control.state)
    switch = _awaitable(Control.switch)
    cutover = _awaitable(Control.cutover)
    abort = _awaitable(Control.abort)
    rollback = _awaitable(Control.rollback)
    timer = _awaitable(Control.timer)
    wait = _awaitable(Control.wait)
    queries = _awaitable(Control.queries)
    events = _awaitable(Control.events)
    stream_events = _stream(Control.stream_events)
    calls = _awaitable(Control.calls)
    call = _awaitable(Control.call)
    stream_calls = _stream(Control.stream_calls)
    verify = _awaitable(Control.verify)
    clients = _awaitable(Control.clients)
    series = _awaitable(Control.series)
    metrics = _awaitable(Control.metrics)
    add_fault = _awaitable(Control.add_fault)
    faults = _awaitable(Control.faults)
    remove_fault = _awaitable(Control.remove_fault)
    clear_faults = _awaitable(Control.clear_faults)
    cluster = _awaitable(Control.cluster)
    suspend = _awaitable(Control.suspend)
    resume = _awaitable(Control.resume)
    revoke_tokens = _awaitable(Control.revoke_tokens)
    recording = _awaitable(Control.recording)
    start_recording = _awaitable(Control.start_recording)
    stop_recording = _awaitable(Control.stop_recording)
    reload = _awaitable(Control.reload)
    is_live = _awaitable(Control.is_live)
    is_ready = _awaitable(Control.is_ready)
    document = _awaitable(Control.document)
    reset = _awaitable(Control.reset)

    @asynccontextmanager
    async def fault(self, rule: str | None = None, **keys: Key) -> AsyncIterator[Fault]:
        """Adds a fault, and removes it at the end; see `Control.fault`."""
        fault = await asyncio.to_thread(self.sync.fault, rule, **keys)
        try:
            yield fault
        finally:
            await asyncio.to_thread(fault.remove)


class AsyncServer(AsyncControl):
    """A teal of one's own: `async with teal.Server() as server: ...`."""

    def __init__(self, sync: Server) -> None:
        super().__init__(sync)
        self.sync: Server = sync

    start = _awaitable(Server.start)
    stop = _awaitable(Server.stop)
    restart = _awaitable(Server.restart)

    @property
    def host(self) -> str:
        """The address that clients connect to."""
        return self.sync.host

    @property
    def port(self) -> int:
        """The port that clients connect to."""
        return self.sync.port

    @property
    def url(self) -> str:
        """The URL that clients connect to."""
        return self.sync.url

    @property
    def log(self) -> list[str]:
        """The last 10 000 lines of its log."""
        return self.sync.log

    def connect(self, **options: Any) -> dict[str, Any]:
        """The keyword arguments with which a connector reaches it; see `Server.connect`."""
        return self.sync.connect(**options)

    @asynccontextmanager
    async def scenario(self, name: str) -> AsyncIterator[AsyncServer]:
        """Restarts it with a scenario, and without one at the end; see `Server.scenario`."""
        await self.restart(scenario=name)
        try:
            yield self
        finally:
            await self.restart(scenario=None)
