"""What SQLAlchemy learns of the catalog, and statements it writes itself: `reflection.py ADDRESS`."""

import asyncio
import logging

import sqlalchemy
from sqlalchemy import func, select, types

from clients import alchemy_url
from facts import PASSWORD, USER, VERSION, address, check_facts, fact, same

TABLES = {"sales": ["customers", "orders", "products"], "marketing": ["campaigns", "conversions", "leads"],
          "finance": ["accounts", "budgets", "transactions"]}
ENGINE = sqlalchemy.create_engine(alchemy_url())


class Warnings(logging.Handler):
    """Keeps what the dialect complains about."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.said = []
        logging.getLogger("e6data_python_connector.dialect").addHandler(self)
        logging.getLogger("e6data_python_connector.dialect").setLevel(logging.WARNING)

    def emit(self, record):
        self.said.append(record.getMessage())


@fact
def schemas_and_tables_are_found():
    inspector = sqlalchemy.inspect(ENGINE)
    same(sorted(inspector.get_schema_names()), sorted(TABLES))
    for schema, tables in TABLES.items():
        same(sorted(inspector.get_table_names(schema=schema)), tables)


@fact
def columns_have_the_types_of_sqlalchemy():
    inspector = sqlalchemy.inspect(ENGINE)
    columns = {column["name"]: column["type"] for column in inspector.get_columns("orders", schema="sales")}
    same(list(columns), ["order_id", "customer_id", "order_date", "total_amount", "status"])
    assert isinstance(columns["order_id"], types.BigInteger), columns
    assert isinstance(columns["total_amount"], types.Float), columns
    assert isinstance(columns["status"], types.String), columns


@fact
def no_column_of_the_catalog_has_an_unknown_type():
    warnings = Warnings()
    inspector = sqlalchemy.inspect(ENGINE)
    for schema, tables in TABLES.items():
        for table in tables:
            assert inspector.get_columns(table, schema=schema), (schema, table)
    same(warnings.said, [])


@fact
def a_statement_of_sqlalchemy_reads_rows():
    orders = sqlalchemy.table("orders", sqlalchemy.column("order_id"), sqlalchemy.column("status"),
                              sqlalchemy.column("total_amount"), schema="sales")
    with ENGINE.connect() as connection:
        rows = connection.execute(
            select(orders.c.order_id, orders.c.status).where(orders.c.order_id <= 5).order_by(orders.c.order_id)).fetchall()
        assert 1 <= len(rows) <= 5 and all(isinstance(row.order_id, int) for row in rows), rows
        grouped = connection.execute(
            select(orders.c.status, func.count().label("n")).group_by(orders.c.status).having(func.count() > 0)).fetchall()
        total = connection.execute(select(func.count()).select_from(orders)).fetchall()[0][0]
        same(sum(row.n for row in grouped), total)
        same(connection.execute(select(orders.c.order_id).where(orders.c.status == "it's none")).fetchall(), [])
        same(connection.execute(sqlalchemy.text("SELECT :x AS x"), {"x": "it's"}).fetchall()[0][0], "it's")


@fact
def asyncio_finds_the_same():
    if VERSION != "3.0.2":
        return
    from sqlalchemy.ext.asyncio import create_async_engine

    async def inspect():
        host, port = address()
        engine = create_async_engine(f"e6data+asyncio://{host}:{port}/sales?catalog=default",
                                     connect_args={"username": USER, "password": PASSWORD}, pool_pre_ping=True)
        async with engine.connect() as connection:
            def look(sync):
                inspector = sqlalchemy.inspect(sync)
                return (sorted(inspector.get_schema_names()), sorted(inspector.get_table_names(schema="finance")),
                        [column["name"] for column in inspector.get_columns("customers", schema="sales")])
            found = await connection.run_sync(look)
        await engine.dispose()
        return found

    same(asyncio.run(inspect()), (sorted(TABLES), TABLES["finance"], ["customer_id", "name", "email", "created_date"]))


if __name__ == "__main__":
    check_facts()
