"""A client that trusts an authority is shown a certificate by its server: `shown.py ADDRESS AUTHORITY CERTIFICATE`."""

import socket
import ssl
import sys

from facts import address, check_facts, fact


@fact
def the_certificate_is_shown():
    context = ssl.create_default_context(cafile=sys.argv[2])
    stream = socket.create_connection(address(), timeout=60)
    with context.wrap_socket(stream, server_hostname="127.0.0.1") as stream, open(sys.argv[3]) as file:
        assert stream.getpeercert(True) == ssl.PEM_cert_to_DER_cert(file.read())


if __name__ == "__main__":
    check_facts()
