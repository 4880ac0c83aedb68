"""A client reads right rows through three switches. Put your own client and queries here."""

import os
import subprocess

from e6data_python_connector import Connection

HOST, PORT = os.environ.get("TEAL_LISTEN", "127.0.0.1:50051").split(":")


def teal(*args):
    """Runs a command of teal; fails with what it says unless it succeeds."""
    ran = subprocess.run(["teal", *args], capture_output=True, text=True)
    assert ran.returncode == 0, f"teal {' '.join(args)}: {ran.stdout}{ran.stderr}"


def test_no_query_is_lost_in_a_switch():
    connection = Connection(host=HOST, port=int(PORT), username="me@example.com", password="secret",
                            catalog="default", database="sales")

    def orders():
        cursor = connection.cursor()
        cursor.execute("SELECT status, count(*) FROM orders GROUP BY status ORDER BY status")
        rows = cursor.fetchall()
        cursor.clear()
        return rows

    expected = orders()
    assert expected
    for _ in range(3):
        switch = subprocess.Popen(["teal", "switch", "--wait"])
        try:
            while switch.poll() is None:
                assert orders() == expected
        finally:
            # A switch would wait for the query of a client that has failed.
            switch.kill()
        assert switch.wait() == 0
    # It followed each switch: none of its calls was rejected with a 456, and it went on under the other strategy.
    teal("verify", "outcome=rejected,method=*Statement*", "--at-most", "0")
    for strategy in ["blue", "green"]:
        teal("verify", f"method=execute*,strategy={strategy},status=OK", "--at-least", "1")
    connection.close()
