"""One page of an answer, put together while records are found."""

import sys
from collections.abc import Iterable
from typing import Final, TypeAlias

from airtable_connector.records.query import Page, Position, Query, SortKey

SPARE: Final = 2_000
"""Records kept beyond the page's, so that they are put in order only now and then."""

Found: TypeAlias = tuple[int, bytes, tuple[SortKey, ...]]
"""A record's ordinal, its JSON, and its keys: one for each field to sort by."""


class Findings:
    """The first records of an answer, in the question's order. They are offered in the order of creation."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._wanted = query.page_size + 1
        self._kept: list[Found] = []
        self._worst: SortKey | None = None
        """The first key of the last record of a page that is full: what comes behind it needs no place."""

    @property
    def missing(self) -> int:
        """How many more records can change the answer; with a sort, every one can.

        One more than the page holds is wanted: it says that there is a next page.
        """
        return sys.maxsize if self._query.sort else self._wanted - len(self._kept)

    def offer(self, found: Iterable[Found]) -> None:
        """Take the records that may belong to the page."""
        after = self._query.after
        if after is not None:
            found = [each for each in found if self._beyond(after, each)]
        worst = self._worst
        if worst is None:
            self._kept += found
        elif self._query.sort[0].descending:
            self._kept += [each for each in found if each[2][0] >= worst]
        else:
            self._kept += [each for each in found if each[2][0] <= worst]
        if len(self._kept) > self._wanted + SPARE:
            self._cut()
            self._worst = self._kept[-1][2][0]

    def page(self) -> Page:
        """Return the page."""
        self._cut()
        shown = self._kept[: self._query.page_size]
        blobs = [blob for _, blob, _ in shown]
        if len(shown) == len(self._kept):
            return Page(blobs, None)
        ordinal, _, keys = shown[-1]
        return Page(blobs, Position(ordinal, tuple(part for key in keys for part in key)))

    def _beyond(self, after: Position, found: Found) -> bool:
        ordinal, _, keys = found
        for number, (sort, key) in enumerate(zip(self._query.sort, keys, strict=True)):
            other = after.keys[2 * number : 2 * number + 2]
            if key != other:
                return (key < other) is sort.descending
        return ordinal > after.ordinal

    def _cut(self) -> None:
        # sorting keeps the order of equals, which is the order of creation
        for number, sort in reversed(list(enumerate(self._query.sort))):
            self._kept.sort(key=lambda found: found[2][number], reverse=sort.descending)
        del self._kept[self._wanted :]
