"""A webhook as it is kept, and how it is read from its row."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from airtable_connector.database import Reader, Row
from airtable_connector.kernel.clock import parse_iso
from airtable_connector.kernel.ids import BaseId, TableId
from airtable_connector.ops.webhooks.watch import Watch, read_watch

LIFE: Final = timedelta(days=7)
"""How long a webhook lives from its creation, its last refresh or the last look at its payloads; as long as payloads
are kept, and as long as an expired webhook can still be read. Airtable's number."""

MOST_READ: Final = 100
"""Webhooks of a base read together. There are ten that live, and those that expired in the last week."""

MOST_ENABLED: Final = 4_000
"""Webhooks of all bases read together. Made bases are few."""

_COLUMNS = (
    "id, url, specification, scope_table, since, next_payload, is_enabled, notifies, expires_at, outline,"
    " last_success_at, last_result, base"
)
_ONE = f"select {_COLUMNS} from webhooks where id = :id and base = :base"  # noqa: S608 - columns named above
_ALL = f"select {_COLUMNS} from webhooks where base = :base order by created_at, id limit :count"  # noqa: S608 - as above
_ENABLED = f"select {_COLUMNS} from webhooks where is_enabled = 1 order by created_at, id limit :count"  # noqa: S608


@dataclass(frozen=True)
class Hook:
    """A webhook of a base; ``base`` is None for the service's own.

    ``since`` is the feed position of its creation: it tells only of what came later. ``next_payload`` is the number
    that its next payload will have. ``outline`` is how it knows the schema, when it watches that. ``last_result`` is
    the last notification's outcome as Airtable shows it.
    """

    id: str
    url: str | None
    specification: Mapping[str, Any]
    watch: Watch
    since: int
    next_payload: int
    is_enabled: bool
    notifies: bool
    expires_at: datetime
    outline: Mapping[str, Any] | None
    last_success_at: datetime | None
    last_result: Mapping[str, Any] | None
    base: BaseId | None = None

    def lives(self, at: datetime) -> bool:
        """Tell whether the webhook is told of changes at a moment."""
        return self.is_enabled and at < self.expires_at


def stored(base: BaseId | None) -> str:
    """Return how a base is named in the row of a webhook."""
    return base or ""


async def read_hook(reader: Reader, hook: str, base: BaseId | None) -> Hook | None:
    """Read one webhook of a base, or None when it has none of that id."""
    row = await reader.one(_ONE, id=hook, base=stored(base))
    return None if row is None else _hook(row)


async def read_hooks(reader: Reader, base: BaseId | None) -> list[Hook]:
    """Read every webhook of a base, the oldest first."""
    return [_hook(row) for row in await reader.all(_ALL, base=stored(base), count=MOST_READ)]


async def read_enabled_hooks(reader: Reader) -> list[Hook]:
    """Read the webhooks of every base that may be told of changes, the oldest first."""
    return [_hook(row) for row in await reader.all(_ENABLED, count=MOST_ENABLED)]


def _hook(row: Row) -> Hook:
    (
        name, url, specification, scope_table, since, next_payload, is_enabled, notifies, expires_at, outline,
        last_success_at, last_result, base,
    ) = row  # fmt: skip
    asked = orjson.loads(specification)
    scope = asked["options"]["filters"].get("recordChangeScope")
    views = {scope: TableId(scope_table)} if scope is not None else {}
    return Hook(
        id=name,
        url=url,
        specification=asked,
        watch=read_watch(asked, views),
        since=since,
        next_payload=next_payload,
        is_enabled=bool(is_enabled),
        notifies=bool(notifies),
        expires_at=parse_iso(expires_at),
        outline=None if outline is None else orjson.loads(outline),
        last_success_at=None if last_success_at is None else parse_iso(last_success_at),
        last_result=None if last_result is None else orjson.loads(last_result),
        base=BaseId(base) if base else None,
    )
