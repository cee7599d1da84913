"""Ids that records had before, each with the one that it has now; kept for ever."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

from collections.abc import Iterable, Mapping, Sequence

import orjson

from airtable_connector.database import Reader, Sql, Transaction
from airtable_connector.records.storage.rows import ID_LIST

_PRESENT = Sql(*(f"select id, becomes from former_ids where id in {ids}" for ids in ID_LIST))
_FORMER = "select id from former_ids where becomes = :id order by id"
_LEAD_ON = "update former_ids set becomes = :becomes where becomes = :id"
_IN_USE_AGAIN = "delete from former_ids where id = :becomes"
_KEEP = (
    "insert into former_ids (id, becomes) values (:id, :becomes)"
    " on conflict (id) do update set becomes = excluded.becomes"
)


async def present_ids(reader: Reader, ids: Iterable[str]) -> Mapping[str, str]:
    """Return the present id for each of these that is a former one; the others are left out."""
    rows = await reader.all(_PRESENT, ids=orjson.dumps(list(ids)).decode())
    return {row[0]: row[1] for row in rows}


async def ids_of(reader: Reader, record: str) -> Sequence[str]:
    """Return all ids that a record has and had, given one of them; the present one first."""
    present = (await present_ids(reader, [record])).get(record, record)
    return [present, *(row[0] for row in await reader.all(_FORMER, id=present))]


async def keep_former_ids(tx: Transaction, renames: Iterable[tuple[str, str]]) -> None:
    """Let ids lead to others from now on, in this order; what led to the former leads to the new ones."""
    for former, becomes in renames:
        await tx.run(_LEAD_ON, id=former, becomes=becomes)
        # an id that comes back must not lead away from its record, nor in a circle
        await tx.run(_IN_USE_AGAIN, becomes=becomes)
        await tx.run(_KEEP, id=former, becomes=becomes)
