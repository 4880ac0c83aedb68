"""Operations, and what they raise."""

from __future__ import annotations

import http.server
import pickle
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import teal
from support import SOON, client, rehearse
from teal import transport
from teal.fault import rule_text


@pytest.fixture(scope="module")
def shared() -> Iterator[teal.Server]:
    with teal.Server(notice="0s", grace="0s", announce_timeout="0s", drain_timeout="200ms") as server:
        yield server


@pytest.fixture
def server(shared: teal.Server) -> teal.Server:
    shared.reset()
    return shared


def test_a_switch_goes_through_its_phases(server: teal.Server) -> None:
    announced = server.switch("green")
    assert (announced["state"]["phase"], announced["state"]["pending"]) == ("ANNOUNCED", "green")
    assert "green is announced" in announced["done"]
    done = server.cutover(wait=True)
    assert (done["state"]["phase"], done["state"]["active"]) == ("STABLE", "green")
    assert [event["kind"] for event in server.events()] == ["announced", "cut_over", "drained"]
    kinds = [event["kind"] for event in server.events(after=server.events()[0]["id"])]
    assert kinds == ["cut_over", "drained"]


def test_a_switch_is_waited_for(server: teal.Server) -> None:
    with client(server):
        state = server.switch(wait=True)["state"]
        assert (state["phase"], state["active"]) == ("STABLE", "green")
        server.verify("clear*", strategy="green", within=SOON)
        [latest] = server.clients(limit=1)
        assert (latest["user"], latest["strategy"]) == ("rehearse@example.com", "green")
        assert latest["id"] in [client["id"] for client in server.clients(verdict=latest["verdict"])]


def test_an_aborted_switch_is_not_completed(server: teal.Server) -> None:
    with ThreadPoolExecutor() as pool:
        switch = pool.submit(server.switch, wait=True)
        server.wait("ANNOUNCED")
        assert server.abort(wait=True)["state"]["phase"] == "STABLE"
        with pytest.raises(teal.NotCompleted, match="the switch was not completed: "):
            switch.result()


def test_a_rollback_is_waited_for() -> None:
    with teal.Server(notice="0s", grace="60s", announce_timeout="0s") as server:
        server.switch()
        server.cutover()
        assert server.rollback()["state"]["pending"] == "blue"
        with pytest.raises(teal.Timeout, match="expected the switch to be complete within 0.5 s; it is in phase DRAINING"):
            server.cutover(wait=True, timeout=0.5)


def test_what_does_not_come_is_not_waited_for(server: teal.Server) -> None:
    expected = "expected DRAINING and green active within 0.5 s; it is in phase STABLE, with blue active"
    with pytest.raises(teal.Timeout, match=expected) as late:
        server.wait("DRAINING", active="green", timeout=0.5)
    assert isinstance(late.value, TimeoutError)


def test_a_wait_ends_with_the_server() -> None:
    server = teal.Server()
    server.start()
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(server.wait, "DRAINING")
        events = server.stream_events(after=0)
        calls = server.stream_calls()
        server.fault(disconnect=True)
        assert next(events)["kind"] == "fault"
        server.stop()
        with pytest.raises(teal.Error):
            waits.result()
    assert list(events) == []
    with pytest.raises(teal.Error):
        list(calls)


def test_a_refusal_names_the_phase(server: teal.Server) -> None:
    with pytest.raises(teal.Refused, match="cannot cut over in phase STABLE: expected ANNOUNCED") as refused:
        server.cutover()
    assert (refused.value.status, refused.value.code, refused.value.phase) == (409, "unfit", "STABLE")
    copy = pickle.loads(pickle.dumps(refused.value))
    assert (str(copy), copy.status, copy.epoch) == (str(refused.value), 409, refused.value.epoch)


def test_a_stale_command_is_refused(server: teal.Server) -> None:
    epoch = server.state()["epoch"]
    server.switch(epoch=epoch)
    for command in (server.switch, server.cutover, server.abort, server.rollback):
        with pytest.raises(teal.Refused) as refused:
            command(epoch=epoch)
        assert refused.value.code == "stale"


