"""The life of a server: how it starts, how it ends, and what is seen of it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

import teal
from support import SOON, client, deadline, rehearse, wait_for_the_end
from teal.process import LINES, LONGEST, Process
from teal.server import _reachable, _written


def test_two_servers_have_ports_of_their_own() -> None:
    with teal.Server() as one, teal.Server() as other:
        assert len({one.port, other.port, one.admin, other.admin}) == 4
        assert one.is_ready() and one.is_live()
        assert one.host == "127.0.0.1"
        assert one.url == f"http://127.0.0.1:{one.port}"
        assert any("Server started on" in line for line in one.log)
        assert one.state()["timer"]["every_seconds"] is None


def test_flags_are_handed_on_by_name() -> None:
    with teal.Server(cutover="strict", switch_every=timedelta(minutes=5), initial="green") as server:
        state = server.state()
        assert (state["cutover"], state["active"], state["timer"]["every_seconds"]) == ("strict", "green", 300.0)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("5s", ["--some-flag=5s"]),
        (5, ["--some-flag=5"]),
        (True, ["--some-flag=on"]),
        (False, ["--some-flag=off"]),
        (timedelta(seconds=1.5), ["--some-flag=1500ms"]),
        (Path("/a b"), ["--some-flag=/a b"]),
        (["a=1", "b=2"], ["--some-flag=a=1", "--some-flag=b=2"]),
        (None, []),
        ([], []),
    ],
)
def test_flags_have_values_of_python(value: teal.server.Flag, written: list[str]) -> None:
    assert _written("some_flag", value) == written


def test_addresses_of_all_interfaces_are_reached_locally() -> None:
    assert _reachable("0.0.0.0:5") == "127.0.0.1:5"
    assert _reachable("[::]:5") == "[::1]:5"
    assert _reachable("10.0.0.1:5") == "10.0.0.1:5"


@pytest.mark.parametrize(
    ("flags", "named"),
    [({"cutover": "soft"}, "--cutover"), ({"no_such_flag": 1}, "--no-such-flag"), ({"upstream": "ftp://x"}, "--upstream")],
)
def test_a_bad_flag_is_named(flags: dict[str, teal.server.Flag], named: str) -> None:
    with pytest.raises(teal.Died, match=named) as died:
        teal.Server(**flags).start()  # type: ignore[arg-type]
    assert died.value.code == 64


@pytest.mark.parametrize("flags", [{"admin": "off"}, {"admin": False}])
def test_the_admin_api_cannot_be_off(flags: dict[str, teal.server.Flag]) -> None:
    with pytest.raises(ValueError, match="admin: 'off': expected an address"):
        teal.Server(**flags)  # type: ignore[arg-type]


def test_a_log_without_ports_is_refused() -> None:
    with pytest.raises(ValueError, match="log_level: 'error': expected info or debug"):
        teal.Server(log_level="error").start()


def test_a_log_in_json_tells_the_ports() -> None:
    with teal.Server(log_format="json") as server:
        assert server.is_ready()


def test_the_environment_sets_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAL_CUTOVER", "strict")
    with teal.Server() as server, teal.Server(env={"TEAL_CUTOVER": "strict"}) as told:
        assert (server.state()["cutover"], told.state()["cutover"]) == ("drain", "strict")


def test_a_server_outside_of_with_says_so() -> None:
    server = teal.Server()
    with pytest.raises(teal.Error, match="the server is not started"):
        server.state()
    with pytest.raises(teal.Error, match="the server is not started"):
        server.restart()
    assert server.log == []
    server.stop()


def test_a_missing_program_is_named() -> None:
    with pytest.raises(teal.Error, match=r"\n/no/such/teal: expected a program \(.*No such file or directory\)$"):
        teal.Server(program="/no/such/teal").start()


def test_a_start_that_hangs_is_ended(tmp_path: Path) -> None:
    program, pid = tmp_path / "teal", tmp_path / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid}\necho no port here\nexec sleep 600\n")
    program.chmod(0o755)
    with pytest.raises(teal.Timeout, match="no port here"):
        teal.Server(program=program, start_within=2).start()
    assert wait_for_the_end(int(pid.read_text()))


def test_a_server_that_is_not_ready_says_why() -> None:
    with pytest.raises(teal.Timeout, match="expected a server that is ready within 0.5 s: .*127.0.0.1:1"):
        teal.Server(upstream="127.0.0.1:1", start_within=0.5).start()


def test_a_killed_server_shows_its_log() -> None:
    server = teal.Server()
    with pytest.raises(teal.Died, match="(?s)by signal 9; its log ends with:\n.*Server started on") as died:
        with server:
            os.kill(server.pid, signal.SIGKILL)
            wait_for_the_end(server.pid)
    assert died.value.code == -9
    assert any("Server started on" in line for line in died.value.log)


def test_operations_on_a_killed_server_say_so() -> None:
    server = teal.Server()
    server.start()
    os.kill(server.pid, signal.SIGKILL)
    with pytest.raises(teal.Died):
        server.switch()
    with pytest.raises(teal.Died):
        server.stop()
    server.stop()


def test_the_error_of_the_body_stays() -> None:
    with pytest.raises(KeyError):
        with teal.Server():
            raise KeyError("mine")


def test_a_stopped_server_is_gone() -> None:
    with teal.Server() as server:
        pid = server.pid
    assert wait_for_the_end(pid)
    assert not Path(f"/proc/{pid}").exists()


def test_a_call_that_hangs_does_not_hold_the_end() -> None:
    with teal.Server() as server:
        pid = server.pid
        fault = server.fault(method="getNextResultBatch*", hang=True)
        running = rehearse(server)
        try:
            for event in server.stream_events(after=0):
                if event["kind"] == "fault" and fault.hits:
                    break
            server.stop()
        finally:
            running.kill()
            running.wait()
    assert wait_for_the_end(pid)


SCRIPT = "import teal, sys\nserver = teal.Server()\nserver.start()\nprint(server.pid, flush=True)\n"


FORK = """
import os
if os.fork() == 0:
    server.stop()
    sys.exit()
