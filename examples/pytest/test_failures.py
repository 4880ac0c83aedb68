"""What a client does about failures that teal brings about."""

import grpc
import pytest
import teal as package
from e6data_python_connector import Connection


def test_a_delay_is_waited_for(teal, read):
    with teal.fault(method="getNextResultBatch*", delay="300ms", first=1) as fault:
        assert read("SELECT 1") == [[1]]
    [delayed] = [call for call in teal.calls("getNextResultBatch*") if call["fault"] == fault.id]
    assert delayed["status"] == "OK"


def test_an_error_reaches_the_application(teal, connection, read):
    with teal.fault(method="prepareStatement*", status="RESOURCE_EXHAUSTED", message="too much"):
        with pytest.raises(grpc.RpcError, match="too much"):
            connection.cursor().execute("SELECT 1")
    assert read("SELECT 1") == [[1]]


def test_a_lost_session_is_renewed(teal, read):
    read("SELECT 1")
    with teal.fault(method="prepareStatement*", access_denied=True, first=1):
        assert read("SELECT 1") == [[1]]
    teal.verify("authenticate", status="OK", exactly=2)


def test_a_suspended_cluster_is_woken(teal):
    teal.suspend()
    connection = Connection(**teal.connect(auto_resume=True))
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    assert cursor.fetchall() == [[1]]
    cursor.clear()
    connection.close()
    assert teal.cluster()["status"] == "active"


@pytest.mark.teal(cutover="strict")
def test_a_strict_cutover_ends_open_queries(teal, connection):
    cursor = connection.cursor()
    cursor.execute("SELECT value FROM generate_series(1, 100000)")
    teal.switch()
    teal.cutover()
    with pytest.raises(grpc.RpcError, match="456"):
        cursor.fetchall()
    teal.verify(outcome="rejected", at_least=1)


def test_no_switch_to_a_dead_engine():
    with package.Pair() as pair:
        connection = Connection(**pair.connect())
        pair.green.stop()
        with pytest.raises(package.Refused, match="engine .* cannot be reached"):
            pair.switch()
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        assert cursor.fetchall() == [[1]]
        cursor.clear()
        connection.close()
