"""A part of the addresses that has its own words for everything, also for what the edge refuses."""

from typing import Protocol

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.web.http.asgi import Header
from airtable_connector.web.http.call import Answer, Call, Verify
from airtable_connector.web.http.routes import Resource


class Dialect(Protocol):
    """What the edge needs of a dialect whose errors are not in the UDC form."""

    @property
    def beginning(self) -> str:
        """How all of its paths begin; it ends with a slash."""
        ...

    @property
    def verify(self) -> Verify:
        """What tells who bears a token here: a dialect's clients may have tokens of their own."""
        ...

    def find(self, call: Call) -> Resource:
        """Return what answers a call; a refusal here comes before anybody is asked who calls.

        Its endpoints judge what the caller may do: the gate only tells them who calls.
        """
        ...

    def refusal(self, error: ConnectorError, headers: tuple[Header, ...]) -> Answer:
        """Word a refusal; the headers belong to it in every dialect."""
        ...

    def internal(self, trace_id: str) -> Answer:
        """Answer a bug of ours: the trace id is all that the caller learns."""
        ...
