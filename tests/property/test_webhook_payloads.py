"""Whatever is written: who replays a webhook's payloads onto a copy has what the table holds."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.factories.webhooks import Webhooks, asks, view_of, webhooks_of
from tests.postgres import shared_server
from tests.property.model import THINGS
from tests.property.steps import Dice
from tests.property.test_records_model import Run, opened

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile
from airtable_connector.kernel.secret import Secret
from airtable_connector.ops import NewHook

STEPS = 60
CODE, FRIENDS = THINGS.field("Code").id, THINGS.field("Friends").id
EVERYTHING = {"includeCellValuesInFieldIds": "all", "includePreviousCellValues": True}

Copy = dict[str, dict[str, Any]]


def replay(payload: dict[str, Any], copy: Copy) -> None:
    """Do to a copy what a payload says, and hold everything that it tells beside against the copy."""
    told = payload["changedTablesById"][THINGS.id]
    told = told["changedViewsById"][view_of(THINGS)] if "changedViewsById" in told else told
    before = {record: dict(cells) for record, cells in copy.items()}
    for record, created in told.get("createdRecordsById", {}).items():
        assert record not in copy
        copy[record] = plain(created)
    for record, changed in told.get("changedRecordsById", {}).items():
        current = plain(changed["current"])
        if "previous" in changed:
            assert plain(changed["previous"]) == {name: before[record].get(name) for name in current}
        merged = {**copy[record], **current}
        copy[record] = {name: cell for name, cell in merged.items() if cell is not None}
        if "unchanged" in changed:
            assert plain(changed["unchanged"]) == {
                name: cell for name, cell in copy[record].items() if name not in current
            }
    for record in told.get("destroyedRecordIds", []):
        del copy[record]
    check_names(told, before, copy)


def check_names(told: dict[str, Any], before: Copy, after: Copy) -> None:
    """Hold the names of linked records against the copy before and after the payload."""

    def names(part: dict[str, Any], copy: Copy) -> None:
        for link in part["cellValuesByFieldId"].get(FRIENDS) or []:
            assert link["name"] == copy.get(link["id"], {}).get(CODE, "")

    for created in told.get("createdRecordsById", {}).values():
        names(created, after)
    for changed in told.get("changedRecordsById", {}).values():
        names(changed["current"], after)
        names(changed.get("unchanged", {"cellValuesByFieldId": {}}), after)
        names(changed.get("previous", {"cellValuesByFieldId": {}}), before)


def plain(part: dict[str, Any]) -> dict[str, Any]:
    """Bring cells from the payload's form into the records'."""
    return {name: _plain(name, cell) for name, cell in part["cellValuesByFieldId"].items()}


def _plain(name: str, cell: Any) -> Any:
    if isinstance(cell, list):
        return [_plain(name, item) for item in cell]
    return cell["id" if name == FRIENDS else "name"] if isinstance(cell, dict) else cell


async def held(run: Run) -> Copy:
    """Return what the table holds, by field id."""
    found = [await run.base.workspace.find(THINGS, run.model.ids[number]) for number in run.model.things]
    return {record.id: dict(record.cells) for record in found if record is not None}


class Follower:
    """Reads a webhook's payloads now and then, and keeps a copy of the table."""

    def __init__(self, hook: NewHook) -> None:
        self.hook = hook
        self.cursor = 1
        self.copy: Copy = {}

    async def catch_up(self, webhooks: Webhooks) -> None:
        payloads = await webhooks.payloads(self.hook, self.cursor)
        self.cursor += len(payloads)
        for payload in payloads:
            replay(payload, self.copy)


async def follow(location: DatabaseLocation, dice: Dice) -> None:
    async with opened(location) as run:
        async with webhooks_of(run.base, run.clock) as webhooks:
            followers = [
                Follower(await webhooks.add(specification))
                for specification in (
                    asks(),
                    asks(recordChangeScope=view_of(THINGS)),
                    asks(recordChangeScope=THINGS.id, includes=EVERYTHING),
                )
            ]
        for number in range(1, STEPS + 1):
            kind, detail = dice.step(run.model)
            if kind in {"write", "reopen"}:
                await run.step(kind, detail)
            if number % 20 == 0:
                async with webhooks_of(run.base, run.clock) as webhooks:
                    # the last one has everything to catch up with at the end
                    for follower in followers if number == STEPS else followers[:2]:
                        await follower.catch_up(webhooks)
                assert followers[0].copy == followers[1].copy == await held(run)
        assert followers[2].copy == followers[0].copy


@pytest.mark.parametrize("seed", range(12))
def test_payloads_replayed_give_the_table_on_sqlite(seed: int, tmp_path: Path) -> None:
    asyncio.run(follow(SqliteFile(tmp_path / "records.db"), Dice(seed)))


@pytest.mark.parametrize("seed", range(12, 18))
def test_payloads_replayed_give_the_table_on_postgres(seed: int) -> None:
    asyncio.run(follow(PostgresServer(Secret(shared_server().new_database())), Dice(seed)))
