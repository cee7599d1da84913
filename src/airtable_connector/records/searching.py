"""Answers to questions with conditions or an order."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from airtable_connector.database import Database, Reader
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import TableId
from airtable_connector.records import storage
from airtable_connector.records.findings import Findings
from airtable_connector.records.formula import Context, Fact, Formula, Input, Work
from airtable_connector.records.formula.values import to_text
from airtable_connector.records.query import Equals, Page, Position, Query, sort_keys
from airtable_connector.records.schema import Cell, Field, FieldType, Record, Table
from airtable_connector.records.sieve import Sieve, Turns

SEARCH_STEPS: Final = 200_000_000
"""What a formula may cost in one question."""

PORTION: Final = 200
"""Records of the store looked at in one go."""


class Searching:
    """Answers questions with conditions or an order."""

    def __init__(self, database: Database, tables: Mapping[TableId, Table], *, clock: Clock) -> None:
        self._database = database
        self._tables = tables
        self._clock = clock
        self._queue = asyncio.Lock()

    async def page(self, query: Query) -> Page:
        """Answer a question with one page.

        Raises:
            FormulaTooCostly: its formula takes more than `SEARCH_STEPS`.
        """
        async with self._database.reading() as reader:
            if query.formula is None:
                return await _answered(reader, query)
            with Turns(self._queue, self._clock) as turns:
                return await self._sifted(reader, query, query.formula, turns)

    async def _sifted(self, reader: Reader, query: Query, formula: Formula, turns: Turns) -> Page:
        """Look at every record of a snapshot that meets the other conditions."""
        names: dict[str, str] = {}
        sieve = Sieve(formula, Context(self._clock.now(), names, Work(SEARCH_STEPS)), turns)
        findings = Findings(query)
        # in the order of creation, whatever the question's order: so each record is read once
        asked = replace(
            query,
            formula=None,
            equals=(*query.equals, *_known_to_the_store(formula)),
            sort=(),
            after=None if query.sort else query.after,
            page_size=PORTION - 1,
        )
        while True:
            records = await storage.find(reader, asked)
            if formula.reads_links:
                await self._name_links(reader, formula, records, names)
            columns = [[cell_of(source, record) for record in records] for source in formula.inputs]
            for row in await sieve.pick(columns, len(records), findings.missing):
                record = records[row]
                findings.offer(record.ordinal, sort_keys(query, record), query.table.encode(record))
            if len(records) < PORTION or findings.missing <= 0:
                return findings.page()
            asked = replace(asked, after=Position(records[-1].ordinal))
            await turns.give()

    async def _name_links(
        self, reader: Reader, formula: Formula, records: Iterable[Record], names: dict[str, str]
    ) -> None:
        """Put the names of the records that these link to into ``names``, and nothing else."""
        links = [
            each for each in formula.inputs if isinstance(each, Field) and each.type is FieldType.MULTIPLE_RECORD_LINKS
        ]
        linked = {str(target) for record in records for field in links for target in _items(record.cells.get(field.id))}
        names.clear()
        for record in await storage.records_by_id(reader, linked):
            names[record.id] = _name(record, self._tables[record.table])


async def _answered(reader: Reader, query: Query) -> Page:
    records = await storage.find(reader, query)
    shown = records[: query.page_size]
    blobs = [query.table.encode(record) for record in shown]
    if len(records) <= query.page_size:
        return Page(blobs, None)
    return Page(blobs, Position(shown[-1].ordinal, sort_keys(query, shown[-1])))


def _name(record: Record, table: Table) -> str:
    return to_text(record.cells.get(table.primary_field.id))


def _items(cell: Cell | None) -> Sequence[object]:
    return cell if isinstance(cell, list) else ()


def cell_of(source: Input, record: Record) -> Cell | None:
    """Return what a formula reads of a record."""
    match source:
        case Fact.RECORD_ID:
            return record.id
        case Fact.CREATED:
            return record.created_at
        case Fact.MODIFIED:
            return record.modified_at
        case _:
            return record.cells.get(source.id)


def _known_to_the_store(formula: Formula) -> list[Equals]:
    """Return the equalities of every match that the store can look for by itself."""
    return [
        Equals(each.source, next(iter(each.values)))
        for each in formula.equalities()
        if isinstance(each.source, Field) and len(each.values) == 1
    ]
