"""Logs in and expects words in what comes back, be it a session or an error: `secure_call.py ADDRESS AUTHORITY WORDS`."""

import sys

import grpc

import tls
from facts import check_facts, fact


@fact
def the_answer_has_the_words():
    try:
        told = tls.log_in(tls.channel(sys.argv[2])).sessionId
    except grpc.RpcError as error:
        told = f"{error.code()}: {error.details()}"
    assert sys.argv[3] in told, told


if __name__ == "__main__":
    check_facts()
