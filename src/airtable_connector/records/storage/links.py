"""Which records link to a record: an index beside the cells, written in the same transaction as they are."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from airtable_connector.database import Reader, Sql, Transaction
from airtable_connector.kernel.ids import FieldId
from airtable_connector.records.schema import Record
from airtable_connector.records.storage.rows import ID_LIST, record_from, select_records

_ADD = "insert into links (field_id, target, ordinal) values (:field, :target, :ordinal)"
_REMOVE = "delete from links where field_id = :field and target = :target and ordinal = :ordinal"
_FEW = (
    "select records.id from links join records on records.ordinal = links.ordinal"
    " where field_id = :field and target in {} limit :count"
)
_FEW_REFERRING = Sql(_FEW.format(ID_LIST[0]), _FEW.format(ID_LIST[1]))
_REFERRING_AFTER = select_records(
    "where ordinal in (select ordinal from links where field_id = :field and target = :target"
    " and ordinal > :after and ordinal <= :through order by ordinal limit :count) order by ordinal"
)


class Link(NamedTuple):
    """One link in a cell: the field, the record that is linked to, and the ordinal of the record that has the cell."""

    field: FieldId
    target: str
    ordinal: int


async def add_links(tx: Transaction, links: Sequence[Link]) -> None:
    """Add links that cells hold now."""
    await tx.run_many(_ADD, [link._asdict() for link in links])


async def remove_links(tx: Transaction, links: Sequence[Link]) -> None:
    """Remove links that cells hold no longer."""
    await tx.run_many(_REMOVE, [link._asdict() for link in links])


async def few_referring(reader: Reader, field: FieldId, targets: Iterable[str], count: int) -> list[str]:
    """Return the ids of up to ``count`` records whose link field holds one of the targets; twice who holds two."""
    wanted = orjson.dumps(list(targets)).decode()
    return [row[0] for row in await reader.all(_FEW_REFERRING, field=field, ids=wanted, count=count)]


async def records_referring_after(
    reader: Reader, field: FieldId, target: str, *, after: int, through: int, count: int
) -> list[Record]:
    """Read up to ``count`` records whose link field holds the target, in the order of creation, between ordinals."""
    rows = await reader.all(_REFERRING_AFTER, field=field, target=target, after=after, through=through, count=count)
    return [record_from(row) for row in rows]
