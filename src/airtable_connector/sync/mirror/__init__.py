"""Keeping the base here like the one at Airtable: copied once, followed by a webhook, compared now and then.

`Mirror` is the face. It writes as `records.CLOUD`, and never over what callers have written and Airtable has not
answered yet.
"""

from airtable_connector.sync.mirror.facts import (
    Drifted,
    FieldsLeftOut,
    HookBroken,
    HookReplaced,
    NoRoomForHook,
    PageListed,
    PayloadsPulled,
    SchemaMoved,
    TableWhole,
)
from airtable_connector.sync.mirror.mirror import (
    COMPARE,
    LIST,
    PULL,
    TEND,
    WATCH,
    Drift,
    Mirror,
    MirrorPosition,
    MirrorSettings,
    Rhythm,
    TableProgress,
)
from airtable_connector.sync.mirror.store import HookState, NotedChange, Phase

__all__ = [
    "COMPARE",
    "LIST",
    "PULL",
    "TEND",
    "WATCH",
    "Drift",
    "Drifted",
    "FieldsLeftOut",
    "HookBroken",
    "HookReplaced",
    "HookState",
    "Mirror",
    "MirrorPosition",
    "MirrorSettings",
    "NoRoomForHook",
    "NotedChange",
    "PageListed",
    "PayloadsPulled",
    "Phase",
    "Rhythm",
    "SchemaMoved",
    "TableProgress",
    "TableWhole",
]
