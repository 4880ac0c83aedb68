"""HTTP/1.1 to the admin API: a connection for each request, and server-sent events."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Callable, Union
from urllib.parse import quote, urlencode, urlsplit

from .errors import NotSo, Refused, Unreachable

Value = Union[str, int, bool, None]

PATIENCE = 20.0
"""Seconds that an answer may take: a command waits 5 s for other instances."""
LARGEST = 64 << 20
"""Bytes of an answer, or of an event; 10 000 calls are about 8 MiB."""


class Transport:
    """Sends requests to the admin API at a URL, such as `http://127.0.0.1:50061`. `explain` may know why no teal answers."""

    def __init__(
        self, url: str, token: str | None = None, explain: Callable[[], Exception | None] = lambda: None
    ) -> None:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise ValueError(f"{url!r}: expected the address of an admin API, such as http://127.0.0.1:50061")
        self.url = f"{parts.scheme}://{parts.netloc}"
        self._secure, self._host, self._port, self._token = parts.scheme == "https", parts.hostname, port, token
        self._explain = explain

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, Value] | None = None,
        body: Mapping[str, Value] | None = None,
        patience: float = PATIENCE,
    ) -> tuple[int, bytes]:
        """The status and the body of the answer. `None` among the values of `query` or `body` is left out."""
        with self._connection(patience) as connection:
            response = self._send(connection, method, path, query, body)
            return response.status, self._read(response)

    def stream(self, path: str, query: Mapping[str, Value]) -> Iterator[tuple[str, Any]]:
        """Server-sent events as they come, each with its name; a keep-alive has the name `""`. They end with the server."""
        with self._connection(PATIENCE) as connection:
            response = self._send(connection, "GET", path, query, None)
            if response.status != 200:
                raise refusal(self.url, response.status, self._read(response))
            name = ""
            while line := response.readline(LARGEST):
                field, _, value = line.decode().rstrip("\n").partition(":")
                if field == "event":
                    name = value.strip()
                elif field == "data":
                    yield name, json.loads(value)
                elif not field and value:
                    yield "", None

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        answer = response.read(LARGEST + 1)
        if len(answer) > LARGEST:
            raise Unreachable(f"what answers at {self.url} is not a teal admin API: its answer is larger than {LARGEST} bytes")
        return answer

    @contextmanager
    def _connection(self, patience: float) -> Iterator[http.client.HTTPConnection]:
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=patience)
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            why = f"no answer within {patience:g} s" if isinstance(error, socket.timeout) else error or type(error).__name__
            raise self.gone(f"no teal answers at {self.url}: {why}") from error
        finally:
            connection.close()

    def gone(self, message: str) -> Exception:
        """The error for a server that does not answer, or not any more."""
        return self._explain() or Unreachable(message)

    def _send(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        query: Mapping[str, Value] | None,
        body: Mapping[str, Value] | None,
    ) -> http.client.HTTPResponse:
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = path + (f"?{urlencode(given, quote_via=quote)}" if given else "")
        headers = {} if self._token is None else {"authorization": f"Bearer {self._token}"}
        text = None
        if body is not None:
            text = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
            headers["content-type"] = "application/json"
        connection.request(method, target, body=text, headers=headers)
        return connection.getresponse()


def parse(url: str, status: int, answer: bytes) -> Any:
    """The JSON of an answer; raises if that is no success."""
    if not 200 <= status < 300:
        raise refusal(url, status, answer)
    try:
        return json.loads(answer)
    except ValueError:
        raise Unreachable(f"what answers at {url} is not a teal admin API: expected JSON") from None


def refusal(url: str, status: int, answer: bytes) -> Exception:
    """The error that an answer stands for."""
    try:
        told = json.loads(answer)
        error = told["error"]
        if error["code"] == "not_so":
            return NotSo(error["message"], told["seen"])
        return Refused(error["message"], status, error["code"], error.get("phase"), error.get("epoch"))
    except (ValueError, KeyError, TypeError):
        return Unreachable(f"what answers at {url} is not a teal admin API: it answered {status}")
