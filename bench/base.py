"""Fills a base through the workspace: ``python -m bench.base DATA_DIR COUNT`` adds COUNT sprints of realistic size."""

import asyncio
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from airtable_connector.cli.sample import Row, sample_base
from airtable_connector.compose.rooms import open_base
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.records import Actor, Create, WriteRequest
from airtable_connector.settings import load_settings

BATCH = 1_000


def sprints(count: int) -> Iterator[Row]:
    """Make sprints: the demo's, over and over, under ids of their own."""
    models = sample_base(datetime(2026, 1, 1, tzinfo=UTC)).sprints
    for number in range(count):
        row = dict(models[number % len(models)])
        row["Sprint_ID"] = f"SPRINT-{number:07d}"
        if "Proof_URL" in row:
            row["Proof_URL"] = f"https://proof.fullpotential.ai/SPRINT-{number:07d}"
        yield row


async def fill(data_dir: Path, count: int) -> None:
    """Write the sprints, in requests of `BATCH`."""
    settings = load_settings(data_dir, command_line={"DATA_DIR": str(data_dir)})
    async with open_base(settings, clock=SystemClock(), ids=RandomIds()) as base:
        table = base.workspace.table("Sprints")
        rows = list(sprints(count))
        for start in range(0, count, BATCH):
            operations = tuple(Create(table, row) for row in rows[start : start + BATCH])
            await base.workspace.write(WriteRequest(Actor(2, "bench"), operations))


if __name__ == "__main__":
    asyncio.run(fill(Path(sys.argv[1]), int(sys.argv[2])))
