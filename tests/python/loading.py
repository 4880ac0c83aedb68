"""Calls without pause to a service that comes and goes: `loading.py ADDRESS [CODE…]`, until its input ends.

Fails where a call ends otherwise than with success or one of the codes. Says `through` once calls succeed, and again
for each line of its input once they do so since then.
"""

import sys
import threading

import grpc

from facts import limit_time

ALLOWED = {"OK", *sys.argv[2:]}
ended, wanted, counted = threading.Event(), threading.Semaphore(1), {}


def load(number):
    """Calls one after the other, each on a channel that all share."""
    calls = 0
    while not ended.is_set():
        calls += 1
        message = b"%d/%d" % (number, calls)
        metadata = [("pause", "20")] if calls % 10 == 0 else []
        call = CHANNEL.unary_unary("/teal.test.TestService/Unary").future(message, metadata=metadata, timeout=60)
        code = call.code().name
        counted[code] = counted.get(code, 0) + 1
        if code not in ALLOWED:
            failed.append(f"{code}: {call.details()}")
        elif code == "OK":
            assert call.result() == message
            if wanted.acquire(blocking=False):
                print("through", flush=True)


if __name__ == "__main__":
    limit_time()
    failed = []
    CHANNEL = grpc.insecure_channel(sys.argv[1])
    threads = [threading.Thread(target=load, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in sys.stdin:
        wanted.release()
    ended.set()
    for thread in threads:
        thread.join()
    print(counted, failed[:5], flush=True)
    sys.exit(1 if failed or counted.get("OK", 0) == 0 else 0)
