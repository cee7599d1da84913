"""What waits to be computed anew: rows that survive a crash, worked off in portions."""

from dataclasses import dataclass

import orjson

from airtable_connector.database import Reader, Row, Transaction
from airtable_connector.kernel.ids import FieldId, RecordId, TableId

LAST_ORDINAL = 2**62
"""Beyond every ordinal."""

_COLUMNS = "table_id, link_id, target, fields, after_ordinal, through_ordinal, again_through, actor, cause"
_NEXT = f"select {_COLUMNS} from recomputations order by turn, table_id, link_id, target limit 1"  # noqa: S608
_WHERE = "where table_id = :table and link_id = :link and target = :target"
_END = f"delete from recomputations {_WHERE}"  # noqa: S608
_ONE = f"select {_COLUMNS} from recomputations {_WHERE}"  # noqa: S608
_KEEP = (
    "insert into recomputations (table_id, link_id, target, fields, after_ordinal, through_ordinal, again_through,"
    " actor, cause, turn) values (:table, :link, :target, :fields, :after, :through, :again, :actor, :cause, :turn)"
    " on conflict (table_id, link_id, target) do update set fields = excluded.fields,"
    " after_ordinal = excluded.after_ordinal, through_ordinal = excluded.through_ordinal,"
    " again_through = excluded.again_through, actor = excluded.actor, cause = excluded.cause, turn = excluded.turn"
)


@dataclass(frozen=True, slots=True)
class Recomputation:
    """Fields of a table to be computed anew, in the records that link to a target, or in all of them.

    They are taken in the order of creation: those with an ordinal after ``after`` and up to ``through``, then those
    from the first up to ``again``. Somebody who asks for it while it is under way sends it round once more from where
    it stands, so that it ends however often it is asked for. ``actor`` and ``cause`` are those of the last who asked.
    """

    table: TableId
    link: FieldId | None
    target: RecordId | None
    fields: tuple[str, ...]
    actor: int
    cause: str
    after: int = 0
    through: int = LAST_ORDINAL
    again: int = 0


async def request_recomputation(tx: Transaction, wanted: Recomputation, *, turn: int) -> None:
    """Ask for a recomputation; one that waits already is widened and goes round once more."""
    row = await tx.one(_ONE, table=wanted.table, link=wanted.link or "", target=wanted.target or "")
    if row is not None:
        waiting = _recomputation(row)
        fields = tuple(dict.fromkeys([*waiting.fields, *wanted.fields]))
        wanted = Recomputation(
            wanted.table,
            wanted.link,
            wanted.target,
            fields,
            wanted.actor,
            wanted.cause,
            after=waiting.after,
            again=waiting.after,
        )
    await keep_recomputation(tx, wanted, turn=turn)


async def keep_recomputation(tx: Transaction, left: Recomputation, *, turn: int) -> None:
    """Write down how far a recomputation has come; those with an earlier ``turn`` come before it."""
    await tx.run(
        _KEEP,
        table=left.table,
        link=left.link or "",
        target=left.target or "",
        fields=orjson.dumps(left.fields).decode(),
        after=left.after,
        through=left.through,
        again=left.again,
        actor=left.actor,
        cause=left.cause,
        turn=turn,
    )


async def end_recomputation(tx: Transaction, done: Recomputation) -> None:
    """Remove a recomputation that has come to its end."""
    await tx.run(_END, table=done.table, link=done.link or "", target=done.target or "")


async def next_recomputation(reader: Reader) -> Recomputation | None:
    """Return the recomputation whose turn it is, or None when nothing waits."""
    row = await reader.one(_NEXT)
    return None if row is None else _recomputation(row)


async def count_recomputations(reader: Reader) -> int:
    """Count the recomputations that wait."""
    row = await reader.one("select count(*) from recomputations")
    return int(row[0]) if row else 0


def _recomputation(row: Row) -> Recomputation:
    table, link, target, fields, after, through, again, actor, cause = row
    return Recomputation(
        TableId(table),
        FieldId(link) if link else None,
        RecordId(target) if target else None,
        tuple(orjson.loads(fields)),
        actor,
        cause,
        after,
        through,
        again,
    )
