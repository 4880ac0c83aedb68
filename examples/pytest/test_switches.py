"""What a client reads while the engine is switched. Nothing may be lost."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy
from e6data_python_connector import Connection
from e6data_python_connector.aio import AsyncConnection

SQL = "SELECT value FROM generate_series(1, 20000) ORDER BY value"
ROWS = [[value] for value in range(1, 20001)]


def test_a_client_follows_a_switch(teal, read):
    assert read(SQL) == ROWS
    teal.switch()
    # The answers of this one announce green. The client adopts it when the query has ended.
    assert read(SQL) == ROWS
    assert read(SQL) == ROWS
    teal.wait("STABLE", active="green")
    assert read(SQL) == ROWS
    teal.verify("prepareStatement*", strategy="green")


def test_an_open_query_is_read_to_its_end(teal, connection, read):
    cursor = connection.cursor()
    cursor.execute(SQL)
    teal.switch()
    teal.cutover()
    assert cursor.fetchall() == ROWS
    cursor.clear()
    teal.verify("getNextResultBatch*", strategy="blue", outcome="ok", at_least=1)
    teal.wait("STABLE", active="green")


def test_the_client_is_told(teal, read):
    read("SELECT 1")
    teal.switch()
    read("SELECT 1")
    assert any(call["notice"] == "green" for call in teal.calls())


def test_the_client_has_a_good_verdict(teal, read):
    read("SELECT 1")
    teal.switch()
    while teal.state()["active"] == "blue":
        read("SELECT 1")
    teal.wait("STABLE")
    read("SELECT 1")
    [latest] = teal.clients(limit=1)
    assert latest["verdict"] in ("followed", "recovered"), latest["reason"]


@pytest.mark.teal(notice="1h", announce_timeout="0s")
def test_an_aborted_switch_leaves_blue(teal, read):
    teal.switch()
    read("SELECT 1")
    teal.abort()
    assert read(SQL) == ROWS
    assert teal.wait("STABLE")["active"] == "blue"


@pytest.mark.teal(notice="1h", announce_timeout="0s", grace="1h")
def test_a_rollback_goes_back_to_blue(teal, read):
    for command in (teal.switch, teal.cutover, teal.rollback, teal.cutover):
        assert read(SQL) == ROWS
        command()
    assert read(SQL) == ROWS
    assert teal.state()["active"] == "blue"
    assert [event["kind"] for event in teal.events()] == ["announced", "cut_over", "announced", "cut_over"]


def test_threads_follow_together(teal):
    def work(_):
        connection = Connection(**teal.connect())
        cursor = connection.cursor()
        for _ in range(5):
            cursor.execute(SQL)
            assert cursor.fetchall() == ROWS
            cursor.clear()
        connection.close()

    with ThreadPoolExecutor(4) as pool:
        working = pool.map(work, range(4))
        teal.verify("prepareStatement*", within=10)
        teal.switch(wait=True)
        list(working)


def test_sqlalchemy_follows_a_switch(teal):
    engine = sqlalchemy.create_engine(
        f"e6data://me%40example.com:secret@{teal.host}:{teal.port}/?catalog=default&schema=sales"
    )
    with engine.connect() as connection:
        teal.switch()
        for _ in range(3):
            rows = connection.execute(sqlalchemy.text("SELECT 40 + 2")).all()
            assert [list(row) for row in rows] == [[42]]
    teal.wait("STABLE", active="green")


def test_asyncio_follows_a_switch(teal):
    async def work():
        async with AsyncConnection(**teal.connect()) as connection:
            await teal.aio.switch()
            for _ in range(3):
                async with connection.cursor() as cursor:
                    await cursor.execute("SELECT 40 + 2")
                    assert await cursor.fetchall() == [[42]]
            await teal.aio.wait("STABLE", active="green")

    asyncio.run(work())


@pytest.mark.teal(switch_every="500ms")
def test_switches_by_the_timer_lose_nothing(teal, read):
    while cutovers(teal) < 3:
        assert read(SQL) == ROWS


@pytest.mark.teal(scenario="flip-flop")
def test_flip_flop_loses_nothing(teal, read):
    while cutovers(teal) < 2:
        assert read(SQL) == ROWS


def cutovers(teal):
    return len([event for event in teal.events() if event["kind"] == "cut_over"])
