"""Which trace a request belongs to: the caller's, when it names one that is safe to write down, else a new one."""

import re

from airtable_connector.kernel.ids import Ids

_NAMED = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_NO_TRACE = b"0" * 32

MINTED_PER_SEED = 1 << 32
"""New trace ids made of one random one by counting."""


class TraceIds:
    """Reads and makes trace ids.

    New ones count upward from a random UUID, keeping a UUID's shape: drawing each from the system's randomness
    costs 5 µs. So they are unique but can be guessed; nothing may rest on their being secret.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._prefix = ""
        self._tail = MINTED_PER_SEED

    def of(self, headers: dict[bytes, bytes]) -> str:
        """Return the caller's X-Trace-ID, else the trace id of ``traceparent``, else a new UUID."""
        named = headers.get(b"x-trace-id")
        if named is not None and _NAMED.fullmatch(named):
            return named.decode("ascii")
        parent = headers.get(b"traceparent")
        if parent is not None:
            match = _TRACEPARENT.fullmatch(parent)
            if match and match[1] != _NO_TRACE:
                return match[1].decode("ascii")
        return self.new()

    def new(self) -> str:
        """Make a trace id."""
        tail = self._tail = self._tail + 1
        if tail >= MINTED_PER_SEED:
            self._prefix = self._ids.trace()[:-8]
            tail = self._tail = 0
        return f"{self._prefix}{tail:08x}"
