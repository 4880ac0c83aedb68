"""The same through asyncio, where nothing may hold the loop."""

from __future__ import annotations

import asyncio

import pytest

import teal
from support import SOON, client


def test_waiting_does_not_hold_the_loop() -> None:
    async def run() -> None:
        async with teal.Server(notice="0s", grace="0s", announce_timeout="0s") as server:
            switch = asyncio.create_task(server.switch(wait=True))
            await server.wait("ANNOUNCED")
            await server.cutover()
            assert (await switch)["state"]["active"] == "green"
            kinds = [event["kind"] for event in await server.events()]
            assert kinds == ["announced", "cut_over", "drained"]
            assert (await server.reset())["active"] == "blue"

    asyncio.run(run())


def test_streams_are_iterated() -> None:
    async def run() -> None:
        async with teal.Server() as server:
            await server.switch()
            async for event in server.stream_events(after=0):
                assert event["kind"] == "announced"
                break
            with client(server.sync):
                async for call in server.stream_calls(since="call:0"):
                    assert call["id"] == 1
                    break
            await server.verify("clear*", within=SOON)

    asyncio.run(run())


def test_faults_and_scenarios_end() -> None:
    async def run() -> None:
        async with teal.Server() as server:
            async with server.fault(hang=True) as fault:
                assert [listed["id"] for listed in await server.faults()] == [fault.id]
            assert await server.faults() == []
            async with server.scenario("graceful") as playing:
                assert any("graceful" in line for line in playing.log)
            assert server.connect()["port"] == server.port
            assert server.url.endswith(str(server.port)) and server.host and server.admin
            with pytest.raises(teal.Refused):
                await server.abort()

    asyncio.run(run())


def test_a_running_teal_is_operated() -> None:
    with teal.Server() as server:
        control = teal.AsyncControl(teal.Control(server.admin))
        assert asyncio.run(control.state())["phase"] == "STABLE"
        assert server.admin in repr(control)
