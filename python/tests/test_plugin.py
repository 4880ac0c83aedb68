"""The plugin, in sessions of its own."""

from __future__ import annotations

import pytest

CALLS = """
import subprocess
from teal import binary

def query(server, *flags):
    command = [binary.find(), "rehearse", "--to", server.url, "--clients", "1", "--duration", "100ms", *flags]
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
"""


@pytest.fixture
def run(pytester: pytest.Pytester) -> object:
    def run(source: str, *args: str) -> pytest.RunResult:
        pytester.makepyfile(calls=CALLS, test_it=source)
        return pytester.runpytest("-p", "no:cacheprovider", *args)

    return run


def test_tests_share_one_server(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        from calls import query
        ports = set()

        def test_one(teal):
            ports.add(teal.port)
            query(teal)
            teal.fault(hang=True)
            teal.switch()
            teal.cutover()
            assert teal.calls() and teal.events()

        def test_two(teal):
            ports.add(teal.port)
            assert len(ports) == 1
            assert teal.calls() == [] and teal.events() == [] and teal.faults() == []
            state = teal.state()
            assert (state["phase"], state["active"]) == ("STABLE", "blue")

        def test_three(teal):
            teal.switch(wait=True)
            assert len(teal.events()) == 3
        """
    )
    result.assert_outcomes(passed=3)


def test_unfinished_queries_do_not_hold_a_reset(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    pytester.makeini("[pytest]\nteal_flags = drain_timeout=0s\n")
    result = run(
        """
        import os, signal, subprocess
        from teal import binary

        def test_one(teal):
            command = [binary.find(), "rehearse", "--to", teal.url, "--clients", "1", "--hold=60s"]
            client = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            teal.verify("prepareStatement*", within="30s")
            client.kill()
            client.wait()
            teal.switch()
            teal.cutover()
            assert teal.queries(strategy="blue")

        def test_two(teal):
            assert teal.state()["phase"] == "STABLE"
            # The pace is that of before.
            teal.switch()
            assert teal.wait("ANNOUNCED")["deadlines"]["cutover_seconds"] > 0.5
        """
    )
    result.assert_outcomes(passed=2)


def test_a_marked_test_has_its_own_server(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        import pytest
        pytestmark = pytest.mark.teal(cutover="strict")

        @pytest.mark.teal(switch_every="2s")
        def test_one(teal):
            assert teal.state()["timer"]["every_seconds"] == 2
            assert teal.state()["cutover"] == "strict"

        @pytest.mark.teal(scenario="flip-flop", cutover="drain")
        def test_two(teal):
            assert any("flip-flop" in line for line in teal.log)
            assert teal.state()["cutover"] == "drain"
        """,
        "--strict-markers",
    )
    result.assert_outcomes(passed=2)


def test_a_marker_takes_names_only(run) -> None:  # type: ignore[no-untyped-def]
    result = run("import pytest\n@pytest.mark.teal('2s')\ndef test_one(teal): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*expected flags by name, such as @pytest.mark.teal(switch_every=*"])


def test_a_bad_flag_is_an_error(run) -> None:  # type: ignore[no-untyped-def]
    result = run("import pytest\n@pytest.mark.teal(cutover='soft')\ndef test_one(teal): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*--cutover*'soft'*"])


def test_a_factory_starts_servers(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        import os

        pids = []

        def test_one(teal_server, teal):
            servers = [teal_server(cutover=kind) for kind in ("drain", "strict")]
            assert [server.state()["cutover"] for server in servers] == ["drain", "strict"]
            pids.extend(server.pid for server in servers)
            assert teal.pid not in pids

        def test_two():
            assert pids and not any(os.path.exists(f"/proc/{pid}") for pid in pids)
        """
    )
    result.assert_outcomes(passed=2)


def test_a_failure_shows_events_and_calls(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        from calls import query

        def test_one(teal):
            query(teal)
            teal.switch()
            assert False

        def test_two(teal):
            pass

        def test_three(teal, teal_server):
            teal_server()
            for _ in range(60):
                teal.fault(hang=True)
            teal.verify("clear*", exactly=7)
        """
    )
    result.assert_outcomes(failed=2, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*- teal: events -*",
            "??:??:??.??? announced: *",
            "*- teal: calls -*",
            "??:??:??.??? prepareStatement* blue OK * ms *",
        ]
    )
    result.stdout.fnmatch_lines(["*NotSo: expected exactly 7, saw 0; seen: no calls", "*- teal 1 of 2: events -*", "... 10 before"])


def test_a_killed_server_fails_one_test(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        """
        import os, signal

        def test_one(teal):
            os.kill(teal.pid, signal.SIGKILL)
            teal.state()

        def test_two(teal):
            assert teal.is_ready()
        """
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["*Died: teal ended by signal 9; its log ends with:*", "*Server started on *"])


def test_the_ini_file_has_flags(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    pytester.makeini("[pytest]\nteal_flags =\n  cutover=strict\n  initial = green\n  grace=7s\n")
    result = run(
        """
        def test_one(teal, teal_server):
            teal.switch()
            for server in (teal, teal_server()):
                assert (server.state()["cutover"]) == "strict"
                assert server.state()["active"] == "green"

        def test_two(teal):
            assert (teal.state()["phase"], teal.state()["active"]) == ("STABLE", "green")
        """
    )
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(("flag", "said"), [("grace", "*teal_flags: 'grace': expected name=value*"), ("config=x", "*'config'*")])
def test_bad_flags_of_the_ini_file(run, pytester: pytest.Pytester, flag: str, said: str) -> None:  # type: ignore[no-untyped-def]
    pytester.makeini(f"[pytest]\nteal_flags = {flag}\n")
    result = run("def test_one(teal): pass\n")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])


def test_each_worker_has_a_server(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    pytest.importorskip("xdist")
    result = run(
        """
        import os, pytest

        @pytest.mark.parametrize("number", range(4))
        def test_one(teal, number):
            with open(os.environ["PORTS"], "a") as file:
                file.write(f"{os.environ['PYTEST_XDIST_WORKER']} {teal.port}\\n")
            assert number != 3
        """,
        "-n2",
    )
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*- teal: events -*"])
    lines = (pytester.path / "ports").read_text().splitlines()
    workers, ports = ({line.split()[at] for line in lines} for at in (0, 1))
    assert len(lines) == 4 and len(workers) == len(ports) == len(set(lines))


@pytest.fixture(autouse=True)
def ports(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTS", str(pytester.path / "ports"))
