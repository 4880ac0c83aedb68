"""Tables that nobody made: `generated.py ADDRESS`, with unknown tables made up."""

from facts import check_facts, fact, same
from stubs import Engine

ENGINE = Engine()


@fact
def an_unknown_table_has_four_columns_and_rows():
    query = ENGINE.start("SELECT * FROM never_heard_of ORDER BY id")
    same([(c.get_name(), c.get_field_type()) for c in ENGINE.columns(query)[1]],
         [("id", "LONG"), ("name", "STRING"), ("amount", "DOUBLE"), ("created_at", "DATETIME")])
    rows = ENGINE.rows(query)
    assert rows
    same(ENGINE.read("SELECT * FROM never_heard_of ORDER BY id"), rows, "the same rows every time")


@fact
def known_tables_stay_what_they_are():
    same([name for name in ENGINE.call("getTables", schema="sales").tables if name == "never_heard_of"], [])
    assert ENGINE.read("SELECT count(*) FROM orders")[0][0] > 1000


if __name__ == "__main__":
    check_facts()
