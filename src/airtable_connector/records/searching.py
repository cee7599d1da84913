"""Answers to questions with conditions or an order: from a shelf's columns, or from the store.

Both see one state of the table, however long they take. A text search is left to the store, which needs no columns of
long texts for it; so is a formula over links, which needs one state of several tables.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from airtable_connector.database import Database, Reader
from airtable_connector.kernel.clock import Clock
from airtable_connector.records import storage
from airtable_connector.records.browsing import ShelfSearch
from airtable_connector.records.catalogue import Catalogue
from airtable_connector.records.findings import Findings
from airtable_connector.records.formula import Context, Work, cell_of, name_in, source_of
from airtable_connector.records.query import Equals, Page, Position, Query, sort_keys
from airtable_connector.records.schema import Field, FieldType, Record
from airtable_connector.records.shelving import Shelving
from airtable_connector.records.sieve import Sieve

if TYPE_CHECKING:
    from airtable_connector.records.formula import Formula

SEARCH_STEPS: Final = 200_000_000
"""What a formula may cost in one question."""

LONGEST_HOLD: Final = 0.001
"""Seconds that a search holds the event loop at most; what is left of it then is done in a thread."""

PORTION: Final = 200
"""Records of the store looked at in one go."""


class Searching:
    """Answers questions with conditions or an order."""

    def __init__(self, database: Database, shelving: Shelving, catalogue: Catalogue, *, clock: Clock) -> None:
        self._database = database
        self._shelving = shelving
        self._catalogue = catalogue
        self._clock = clock
        self._queue = asyncio.Lock()

    async def page(self, query: Query) -> Page:
        """Answer a question with one page.

        Raises:
            FormulaTooCostly: its formula takes more than `SEARCH_STEPS`.
        """
        formula, names = query.formula, dict[str, str]()
        sieve = None
        if formula is not None:
            sieve = Sieve(formula, Context(self._clock.now(), names, Work(SEARCH_STEPS)))
        shelf = self._shelving.shelf(query.table)
        if shelf is not None and query.text is None and not (formula and formula.reads_links):
            page = await self._searched(ShelfSearch(shelf, query, sieve, room=self._shelving.has_room_for))
            return page if sieve is None else replace(page, steps=sieve.spent)
        if formula is None or sieve is None:
            async with self._database.reading() as reader:
                return await _page_of_store(reader, query)
        # before the snapshot: those that wait here must not take all the connections with them
        async with self._queue, self._database.reading() as reader:
            page = await self._sifted(reader, query, formula, sieve, names)
        return replace(page, steps=sieve.spent)

    async def _searched(self, search: ShelfSearch) -> Page:
        """Answer at once what takes a moment, and off the event loop what takes longer, one such search at a time."""
        until = self._clock.monotonic() + LONGEST_HOLD
        page = search.answer_at_once(lambda: self._clock.monotonic() >= until)
        if page is not None:
            return page
        async with self._queue:
            try:
                return await asyncio.to_thread(search.answer)
            except asyncio.CancelledError:
                search.give_up()
                raise

    async def _sifted(
        self, reader: Reader, query: Query, formula: "Formula", sieve: Sieve, names: dict[str, str]
    ) -> Page:
        """Look at every record of a snapshot that meets the other conditions."""
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
                names.clear()
                names.update(await self._names_of_linked(reader, formula, records))
            columns = [[cell_of(source, record) for record in records] for source in formula.inputs]
            rows = await asyncio.to_thread(sieve.pick, columns, len(records), findings.missing)
            picked = [records[row] for row in rows]
            findings.offer([(each.ordinal, query.table.encode(each), sort_keys(query, each)) for each in picked])
            if len(records) < PORTION or findings.missing <= 0:
                return findings.page()
            asked = replace(asked, after=Position(records[-1].ordinal))

    async def _names_of_linked(self, reader: Reader, formula: "Formula", records: Sequence[Record]) -> dict[str, str]:
        links = [
            each.id
            for each in formula.inputs
            if isinstance(each, Field) and each.type is FieldType.MULTIPLE_RECORD_LINKS
        ]
        cells = [record.cells.get(link) for record in records for link in links]
        linked = {str(target) for cell in cells if isinstance(cell, list) for target in cell}
        return {record.id: self._name(record) for record in await storage.records_by_id(reader, linked)}

    def _name(self, record: Record) -> str:
        return name_in(cell_of(source_of(self._catalogue.by_id[record.table].primary_field), record))


async def _page_of_store(reader: Reader, query: Query) -> Page:
    records = await storage.find(reader, query)
    shown = records[: query.page_size]
    blobs = [query.table.encode(record) for record in shown]
    if len(records) <= query.page_size:
        return Page(blobs, None)
    keys = sort_keys(query, shown[-1])
    return Page(blobs, Position(shown[-1].ordinal, tuple(part for key in keys for part in key)))


def _known_to_the_store(formula: "Formula") -> list[Equals]:
    """Return the equalities of every match that the store can look for by itself."""
    return [
        Equals(each.source, next(iter(each.values)))
        for each in formula.equalities()
        if isinstance(each.source, Field) and len(each.values) == 1
    ]
