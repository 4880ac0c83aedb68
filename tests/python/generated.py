"""Tables that nobody made: `generated.py ADDRESS`, with unknown tables made up."""

from e6data_python_connector import Connection

from facts import PASSWORD, USER, address, check_facts, fact, same
from stubs import Engine

ENGINE = Engine()


def columns(table):
    return {c.fieldName: c.fieldType for c in ENGINE.call("getColumns", schema="sales", table=table).fieldInfo}


@fact
def an_unknown_table_has_four_columns_and_rows():
    query = ENGINE.start("SELECT * FROM never_heard_of ORDER BY id")
    same([(c.get_name(), c.get_field_type()) for c in ENGINE.columns(query)[1]],
         [("id", "LONG"), ("name", "STRING"), ("amount", "DOUBLE"), ("created_at", "DATETIME")])
    rows = ENGINE.rows(query)
    assert rows
    same(ENGINE.read("SELECT * FROM never_heard_of ORDER BY id"), rows, "the same rows every time")


@fact
def a_dashboard_runs_without_data():
    host, port = address()
    connection = Connection(host=host, port=port, username=USER, password=PASSWORD, catalog="default", database="sales")
    cursor = connection.cursor()
    for query in [
        "SELECT date_trunc('month', o.placed_at) AS month, sum(i.price * i.quantity) AS revenue FROM baskets o "
        "JOIN basket_items i ON i.basket_id = o.id WHERE o.state = 'paid' GROUP BY 1 ORDER BY 1",
        "SELECT shopper, count(*) FROM baskets WHERE is_gift AND placed_at >= '2023-01-01' GROUP BY shopper ORDER BY 2 DESC LIMIT 5",
        "SELECT * FROM (SELECT sku, rank() OVER (PARTITION BY sku ORDER BY price DESC) AS r FROM basket_items) t WHERE r = 1",
    ]:
        cursor.execute(query)
        assert cursor.fetchall(), query
        cursor.clear()
    assert {"baskets", "basket_items"} <= set(connection.get_tables(catalog="default", database="sales"))
    shown = columns("baskets")
    same({name: shown[name] for name in ["id", "placed_at", "state", "is_gift", "shopper"]},
         {"id": "LONG", "placed_at": "TIMESTAMP", "state": "STRING", "is_gift": "BOOLEAN", "shopper": "STRING"})
    same(columns("basket_items")["price"], "DOUBLE")
    cursor.close()
    connection.close()


@fact
def known_tables_stay_what_they_are():
    assert "order_id" in columns("orders")
    assert ENGINE.read("SELECT count(*) FROM orders")[0][0] > 1000


if __name__ == "__main__":
    check_facts()
