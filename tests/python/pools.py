"""Connection pools of the connector and of SQLAlchemy under several threads: `pools.py ADDRESS`."""

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor

from clients import alchemy_url
from facts import PASSWORD, USER, VERSION, address, check_facts, fact, same

THREADS, TIMES = 6, 8
SQL = "SELECT value * {0} FROM generate_series(1, 3000) ORDER BY value"


def parameters():
    host, port = address()
    return {"host": host, "port": port, "username": USER, "password": PASSWORD, "catalog": "default", "database": "sales"}


def from_all_threads(read):
    """Reads other rows in every thread, several times."""
    def repeatedly(n):
        for time in range(TIMES):
            same([row[0] for row in read(SQL.format(n + time))], [value * (n + time) for value in range(1, 3001)])
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(repeatedly, n) for n in range(1, THREADS + 1)]:
            done.result()


def pool_of_the_connector(**options):
    from e6data_python_connector.connection_pool import ConnectionPool

    pool = ConnectionPool(min_size=2, max_size=4, max_overflow=4, **parameters(), **options)

    def read(sql):
        with pool.get_connection_context() as connection:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = cursor.fetchall()
            cursor.clear()
            return rows

    from_all_threads(read)
    pool.close_all()


@fact
def the_pool_of_the_connector_serves_all_threads():
    pool_of_the_connector()


@fact
def the_pool_serves_them_with_envelopes_too():
    if VERSION == "3.0.2":
        pool_of_the_connector(enable_result_batch_v2=True)


@fact
def the_pool_of_sqlalchemy_serves_all_threads():
    import sqlalchemy

    for options in [{}] + ([{"enable_result_batch_v2": True}] if VERSION == "3.0.2" else []):
        engine = sqlalchemy.create_engine(alchemy_url(**options), pool_size=3, pool_pre_ping=True)

        def read(sql):
            with engine.connect() as connection:
                return connection.exec_driver_sql(sql).fetchall()

        from_all_threads(read)
        engine.dispose()


@fact
def the_asyncio_pool_serves_all_tasks():
    if VERSION != "3.0.2":
        return
    from e6data_python_connector.aio import AsyncConnectionPool

    async def all_tasks(**options):
        async with AsyncConnectionPool(min_size=2, max_size=4, **parameters(), **options) as pool:
            async def repeatedly(n):
                for time in range(TIMES):
                    async with pool.get_connection_context() as connection:
                        async with connection.cursor() as cursor:
                            await cursor.execute(SQL.format(n + time))
                            same([row[0] for row in await cursor.fetchall()], [v * (n + time) for v in range(1, 3001)])
            await asyncio.gather(*(repeatedly(n) for n in range(1, THREADS + 1)))

    asyncio.run(all_tasks())
    asyncio.run(all_tasks(enable_result_batch_v2=True))


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)
    check_facts()
