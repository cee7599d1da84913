"""A caller with one kept-alive connection that asks one thing after the other."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

PATIENCE = 30.0
"""Seconds until an answer must have come."""


@dataclass(frozen=True)
class Reply:
    """An answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        """What the envelope of the domain API holds."""
        return json.loads(self.body)["data"]


class Caller:
    """Belongs to one thread; close it, or use it as a context manager."""

    def __init__(self, port: int, bearer: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        self._headers = {"Authorization": f"Bearer {bearer}", "Accept": "application/json"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()

    def ask(self, method: str, path: str, body: object = None, *, prefer: str | None = None) -> Reply:
        """Ask, and return whatever the answer is.

        Raises:
            OSError, http.client.HTTPException: there is none.
        """
        headers = dict(self._headers)
        if prefer is not None:
            headers["Prefer"] = prefer
        sent = None
        if body is not None:
            sent = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        self._connection.request(method, path, sent, headers)
        answer = self._connection.getresponse()
        said = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, said, answer.read())

    def get(self, path: str) -> Reply:
        """Return the 200 to a GET.

        Raises:
            SystemExit: the answer is another one.
        """
        return self.expect({200}, "GET", path)

    def expect(self, statuses: set[int], method: str, path: str, body: object = None, *, prefer: str = "") -> Reply:
        """Ask, and return an answer of one of these statuses.

        Raises:
            SystemExit: the answer is another one.
        """
        reply = self.ask(method, path, body, prefer=prefer or None)
        if reply.status not in statuses:
            raise SystemExit(f"bench: {method} {path} was answered {reply.status}: {reply.body[:300]!r}")
        return reply
