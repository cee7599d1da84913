"""Showing how a first copy goes on, from what the connector's own ``/state`` says."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Self, TypeAlias

import typer

from airtable_connector.kernel.clock import Clock

ALLOWED_A_SECOND: Final = 500
"""Records a second that Airtable's limit lets through: five calls of a hundred each."""

TELL_EVERY: Final = timedelta(seconds=5)
"""How often a line is written where there is no terminal."""


@dataclass(frozen=True)
class Copied:
    """How far a copy has come."""

    records: int
    is_whole: bool
    locked_out: timedelta = timedelta(0)
    """How long Airtable takes no call, because it was asked too often."""

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Read what ``/state`` says of the mirror."""
        airtable = state["airtable"]
        mirror = airtable["mirror"]
        return cls(
            sum(each["listed"] for each in mirror["tables"]),
            mirror["age_seconds"] is not None,
            timedelta(seconds=airtable["locked_out_seconds"]),
        )


class Pace:
    """Records a second since the first ones were seen: before those, no list was asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._first: tuple[float, int] | None = None
        self.a_second: float | None = None
        """None until it can be told."""

    def saw(self, records: int) -> None:
        """Take note of how many records are here now."""
        now = self._clock.monotonic()
        if self._first is None:
            self._first = (now, records) if records else None
            return
        began, had = self._first
        if records > had and now > began:
            self.a_second = (records - had) / (now - began)

    def beside(self) -> str:
        """Say it beside what Airtable allows, to be put behind something; empty until it can be told."""
        if self.a_second is None:
            return ""
        return f", {self.a_second:,.0f} a second of the {ALLOWED_A_SECOND} that Airtable allows"


def beside(copied: Copied, pace: Pace) -> str:
    """Say what is to be known beside the number of records; it may be nothing."""
    if copied.locked_out:
        return f", locked out for {copied.locked_out.total_seconds():.0f} s: somebody asked Airtable too often"
    return pace.beside()


Show: TypeAlias = Callable[[Copied, Pace], None]
"""Takes how far a copy has come, and its pace."""


@contextmanager
def shown_copy(total: int, *, clock: Clock) -> Iterator[Show]:
    """Show a bar while the standard output is a terminal, else a line now and then."""
    if not sys.stdout.isatty():
        yield _lines(total, clock)
        return
    from rich.progress import (  # noqa: PLC0415 - heavy, and for terminals only
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
    )

    columns = (TextColumn("copying"), BarColumn(), MofNCompleteColumn(), TextColumn("records{task.fields[beside]}"))
    with Progress(*columns) as bar:
        task = bar.add_task("copying", total=total, beside="")
        yield lambda copied, pace: bar.update(
            task, completed=copied.records, total=max(copied.records, total), beside=beside(copied, pace)
        )


def _lines(total: int, clock: Clock) -> Show:
    told = clock.monotonic()

    def tell(copied: Copied, pace: Pace) -> None:
        nonlocal told
        now = clock.monotonic()
        if now - told < TELL_EVERY.total_seconds():
            return
        told = now
        most = max(copied.records, total)
        typer.echo(f"copying: {copied.records:,} of {most:,} records{beside(copied, pace)}")

    return tell
