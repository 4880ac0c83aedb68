"""What connectors get wrong by themselves, whatever the server: `limits.py ADDRESS`. `docs/clients.md` tells users."""

import datetime
import decimal
import sys

from clients import connect
from facts import VERSION, check_facts, fact, same


def ask(sql, parameters=None, fetch=lambda cursor: cursor.fetchall(), **options):
    connection = connect(**options)
    cursor = connection.cursor()
    try:
        cursor.execute(sql, parameters)
        return fetch(cursor)
    finally:
        cursor.close()
        connection.close()


def failure(call):
    """The type of what it raises, or nothing."""
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return None


@fact
def decimals_have_the_digits_of_pythons_context():
    digits = "1234567890123456789012345678.9012345678"
    sql = f"SELECT CAST('{digits}' AS DECIMAL(38,10))"
    # What Python has by default; the tests' own context has more.
    decimal.DefaultContext.prec = 28
    decimal.setcontext(decimal.DefaultContext.copy())
    rounded = str(ask(sql)[0][0])
    decimal.getcontext().prec = 38
    exact = str(ask(sql)[0][0])
    if VERSION == "2.2.6":
        # It ignores the scale, and so has nothing to round.
        same([rounded, exact], [digits.replace(".", "")] * 2)
    else:
        same([rounded, exact], ["1234567890123456789012345679", digits])


@fact
def dates_after_9999_are_no_dates():
    rows = ask("SELECT DATE '9999-12-31' + INTERVAL '1' DAY, 7")
    same(rows, [["Failed to parse." if VERSION == "2.2.6" else "+10000-01-01", 7]])


@fact
def parameters_that_are_dates_or_tuples():
    assert sys.version_info >= (3, 10)
    failures = [failure(lambda: ask("SELECT %s", (datetime.date(2026, 1, 15),))),
                failure(lambda: ask("SELECT 1 WHERE 1 IN %s", ((1, 2),)))]
    same(str(failures), str([None, None] if VERSION == "3.0.2" else ["AttributeError", "AttributeError"]))


@fact
def rows_that_are_left_after_fetchone():
    def rows(cursor):
        return [cursor.fetchone(), *(cursor.fetchall() or [])]

    sql = "SELECT * FROM generate_series(1, 10)"
    same(len(ask(sql, fetch=rows)), 1)
    same(len(ask(sql, fetch=lambda cursor: cursor.fetchall())), 10)
    same(len(ask(sql, fetch=lambda cursor: list(iter(cursor.fetchone, None)))), 10)
    if VERSION == "3.0.2":
        for options in ({"access_token": "opaque"}, {"enable_result_batch_v2": True}):
            same(len(ask(sql, fetch=rows, **options)), 10)


if __name__ == "__main__":
    check_facts()
