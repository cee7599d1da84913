"""Merging: records found by any cells, decided by the one writer."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.factories.records import ADA, EVERYTHING, Base, a_sprint, opened_base

from airtable_connector.database import DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.records import (
    SPRINTS,
    Create,
    Delete,
    Done,
    Effected,
    KeyTaken,
    Merge,
    Query,
    SeveralRecordsMatch,
    Update,
    WriteRequest,
)

pytestmark = pytest.mark.anyio


def merge(on: str, **fields: Any) -> Merge:
    return Merge(SPRINTS, fields, tuple(SPRINTS.field(name).id for name in on.split(",")))


async def test_one_counterpart_is_changed_and_none_is_added(base: Base) -> None:
    await base.do(a_sprint(1, Name="one"), a_sprint(2, Name="two"))
    changed, added = await base.do(merge("Name", Name="one", Notes="n"), merge("Name", Name="three"))
    assert (changed.effect, added.effect) == (Effected.UPDATED, Effected.CREATED)
    assert await base.cells(SPRINTS, "S-1") == {"Sprint_ID": "S-1", "Name": "one", "Notes": "n"}


async def test_every_field_must_agree(base: Base) -> None:
    await base.do(a_sprint(1, Name="one", Status="Done"), a_sprint(2, Name="one", Status="Active"))
    (written,) = await base.do(merge("Name,Status", Name="one", Status="Active", Notes="n"))
    assert written.record is not None
    assert written.record.key == "S-2"


async def test_the_key_is_one_of_the_fields(base: Base) -> None:
    await base.do(a_sprint(1, Name="one"))
    assert [w.effect for w in await base.do(merge("Sprint_ID", Sprint_ID="S-1", Notes="n"))] == [Effected.UPDATED]
    with pytest.raises(KeyTaken):
        # the key is there and the name is another: a second record of this key would be needed
        await base.do(merge("Sprint_ID,Name", Sprint_ID="S-1", Name="two"))


async def test_two_counterparts_refuse_the_whole_request(base: Base) -> None:
    await base.do(a_sprint(1, Name="one"), a_sprint(2, Name="one"))
    with pytest.raises(SeveralRecordsMatch):
        await base.do(merge("Name", Name="three"), merge("Name", Name="one"))
    assert await base.names(Query(SPRINTS), "Sprint_ID") == ["S-1", "S-2"]


async def test_an_empty_cell_is_equal_to_none(base: Base) -> None:
    await base.do(a_sprint(1))
    (written,) = await base.do(merge("Name", Name=None, Notes="n"))
    assert written.effect is Effected.CREATED


async def test_records_are_compared_as_they_were_before_the_request(base: Base) -> None:
    await base.do(a_sprint(1, Name="one"))
    written = await base.do(
        Update(SPRINTS, "S-1", {"Name": "two"}), merge("Name", Name="one", Notes="n"), merge("Name", Name="new"),
        merge("Name", Name="new"),
    )  # fmt: skip
    assert [each.effect for each in written[1:]] == [Effected.UPDATED, Effected.CREATED, Effected.CREATED]


async def test_a_counterpart_that_the_request_removed_is_none(base: Base) -> None:
    await base.do(a_sprint(1, Name="one"))
    written = await base.do(Delete(SPRINTS, "S-1"), merge("Name", Name="one"))
    assert written[1].effect is Effected.CREATED


async def test_numbers_are_compared_as_numbers(base: Base) -> None:
    number = EVERYTHING.field("Number").id
    await base.do(Create(EVERYTHING, {"Number": 2}))
    (written,) = await base.do(Merge(EVERYTHING, {"Number": 2.0, "Story": "x"}, (number,)))
    assert written.effect is Effected.UPDATED


async def test_merges_at_once_add_one_record(base: Base) -> None:
    requests = [WriteRequest(ADA, (merge("Name", Name="one", Notes=str(n)),)) for n in range(20)]
    outcomes = await asyncio.gather(*(base.workspace.write(one) for one in requests))
    effects = [outcome.written[0].effect for outcome in outcomes if isinstance(outcome, Done)]
    assert effects == [Effected.CREATED] + [Effected.UPDATED] * 19
    assert await base.names(Query(SPRINTS)) == ["one"]


@pytest.fixture
async def two(location: DatabaseLocation) -> AsyncIterator[tuple[Base, Base]]:
    clock = SystemClock()
    async with (
        open_database(location, clock=clock) as database,
        open_database(location, clock=clock) as the_same,
        opened_base(database, clock=clock) as one,
        opened_base(the_same, clock=clock) as other,
    ):
        yield one, other


async def test_merges_of_two_processes_add_one_record(two: tuple[Base, Base]) -> None:
    written = await asyncio.gather(*(base.do(merge("Name", Name="one")) for base in two for _ in range(5)))
    assert sorted(each.effect for (each,) in written) == [Effected.CREATED] + [Effected.UNCHANGED] * 9
