"""Clients of a server that speaks TLS: `secure.py ADDRESS AUTHORITY`."""

import socket
import ssl
import sys

import grpc

import tls
from clients import connect
from facts import address, check_facts, fact, same

AUTHORITY = sys.argv[2]
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(3) + b"\x04" + bytes(5)
SETTINGS, GOAWAY = 4, 7


def exactly(stream, count):
    read = b""
    while len(read) < count:
        part = stream.recv(count - len(read))
        assert part, f"closed after {read}"
        read += part
    return read


def frame(stream):
    """Type and payload of the next HTTP/2 frame."""
    head = exactly(stream, 9)
    return head[3], exactly(stream, int.from_bytes(head[:3], "big"))


def wrapped(protocols):
    context = ssl.create_default_context(cafile=AUTHORITY)
    if protocols:
        context.set_alpn_protocols(protocols)
    return context.wrap_socket(socket.create_connection(address(), timeout=60), server_hostname="127.0.0.1")


@fact
def a_connector_reads_rows():
    connection = connect(secure=True, ssl_cert=AUTHORITY)
    cursor = connection.cursor()
    cursor.execute("SELECT count(*) FROM orders")
    assert cursor.fetchall()[0][0] > 0
    cursor.clear()
    connection.close()


@fact
def grpcio_logs_in():
    assert tls.log_in(tls.channel(AUTHORITY)).sessionId


@fact
def http_2_is_spoken_with_alpn_and_without():
    for protocols, agreed in ((["h2"], "h2"), ([], None)):
        with wrapped(protocols) as stream:
            same(stream.selected_alpn_protocol(), agreed) if agreed else same(stream.selected_alpn_protocol() is None, True)
            stream.sendall(PREFACE)
            same(frame(stream)[0], SETTINGS)


@fact
def another_protocol_is_not_agreed_on():
    try:
        wrapped(["spdy/3"])
    except ssl.SSLError as error:
        assert "NO_APPLICATION_PROTOCOL" in str(error).upper().replace(" ", "_"), error
        return
    raise AssertionError("the server agreed")


@fact
def a_client_without_tls_is_told_so():
    # A call that no connection took may be tried on new ones until the deadline: that is up to the client.
    codes = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
    tls.refused(grpc.insecure_channel("%s:%d" % address()), timeout=5, codes=codes)
    with socket.create_connection(address(), timeout=60) as stream:
        stream.sendall(PREFACE)
        while (kind := frame(stream))[0] != GOAWAY:
            pass
        same(int.from_bytes(kind[1][4:8], "big"), 12, "INADEQUATE_SECURITY")
    with socket.create_connection(address(), timeout=60) as stream:
        stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
        try:
            while stream.recv(1000):
                pass
        except ConnectionResetError:
            pass


@fact
def a_client_that_does_not_trust_the_server_goes_away():
    tls.refused(tls.channel())
    tls.refused(tls.channel(AUTHORITY, options=[("grpc.ssl_target_name_override", "other.example")]))


@fact
def who_does_not_finish_a_handshake_holds_nobody_up():
    idle = [socket.create_connection(address(), timeout=60) for _ in range(50)]
    for number, stream in enumerate(idle):
        # Nothing at all, or the beginning of a record that never ends.
        stream.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 6])
    assert tls.log_in(tls.channel(AUTHORITY)).sessionId
    for stream in idle:
        stream.close()


if __name__ == "__main__":
    check_facts()
