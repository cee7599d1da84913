"""One page of an answer, put together while records are found."""

import sys
from heapq import nsmallest
from operator import itemgetter
from typing import Any, Final, TypeAlias

from airtable_connector.records.query import Page, Position, Query, place_in_order

SPARE: Final = 2_000
"""Records kept beyond the page's, so that they are put in order only now and then."""

Keys: TypeAlias = tuple[str | float, ...]


class Findings:
    """The first records of an answer, in the question's order, whatever order they are offered in.

    Without a sort they must be offered in the order of creation.
    """

    def __init__(self, query: Query) -> None:
        self._query = query
        self._wanted = query.page_size + 1
        after = query.after
        self._after = None if after is None else place_in_order(query.sort, after.keys, after.ordinal)
        self._last: tuple[Any, ...] | None = None
        self._kept: list[tuple[tuple[Any, ...], Keys, bytes]] = []

    @property
    def missing(self) -> int:
        """How many more records can change the answer; with a sort, every one can.

        One more than the page holds is wanted: it says that there is a next page.
        """
        return sys.maxsize if self._query.sort else self._wanted - len(self._kept)

    def offer(self, ordinal: int, keys: Keys, blob: bytes) -> None:
        """Take a record as JSON bytes, with its sort keys, if it belongs to the page."""
        place = place_in_order(self._query.sort, keys, ordinal)
        if (self._after is not None and not self._after < place) or (self._last is not None and self._last < place):
            return
        self._kept.append((place, keys, blob))
        if len(self._kept) >= self._wanted + SPARE:
            self._kept = self._first()
            self._last = self._kept[-1][0]

    def page(self) -> Page:
        """Return the page."""
        kept = self._first()
        shown = kept[: self._query.page_size]
        blobs = [blob for _, _, blob in shown]
        if len(kept) == len(shown):
            return Page(blobs, None)
        place, keys, _ = shown[-1]
        return Page(blobs, Position(place[-1], keys))

    def _first(self) -> list[tuple[tuple[Any, ...], Keys, bytes]]:
        return nsmallest(self._wanted, self._kept, key=itemgetter(0))
