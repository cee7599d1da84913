"""The endpoints of webhooks: made, listed, kept alive, switched, deleted, and their payloads read."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.ops import PAYLOADS_A_PAGE, Hook, Hooks
from airtable_connector.web.airtable_api.base import Bases, view_id
from airtable_connector.web.airtable_api.bodies import read_object
from airtable_connector.web.airtable_api.errors import InvalidParameters
from airtable_connector.web.airtable_api.parameters import read_parameters, refuse_parameters, whole_number
from airtable_connector.web.airtable_api.words import JSON_UTF8
from airtable_connector.web.http import Answer, Call

CREATE_MEMBERS: Final = frozenset({"notificationUrl", "specification"})


class WebhookEndpoints:
    """HTTP endpoints over a base's webhooks."""

    def __init__(self, bases: Bases, hooks: Callable[[], Hooks], clock: Clock) -> None:
        self._bases = bases
        self._hooks = hooks
        self._clock = clock

    async def create(self, call: Call) -> Answer:
        """Answer ``POST /v0/bases/{base}/webhooks``: the only answer that holds the key of the notifications."""
        refuse_parameters(call)
        specification, url = _read_creation(await read_object(call))
        base = self._bases.enter(call)
        views = {view_id(table): table.id for table in base.tables.values()}
        new = await self._hooks().create(specification, url=url, views=views, base=base.made)
        return _answer({"id": new.id, "macSecretBase64": new.mac_key.reveal(), "expirationTime": iso(new.expires_at)})

    async def list(self, call: Call) -> Answer:
        """Answer ``GET /v0/bases/{base}/webhooks``: all of them, on one page."""
        refuse_parameters(call)
        base, now = self._bases.enter(call), self._clock.now()
        return _answer({"webhooks": [_hook(hook, now) for hook in await self._hooks().all(base.made)]})

    async def delete(self, call: Call) -> Answer:
        """Answer ``DELETE /v0/bases/{base}/webhooks/{webhook}``."""
        refuse_parameters(call)
        base = self._bases.enter(call)
        await self._hooks().delete(call.path_params["webhook"], base=base.made)
        return _NOTHING

    async def refresh(self, call: Call) -> Answer:
        """Answer ``POST /v0/bases/{base}/webhooks/{webhook}/refresh``: seven more days from now."""
        refuse_parameters(call)
        if await read_object(call):
            raise InvalidParameters("body")
        base = self._bases.enter(call)
        expires_at = await self._hooks().refresh(call.path_params["webhook"], base=base.made)
        return _answer({"expirationTime": iso(expires_at)})

    async def enable_notifications(self, call: Call) -> Answer:
        """Answer ``POST /v0/bases/{base}/webhooks/{webhook}/enableNotifications``."""
        refuse_parameters(call)
        body = await read_object(call)
        if body.keys() != {"enable"} or not isinstance(body["enable"], bool):
            raise InvalidParameters("enable")
        base = self._bases.enter(call)
        await self._hooks().switch_notifications(call.path_params["webhook"], on=body["enable"], base=base.made)
        return _NOTHING

    async def payloads(self, call: Call) -> Answer:
        """Answer ``GET /v0/bases/{base}/webhooks/{webhook}/payloads?cursor=&limit=``: payloads, oldest first."""
        cursor, limit = 1, PAYLOADS_A_PAGE
        for name, values in read_parameters(call).items():
            match name:
                case "cursor":
                    cursor = whole_number(name, values)
                case "limit":
                    limit = whole_number(name, values)
                case _:
                    raise InvalidParameters(name)
        if cursor < 1:
            raise InvalidParameters("cursor")
        if not 1 <= limit <= PAYLOADS_A_PAGE:
            raise InvalidParameters("limit")
        base = self._bases.enter(call)
        page = await self._hooks().payloads(call.path_params["webhook"], cursor=cursor, limit=limit, base=base.made)
        head = orjson.dumps({"cursor": page.cursor, "mightHaveMore": page.more})[:-1]
        body = head + b',"payloads":[' + ",".join(page.payloads).encode() + b"]}"
        return Answer(200, base.attachments.show(body, call.origin), media_type=JSON_UTF8)


_NOTHING: Final = Answer(200, media_type=JSON_UTF8)


def _answer(told: Mapping[str, object]) -> Answer:
    return Answer(200, orjson.dumps(told), media_type=JSON_UTF8)


def _read_creation(body: Mapping[str, object]) -> tuple[Mapping[str, Any], str | None]:
    for name in body:
        if name not in CREATE_MEMBERS:
            raise InvalidParameters(name)
    specification, url = body.get("specification"), body.get("notificationUrl")
    if not isinstance(specification, dict):
        raise InvalidParameters("specification")
    if url is not None and not isinstance(url, str):
        raise InvalidParameters("notificationUrl")
    return specification, url


def _hook(hook: Hook, now: datetime) -> dict[str, Any]:
    return {
        "id": hook.id,
        "specification": hook.specification,
        "notificationUrl": hook.url,
        "cursorForNextPayload": hook.next_payload,
        "isHookEnabled": hook.lives(now),
        "areNotificationsEnabled": hook.notifies,
        "expirationTime": iso(hook.expires_at),
        "lastSuccessfulNotificationTime": None if hook.last_success_at is None else iso(hook.last_success_at),
        "lastNotificationResult": hook.last_result,
    }