def test_bad_values_are_named(server: teal.Server) -> None:
    with pytest.raises(teal.Refused, match="to: unknown variant `red`|red") as refused:
        server.switch("red")  # type: ignore[arg-type]
    assert refused.value.status == 422
    with pytest.raises(teal.Refused, match="since: 'yesterday': expected call:ID, event:ID or epoch:N"):
        server.calls(since="yesterday")
    with pytest.raises(teal.Refused, match="limit: 0"):
        server.queries(limit=0)
    with pytest.raises(teal.Refused, match=r"there is no fault 'a/b\?c'"):
        server.remove_fault("a/b?c")


def test_the_timer_is_paused_and_resumed() -> None:
    with teal.Server(switch_every="1h") as server:
        assert server.timer("pause")["state"]["timer"]["paused"]
        assert not server.reset()["timer"]["paused"]


def test_a_fault_lasts_as_long_as_with(server: teal.Server) -> None:
    with client(server):
        with server.fault(method="prepareStatement*", status="UNAVAILABLE", message='a "b", c', first=1) as fault:
            server.verify("prepareStatement*", status="UNAVAILABLE", exactly=1, within=1)
            assert fault.hits == 1
            [listed] = server.faults()
            assert listed["id"] == fault.id
        assert server.faults() == []


def test_a_removed_fault_is_not_missed(server: teal.Server) -> None:
    with server.fault("method=clear*,suspended"):
        assert server.clear_faults() == 1


def test_a_bad_fault_is_named(server: teal.Server) -> None:
    with pytest.raises(teal.Refused, match="delay: 'soon'") as refused:
        server.fault(delay="soon")
    assert refused.value.code == "bad_rule"
    with pytest.raises(teal.Refused) as refused:
        server.fault()
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("keys", "rule"),
    [
        ({"method": "get*", "delay": "1s"}, "method=get*,delay=1s"),
        ({"user_agent": "x y", "disconnect": True}, "user-agent=x y,disconnect"),
        ({"metadata": {"a": "1", "b": "2"}, "nth": 3, "hang": True}, "metadata.a=1,metadata.b=2,nth=3,hang"),
        ({"sql": r"a\d{1,2}", "suspended": True}, r'sql="a\\d{1,2}",suspended'),
        ({"status": "INTERNAL", "message": ' "x" '}, r'status=INTERNAL,message=" \"x\" "'),
        ({"hang": True, "disconnect": False, "strategy": None}, "hang"),
    ],
)
def test_rules_have_keys_of_python(server: teal.Server, keys: dict[str, Any], rule: str) -> None:
    assert rule_text(None, keys) == rule
    server.fault(**keys)


def test_the_history_begins_at_a_reset(server: teal.Server) -> None:
    with client(server):
        pass
    server.switch()
    assert server.calls() and server.events()
    state = server.reset()
    assert (state["phase"], state["active"], server.events(), server.calls()) == ("STABLE", "blue", [], [])
    assert server.calls(since="epoch:0") and server.events(after=0)
    assert server.verify(exactly=0)["calls"] == 0


@pytest.mark.parametrize("phase", ["ANNOUNCED", "DRAINING", "STABLE"])
@pytest.mark.parametrize("active", ["blue", "green"])
def test_any_phase_is_reset(server: teal.Server, phase: str, active: Any) -> None:
    server.reset(active=active)
    server.fault(hang=True)
    if phase != "STABLE":
        server.switch()
    if phase == "DRAINING":
        server.cutover()
    state = server.reset()
    assert (state["phase"], state["active"], server.faults()) == ("STABLE", "blue", [])


def test_a_statement_that_is_not_so_shows_more(server: teal.Server) -> None:
    with client(server):
        pass
    with pytest.raises(AssertionError, match="expected exactly 0, saw [0-9]+; seen: .*authenticate OK x1") as wrong:
        server.verify("authenticate", exactly=0)
    assert isinstance(wrong.value, teal.NotSo) and wrong.value.seen["matched"] == 1
    assert pickle.loads(pickle.dumps(wrong.value)).seen == wrong.value.seen
    assert server.verify("authenticate", at_least=1, at_most=1, within="10ms")["matched"] == 1


