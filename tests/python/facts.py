"""What the scripts share: facts that are checked one by one, and where the server is."""

import decimal
import faulthandler
import importlib.metadata
import os
import sys
import time
import traceback

# The connectors divide by the scale in the context of whatever thread decodes: 28 digits are too few.
decimal.DefaultContext.prec = 60
decimal.setcontext(decimal.DefaultContext.copy())

VERSION = importlib.metadata.version("e6data-python-connector")
GENERATION = 1 if tuple(map(int, VERSION.split(".")))[:3] < (2, 3, 10) else 2
USER, PASSWORD = "someone@example.com", "S3cret-of-someone"

_facts = []


def fact(function):
    """Registers a function that holds, or raises."""
    _facts.append(function)
    return function


def address():
    """Host and port of the server, the script's first argument."""
    host, port = sys.argv[1].rsplit(":", 1)
    return host, int(port)


def within(seconds, condition):
    """Waits until `condition()` is true, where no event tells, and gives its value; raises when it stays false."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{condition} did not come true within {seconds} s")
        time.sleep(0.01)
    return value


def same(found, expected, about=""):
    """Compares with a message that shows both; values of another type differ."""
    if not _same(found, expected):
        raise AssertionError(f"{about}\n   found {_short(found)}\nexpected {_short(expected)}")


def _same(found, expected):
    if isinstance(expected, (list, tuple)):
        return len(found) == len(expected) and all(map(_same, found, expected))
    if isinstance(expected, float) and expected != expected:
        return isinstance(found, float) and found != found
    if callable(expected):
        return bool(expected(found))
    return type(found) is type(expected) and found == expected


def _short(value):
    text = repr(value)
    return text if len(text) < 2000 else f"{text[:1000]} … {text[-1000:]}"


def limit_time():
    """Prints where every thread stands, and ends, when the script runs for too long."""
    faulthandler.dump_traceback_later(float(os.environ.get("TEAL_TEST_WITHIN", "230")), exit=True)


def check_facts():
    """Checks every registered fact; ends with 1 if one does not hold."""
    limit_time()
    failed = []
    for function in _facts:
        started = time.monotonic()
        try:
            function()
        except Exception:
            failed.append(function.__name__)
            print(f"FAILED {function.__name__}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"ok {function.__name__} ({time.monotonic() - started:.2f} s)", flush=True)
    print(f"{len(_facts) - len(failed)} of {len(_facts)} facts hold with {VERSION}", flush=True)
    if failed:
        print("these do not: " + ", ".join(failed), flush=True)
    sys.stdout.flush()
    # Threads of a connector that still wait for something must not keep the script.
    os._exit(1 if failed or not _facts else 0)
