"""Parameters that the connector escapes into the text: `parameters.py ADDRESS API`."""

import datetime
import sys

from clients import open_client
from facts import VERSION, check_facts, fact, same

CLIENT = []


def read(sql, parameters):
    """Rows of a statement with parameters."""
    if not CLIENT:
        CLIENT.append(open_client(sys.argv[2]))
    return CLIENT[0].read(sql, parameters).rows


@fact
def text_arrives_as_it_is():
    for text in ["it's", "two '' of them", '"double"', "back\\slash", "\\'", "\\", "ends with \\", "line\nbreak", "tab\tstop",
                 "return\r", "100 %", "%s", "'; DROP TABLE orders; --", "/* no comment */", "-- neither", "世界 🦀", "", "$1", "?",
                 "a;b", "`", "\\n is no break", "\u2028"]:
        same(read("SELECT %(text)s AS t, 'tail' AS u", {"text": text}), [[text, "tail"]], repr(text))


@fact
def numbers_nulls_and_truths_keep_their_type():
    same(read("SELECT %(i)s AS i, %(f)s AS f, %(n)s AS n, %(b)s AS b", {"i": -7, "f": 0.5, "n": None, "b": True}),
         [[-7, 0.5, None, True]])
    same(read("SELECT %(i)s AS i", {"i": 2**63 - 1}), [[2**63 - 1]])


def since_version_3(function):
    """The escaper of 2.x looks for `collections.Iterable`, which Python lost with 3.10."""
    return fact(function) if VERSION.startswith("3.") else function


@since_version_3
def lists_fit_behind_in():
    same(read("SELECT value FROM generate_series(1, 9) WHERE value IN %(some)s ORDER BY value", {"some": [2, 3, 11]}), [[2], [3]])
    same(read("SELECT v FROM (VALUES ('it''s'), ('b')) AS t(v) WHERE v IN %(some)s", {"some": ["it's", "c"]}), [["it's"]])


@since_version_3
def dates_and_times_compare():
    same(read("SELECT CAST(%(d)s AS DATE) AS d, CAST(%(t)s AS TIMESTAMP) > TIMESTAMP '2024-02-29 12:00:00' AS t",
              {"d": datetime.date(1969, 12, 31), "t": datetime.datetime(2024, 2, 29, 12, 0, 0, 1000)}), [["1969-12-31", True]])


@fact
def one_name_may_occur_twice_and_percent_signs_are_doubled():
    same(read("SELECT %(x)s AS a, %(x)s || '%%' AS b, 'ab' LIKE 'a%%' AS c", {"x": "it's"}), [["it's", "it's%", True]])


@fact
def positions_count_too():
    if "alchemy" not in sys.argv[2]:
        same(read("SELECT %s AS a, %s AS b", ("it's", 2)), [["it's", 2]])


if __name__ == "__main__":
    check_facts()