def test_calls_are_found_by_conditions(server: teal.Server) -> None:
    with client(server):
        server.verify("clear*", at_least=3, within=SOON)
    assert {call["method"] for call in server.calls("clear*")} <= {"clear", "clearOrCancelQuery"}
    [login] = server.calls("authenticate")
    assert (login["user"], login["outcome"], login["strategy"]) == ("rehearse@example.com", "ok", "blue")
    assert server.calls(client=login["client"], status="OK", outcome="ok", strategy="blue")
    assert server.calls(after=server.calls()[-1]["id"]) == []
    query = server.calls("prepareStatement*")[0]["query"]
    assert {call["query"] for call in server.calls(query=query)} == {query}
    assert len(server.calls(limit=2)) == 2


def test_calls_are_seen_as_they_end(server: teal.Server) -> None:
    calls = server.stream_calls("authenticate", since=server._since)
    with client(server):
        assert next(calls)["method"] == "authenticate"


def test_queries_are_on_record(server: teal.Server) -> None:
    client = rehearse(server, "--hold=60s")
    try:
        server.verify("executeStatement*", within=SOON)
        query = server.calls("executeStatement*")[0]["query"]
        assert query in [each["id"] for each in server.queries(strategy="blue")]
        assert query not in [each["id"] for each in server.queries(strategy="green")]
    finally:
        client.kill()
        client.wait()


def test_the_cluster_is_suspended(server: teal.Server) -> None:
    assert server.suspend()["status"] == "suspended"
    with pytest.raises(teal.Timeout, match="expected an active cluster within 0 s; it is resuming"):
        server.resume(wait=True, timeout=0)
    server.reset()
    assert server.cluster()["status"] == "active"


def test_tokens_are_revoked(server: teal.Server) -> None:
    assert server.revoke_tokens(all=True) == 0
    with pytest.raises(teal.Refused, match="expected one of token, client or all"):
        server.revoke_tokens()


def test_calls_are_recorded(tmp_path: Any) -> None:
    with teal.Server(record_dir=tmp_path) as server:
        assert server.start_recording("calls.binlog")["recording"]
        with client(server):
            pass
        assert server.recording()["file"]
        assert server.stop_recording()["calls"] > 0
    assert (tmp_path / "calls.binlog").stat().st_size > 0


def test_settings_are_reloaded(tmp_path: Any) -> None:
    file = tmp_path / "teal.toml"
    file.write_text('cutover = "drain"\n')
    with teal.Server(config=file) as server:
        file.write_text('cutover = "strict"\n')
        [change] = server.reload()["taken_over"]
        assert (change["name"], change["to"], server.state()["cutover"]) == ("cutover", "strict", "strict")


def test_counts_are_told(server: teal.Server) -> None:
    assert re.search(r"^teal_\w+", server.metrics(), re.MULTILINE)
    assert server.series()


def test_nobody_answers() -> None:
    with pytest.raises(teal.Unreachable, match="no teal answers at http://127.0.0.1:1: .*refused"):
        teal.Control("127.0.0.1:1").state()


@pytest.mark.parametrize("address", ["", "ftp://x", "http://", "127.0.0.1:port", "http://x:99999"])
def test_a_bad_address_is_named(address: str) -> None:
    with pytest.raises(ValueError, match="expected the address of an admin API"):
        teal.Control(address)


@contextmanager
def another(status: int, answer: bytes) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as other:
        thread = threading.Thread(target=other.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{other.server_port}"
        finally:
            other.shutdown()
            thread.join()


def test_a_large_answer_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 100)
    with another(200, b" " * 101) as address:
        with pytest.raises(teal.Unreachable, match="its answer is larger than 100 bytes"):
            teal.Control(address).state()


@pytest.mark.parametrize(
    ("status", "answer"),
    [(200, b"<html>"), (500, b"oh"), (404, b'{"error": "none"}'), (404, b"[]"), (204, b""), (200, b"\xff")],
)
def test_another_server_is_no_teal(status: int, answer: bytes) -> None:
    with another(status, answer) as address:
        with pytest.raises(teal.Unreachable, match="is not a teal admin API"):
            teal.Control(address).state()
