"""Fills a base that stands in for one at Airtable: ``python -m bench.there DATA_DIR COUNT``, COUNT records a table.

Heartbeats get none: theirs are not mirrored.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airtable_connector.cli.sample import Row, sample_base
from airtable_connector.compose.rooms import open_base
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.records import Actor, Create, WriteRequest
from airtable_connector.settings import load_settings
from bench.base import BATCH, sprints

SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def cell_name(number: int) -> str:
    """Name a cell, as its record and its heartbeats do."""
    return f"CELL-{number:06d}"


def rows(count: int) -> Mapping[str, Iterator[Row]]:
    """Make so many rows for each table."""
    proofs = sample_base(SINCE).proofs
    numbers, tomorrow = range(count), datetime.now(UTC) + timedelta(days=1)
    return {
        "Sprints": sprints(count),
        "Cells": ({"Cell_ID": cell_name(n), "Role": "Builder", "Health_Status": "OK"} for n in numbers),
        "Proof": ({**proofs[n % len(proofs)], "Proof_ID": f"PROOF-{n:06d}"} for n in numbers),
        # those of these days are there, so that the service adds none
        "Daily_Digest": ({"Date": f"{tomorrow - timedelta(days=n):%Y-%m-%d}", "Total_Droplets": n} for n in numbers),
    }


async def fill(data_dir: Path, count: int) -> None:
    """Write the rows, in requests of `BATCH`."""
    settings = load_settings(data_dir, command_line={"DATA_DIR": str(data_dir)})
    async with open_base(settings, clock=SystemClock(), ids=RandomIds()) as base:
        for name, made in rows(count).items():
            table = base.workspace.table(name)
            operations = [Create(table, row) for row in made]
            for start in range(0, count, BATCH):
                await base.workspace.write(WriteRequest(Actor(2, "bench"), tuple(operations[start : start + BATCH])))


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2])))
