"""What an application sees while a scenario is played: `scenario.py ADDRESS`.

Queries one after the other on one connection, until some in a row went well. Prints every outcome in the order of its first
appearance, and the last: the story of the run, whatever the time it took.
"""

import os
import sys
import time

from clients import connect
from facts import limit_time

SQL = "SELECT value FROM generate_series(1, 30000)"
ROWS = 30000
# A story is over after so many good queries in a row, or as many failures of one kind as outlast every scenario.
GOOD, HOPELESS = 5, 50


def said(error):
    """The kind of an error, and the words in it that are the same in every run."""
    details = getattr(error, "details", None)
    text = str(details() if callable(details) else error)
    for words in ["status: 456", "status: 503", "Access denied", "Connection is closed", "token expired", "cannot be reached",
                  "recursion", "RST_STREAM", "Socket closed", "GOAWAY"]:
        if words in text:
            return f"{type(error).__name__} {words}"
    return f"{type(error).__name__} {text.splitlines()[0][:60] if text else ''}".strip()


def read(connection):
    """One query, read to its end and cleared."""
    cursor = connection.cursor()
    cursor.execute(SQL)
    rows = cursor.fetchall()
    cursor.clear()
    return "ok" if len(rows) == ROWS else f"{len(rows)} rows of {ROWS}"


def main():
    """Prints the story."""
    limit_time()
    sys.setrecursionlimit(600)
    story, last, times = [], None, 0
    connection = None
    while times < (GOOD if last == "ok" else HOPELESS):
        try:
            connection = connection or connect(**OPTIONS)
            outcome = read(connection)
        except BaseException as error:
            outcome = said(error)
            # An application that tries again at once would see nothing but this.
            time.sleep(0.2)
        last, times = outcome, times + 1 if outcome == last else 1
        if outcome not in story:
            story.append(outcome)
    # How it ended is told even if it was so before.
    if story[-1] != outcome:
        story.append(outcome)
    print("story: " + ", ".join(story), flush=True)
    os._exit(0)


OPTIONS = {"auto_resume": True}
if len(sys.argv) > 2 and sys.argv[2] == "token":
    OPTIONS["access_token"] = "someone"

if __name__ == "__main__":
    main()
