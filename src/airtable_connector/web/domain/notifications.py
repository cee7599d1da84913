"""Airtable's notifications: somebody has changed something there (Web API, "Webhooks overview")."""

import orjson

from airtable_connector.kernel.errors import Unauthenticated
from airtable_connector.sync.mirror import Mirror
from airtable_connector.web.http import Answer, Call

LARGEST: int = 16 * 1024
"""Bytes of a notification; it only names its webhook."""


class NotAirtable(Unauthenticated):
    """A notification is not signed by our webhook."""

    code = "not-airtable"

    def __init__(self) -> None:
        super().__init__(
            "the notification is not one of our webhook's",
            field="X-Airtable-Content-MAC",
            hint="only Airtable sends these",
        )


class NotificationEndpoint:
    """The HTTP endpoint that Airtable calls. It needs no token: the MAC tells who calls."""

    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    async def receive(self, call: Call) -> Answer:
        """Answer ``POST /airtable/notifications``: 204, and the changes are fetched at once."""
        body = await call.body(LARGEST)
        if not await self._mirror.pinged(_webhook(body), body, call.header("x-airtable-content-mac") or ""):
            raise NotAirtable
        return Answer(204)


def _webhook(body: bytes) -> str:
    try:
        named = orjson.loads(body)["webhook"]["id"]
    except (ValueError, KeyError, TypeError):
        raise NotAirtable from None
    return str(named)