assert os.wait()[1] == 0 and server.is_ready()
server.stop()
"""
INTERRUPTED = """
import signal, sys, teal
# A job in the background ignores it.
signal.signal(signal.SIGINT, signal.default_int_handler)
with teal.Server() as server:
    try:
        print(server.pid, flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        print("interrupted", server.is_ready(), flush=True)
"""


def test_a_server_ends_with_its_interpreter() -> None:
    said = subprocess.run([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, check=True, timeout=SOON)
    assert not Path(f"/proc/{int(said.stdout)}").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a process of its parent's end")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_a_killed_interpreter(number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT + "sys.stdin.read()\n"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        running.send_signal(number)
        assert wait_for_the_end(pid)


def test_a_fork_leaves_the_server_alone() -> None:
    program = SCRIPT + FORK
    subprocess.run([sys.executable, "-c", program], stdout=subprocess.DEVNULL, check=True, timeout=SOON)


def test_an_interrupt_reaches_python_only() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as running:
        assert running.stdout is not None
        pid = int(running.stdout.readline())
        os.killpg(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=SOON)
        assert said == b"interrupted True\n"
    assert running.returncode == 0 and wait_for_the_end(pid)


def test_the_thread_that_started_it_may_end() -> None:
    server = teal.Server()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    try:
        assert server.is_ready()
    finally:
        server.stop()


def test_the_log_is_bounded() -> None:
    program = f"print('x' * {LONGEST * 3}); print('y\\n' * {LINES}, end='last')"
    process = Process([sys.executable, "-c", program], dict(os.environ))
    process.find("^(last)$", deadline())
    lines = process.log
    assert len(lines) == LINES and max(map(len, lines)) <= LONGEST and lines[-1] == "last"
    process.stop()


def test_a_restart_keeps_the_ports() -> None:
    with teal.Server() as server:
        before = (server.url, server.admin, server.pid)
        with client(server):
            pass
        server.restart(cutover="strict")
        assert (server.url, server.admin) == before[:2] and server.pid != before[2]
        assert server.state()["cutover"] == "strict"
        assert server.calls() == []


def test_a_scenario_is_played_from_its_start() -> None:
    with teal.Server() as server:
        with server.scenario("graceful") as playing:
            with client(playing):
                playing.wait(active="green")
        assert server.state()["active"] == "blue"
        assert server.flags["scenario"] is None
        with pytest.raises(teal.Died, match="no-such-scenario"):
            server.scenario("no-such-scenario")


def test_a_pair_is_switched() -> None:
    with teal.Pair(announce_timeout="1ms", notice="0s", grace="0s") as pair:
        engines = pair.state()["engines"]
        assert {engine["url"] for engine in engines} == {pair.blue.url, pair.green.url}
        with client(pair):
            pair.switch(wait=True)
            pair.verify("prepareStatement*", strategy="green", status="OK", within=SOON)
        assert pair.calls(strategy="green")[-1]["engine"] == pair.green.url
        pair.restart(initial="green")
        assert pair.state()["active"] == "green" and pair.blue.is_ready()
        pids = [each.pid for each in (pair, pair.blue, pair.green)]
    assert all(map(wait_for_the_end, pids))


def test_no_switch_to_a_dead_engine() -> None:
    with teal.Pair() as pair:
        pair.green.stop()
        with pytest.raises(teal.Refused) as refused:
            pair.switch()
        assert (refused.value.status, refused.value.code, refused.value.phase) == (409, "engine", "STABLE")


def test_a_pair_that_fails_leaves_nothing() -> None:
    pair = teal.Pair(cutover="soft")
    with pytest.raises(teal.Died):
        pair.start()
    with pytest.raises(teal.Error, match="not started"):
        pair.blue.pid


def test_the_token_is_shown(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    with teal.Server(admin_token_file=token) as server:
        assert server.state()["phase"] == "STABLE"
        assert teal.Control(server.admin, token="s3cret").state()["phase"] == "STABLE"
        with pytest.raises(teal.Refused) as refused:
            teal.Control(server.admin).state()
        assert refused.value.status == 401


def test_a_connector_gets_its_arguments() -> None:
    with teal.Server() as server:
        assert server.connect(database="finance") == {
            "host": "127.0.0.1",
            "port": server.port,
            "username": "me@example.com",
            "password": "secret",
            "catalog": "default",
            "database": "finance",
        }
        assert not {"username", "password"} & server.connect(access_token="t").keys()


def test_a_server_in_asyncio() -> None:
    async def run() -> int:
        async with teal.Server() as server:
            assert await server.is_ready() and server.port
            return server.sync.pid

    assert wait_for_the_end(asyncio.run(run()))


def test_a_dead_server_in_asyncio() -> None:
    async def run() -> None:
        async with teal.Server() as server:
            os.kill(server.sync.pid, signal.SIGKILL)

    with pytest.raises(teal.Died):
        asyncio.run(run())
