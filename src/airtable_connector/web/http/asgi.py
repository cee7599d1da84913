"""The words of ASGI, as types."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

Header: TypeAlias = tuple[bytes, bytes]
"""A header's lower-case name and its value."""

NO_EXTENSIONS: Final[Mapping[str, Any]] = {}
"""What a server has that knows none of these."""

WHOLE: Final = "connector.whole"
"""In a scope's ``extensions``: a `SendWhole` of the server's, where it has one."""

SendWhole: TypeAlias = Callable[[Send, int, Sequence[Header], bytes], bool]
"""Sends a whole answer at once: the scope's ``send``, status, headers with Content-Length, body.

False when that is not possible, and nothing was sent then. It saves a quarter of what a small answer costs.
"""

ARRIVED: Final = "connector.arrived"
"""In a scope's ``extensions``: a `TakeArrived` of the server's, where it has one."""

TakeArrived: TypeAlias = Callable[[Receive, int], bytes | None]
"""Takes a body that has arrived whole: the scope's ``receive``, and the most bytes that are wanted.

None when it has not arrived or is longer, and nothing was taken then.
A body that need not be waited for needs no time limit, which costs more than all the rest of reading it.
"""
