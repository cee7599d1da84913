"""Which records link to a record: an index beside the cells, written in the same transaction as they are."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import orjson

from airtable_connector.database import Reader, Sql, Transaction
from airtable_connector.kernel.ids import FieldId
from airtable_connector.records.schema import Record
from airtable_connector.records.storage.rows import ID_LIST, record_from, select_records

_ADD = "insert into links (field_id, target, ordinal) values (:field, :target, :ordinal)"
_REMOVE = "delete from links where field_id = :field and target = :target and ordinal = :ordinal"
# PostgreSQL takes any list of texts for a hundred and would rather read all links than look up so many; a lateral
# join with a limit leaves it the index only, and an array of ordinals the key of the records
_LINKING_TO_ANY = Sql(
    f"select ordinal from links where field_id = :field and target in {ID_LIST[0]} limit :count",
    f"select found.ordinal from {ID_LIST[1]} as wanted (target) cross join lateral (select ordinal from links"
    " where field_id = :field and links.target = wanted.target limit :count) found limit :count",
)
_AT = select_records(
    "where ordinal in (select value from json_each(:ordinals))",
    "where ordinal = any(array(select cast(jsonb_array_elements_text(cast(:ordinals as jsonb)) as bigint)))",
)
_LINKING_TO_ONE = (
    "select ordinal from links where field_id = :field and target = :target"
    " and ordinal > :after and ordinal <= :through order by ordinal limit :count"
)
_REFERRING_AFTER = select_records(
    f"where ordinal in ({_LINKING_TO_ONE}) order by ordinal",
    f"where ordinal = any(array({_LINKING_TO_ONE})) order by ordinal",
)

ALL_LINKS = 2**31
"""More links than there are."""


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


async def few_referring(reader: Reader, field: FieldId, targets: Iterable[str], *, most: int) -> list[Record] | None:
    """Read the records whose link field holds one of the targets; None when more than ``most`` links do that."""
    wanted = orjson.dumps(list(targets)).decode()
    rows = await reader.all(_LINKING_TO_ANY, field=field, ids=wanted, count=most + 1)
    if len(rows) > most:
        return None
    ordinals = orjson.dumps([row[0] for row in rows]).decode()
    return [record_from(row) for row in await reader.all(_AT, ordinals=ordinals)] if rows else []


async def records_referring(reader: Reader, field: FieldId, targets: Iterable[str]) -> list[Record]:
    """Read the records whose link field holds one of the targets."""
    return await few_referring(reader, field, targets, most=ALL_LINKS) or []


async def records_referring_after(
    reader: Reader, field: FieldId, target: str, *, after: int, through: int, count: int
) -> list[Record]:
    """Read up to ``count`` records whose link field holds the target, in the order of creation, between ordinals."""
    rows = await reader.all(_REFERRING_AFTER, field=field, target=target, after=after, through=through, count=count)
    return [record_from(row) for row in rows]
