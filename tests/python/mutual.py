"""Clients with and without a certificate: `mutual.py ADDRESS AUTHORITY` and, each as `CERTIFICATE KEY`, those of a client
that is known, of one that is not, and one whose time is over."""

import sys

import tls
from facts import check_facts, fact

AUTHORITY, *PAIRS = sys.argv[2:]
KNOWN, UNKNOWN, EXPIRED = (PAIRS[index:index + 2] for index in (0, 2, 4))


@fact
def a_client_with_a_certificate_is_served():
    assert tls.log_in(tls.channel(AUTHORITY, *KNOWN)).sessionId


@fact
def one_without_is_turned_away():
    tls.refused(tls.channel(AUTHORITY))


@fact
def so_is_one_of_another_authority():
    tls.refused(tls.channel(AUTHORITY, *UNKNOWN))


@fact
def so_is_one_whose_time_is_over():
    tls.refused(tls.channel(AUTHORITY, *EXPIRED))


if __name__ == "__main__":
    check_facts()
