"""One way to run SQL for every published way to do it: `open_client(api)` and `client.read(sql)`."""

import asyncio
import json
import logging
from dataclasses import dataclass

from facts import PASSWORD, USER, VERSION, address

logging.getLogger("e6data_python_connector").setLevel(logging.ERROR)


@dataclass
class Result:
    """Rows as lists, and name and type of each column."""

    rows: list
    columns: list
    rowcount: int


def connect(**options):
    """A connection of the plain DB-API."""
    from e6data_python_connector import Connection

    host, port = address()
    if "access_token" not in options:
        options = {"username": USER, "password": PASSWORD} | options
    return Connection(**({"host": host, "port": port, "catalog": "default", "database": "sales"} | options))


class Sync:
    """DB-API, one cursor for each statement."""

    def __init__(self, **options):
        self.connection = connect(**options)

    def read(self, sql, parameters=None):
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql, parameters)
            columns = [tuple(column[:2]) for column in cursor.description]
            rowcount = cursor.rowcount
            return Result(cursor.fetchall(), columns, rowcount)
        finally:
            cursor.close()

    def batches(self, sql):
        cursor = self.connection.cursor()
        try:
            cursor.execute(sql)
            yield from cursor.fetchall_buffer()
        finally:
            cursor.close()

    def close(self):
        self.connection.close()


class Pure(Sync):
    """DB-API without the compiled part of Thrift."""

    def __init__(self):
        import sys

        sys.modules["thrift.protocol.fastbinary"] = None
        super().__init__(require_fastbinary=False)


class Async:
    """The asyncio API, driven by an event loop of its own."""

    def __init__(self, **options):
        from e6data_python_connector.aio import connect as connect_async

        host, port = address()
        self.runner = asyncio.Runner()
        self.connection = self.runner.run(connect_async(
            host=host, port=port, username=USER, password=PASSWORD, catalog="default", database="sales",
            **options))

    def read(self, sql, parameters=None):
        return self.runner.run(self._read(sql, parameters))

    async def _read(self, sql, parameters):
        async with self.connection.cursor() as cursor:
            await cursor.execute(sql, parameters)
            columns = [tuple(column[:2]) for column in cursor.description]
            return Result([list(row) for row in await cursor.fetchall()], columns, cursor.rowcount)

    def batches(self, sql):
        yield self.read(sql).rows

    def close(self):
        self.runner.run(self.connection.close())
        self.runner.close()


class Alchemy:
    """The SQLAlchemy dialect."""

    def __init__(self, **options):
        import sqlalchemy

        self.engine = sqlalchemy.create_engine(alchemy_url(**options))
        self.connection = self.engine.connect()

    def read(self, sql, parameters=None):
        # SQLAlchemy hands an empty dict to the connector, which then formats the statement.
        if parameters is None:
            sql = sql.replace("%", "%%")
        result = self.connection.exec_driver_sql(sql, parameters)
        columns = [tuple(column[:2]) for column in result.cursor.description]
        return Result([list(row) for row in result.fetchall()], columns, -1)

    def batches(self, sql):
        yield self.read(sql).rows

    def close(self):
        self.connection.close()
        self.engine.dispose()


class AsyncAlchemy:
    """The SQLAlchemy dialect over asyncio."""

    def __init__(self, **options):
        from sqlalchemy.ext.asyncio import create_async_engine

        host, port = address()
        query = "&".join(f"{name}={json.dumps(value)}" for name, value in options.items())
        self.runner = asyncio.Runner()
        self.engine = create_async_engine(
            f"e6data+asyncio://{host}:{port}/?catalog=default&schema=sales&{query}".rstrip("&"),
            connect_args={"username": USER, "password": PASSWORD})
        self.connection = self.runner.run(self._connect())

    async def _connect(self):
        return await self.engine.connect()

    def read(self, sql, parameters=None):
        return self.runner.run(self._read(sql, parameters))

    async def _read(self, sql, parameters):
        if parameters is None:
            sql = sql.replace("%", "%%")
        result = await self.connection.exec_driver_sql(sql, parameters)
        columns = [tuple(column[:2]) for column in result.cursor.description]
        return Result([list(row) for row in result.fetchall()], columns, -1)

    def batches(self, sql):
        yield self.read(sql).rows

    def close(self):
        self.runner.run(self.connection.close())
        self.runner.run(self.engine.dispose())
        self.runner.close()


def alchemy_url(**options):
    """The address of the server in SQLAlchemy's form."""
    from urllib.parse import quote

    host, port = address()
    query = "".join(f"&{name}={json.dumps(value)}" for name, value in options.items())
    return f"e6data://{quote(USER, safe='')}:{PASSWORD}@{host}:{port}/?catalog=default&schema=sales{query}"


APIS = {
    "sync": lambda: Sync(),
    "sync-pure": lambda: Pure(),
    "sync-v2": lambda: Sync(enable_result_batch_v2=True),
    "sync-token": lambda: Sync(access_token="opaque-token-of-someone"),
    "async": lambda: Async(),
    "async-v2": lambda: Async(enable_result_batch_v2=True),
    "alchemy": lambda: Alchemy(),
    "alchemy-v2": lambda: Alchemy(enable_result_batch_v2=True),
    "async-alchemy": lambda: AsyncAlchemy(),
    "async-alchemy-v2": lambda: AsyncAlchemy(enable_result_batch_v2=True),
}


def open_client(api):
    """A client of the named API, logged in to catalog `default`, schema `sales`."""
    if not api.startswith("sync") and VERSION == "2.2.6":
        raise ValueError("2.2.6 is tested through its DB-API alone")
    return APIS[api]()
