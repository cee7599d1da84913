"""The change feed: what it tells, and that damage to it shows."""

from datetime import timedelta

import pytest
from tests.factories.records import ADA, Base, a_sprint, opened_base, sprints
from tests.fakes import FakeClock

from airtable_connector.database import Database
from airtable_connector.kernel.clock import iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    HEARTBEATS,
    SPRINTS,
    Action,
    Actor,
    Create,
    Damage,
    Delete,
    LogEvent,
    Update,
    Verified,
    verify_feed,
)

pytestmark = pytest.mark.anyio


async def damage(base: Base, statement: str) -> None:
    async with base.database.transaction() as tx:
        await tx.run(statement)


async def test_the_feed_tells_who_did_what_when_and_why(base: Base, clock: FakeClock) -> None:
    name, hours = SPRINTS.field("Name").id, SPRINTS.field("Time_Spent_hr").id
    key = SPRINTS.field("Sprint_ID").id
    born = iso(clock.now())
    record = await base.create(SPRINTS, Sprint_ID="S-1", Name="One", Time_Spent_hr=5)
    await clock.advance(timedelta(seconds=1))
    await base.do(Update(SPRINTS, "S-1", {"Name": "Two", "Time_Spent_hr": None}), actor=Actor(9, "why"))
    await base.do(Delete(SPRINTS, "S-1"))
    created, updated, deleted = await base.workspace.history(RecordId(record), after=0, count=10)
    assert (created.seq, created.at, created.action, created.actor) == (1, born, Action.CREATE, ADA.droplet)
    assert (created.before, created.after) == (None, {key: "S-1", name: "One", hours: 5})
    assert (updated.seq, updated.at, updated.action, updated.actor) == (2, iso(clock.now()), Action.UPDATE, 9)
    assert (updated.cause, updated.table, updated.record) == ("why", SPRINTS.id, record)
    assert (updated.before, updated.after) == ({name: "One", hours: 5}, {name: "Two", hours: None})
    assert (deleted.action, deleted.before, deleted.after) == (Action.DELETE, {key: "S-1", name: "Two"}, None)
    assert await base.workspace.history(RecordId(record), after=1, count=1) == [updated]


async def test_changes_are_given_from_memory_and_from_the_store_alike(database: Database) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(5), *(Create(HEARTBEATS, {"Cell_ID": "C"}) for _ in range(3)))
        asked = [
            {"after": after, "count": count, "table": table}
            for after in (0, 1, 4, 7, 8, 99)
            for count in (1, 3, 100)
            for table in (None, SPRINTS, HEARTBEATS)
        ]
        from_memory = [await base.workspace.changes(**one) for one in asked]  # type: ignore[arg-type]
    async with opened_base(database) as base:
        from_the_store = [await base.workspace.changes(**one) for one in asked]  # type: ignore[arg-type]
    assert from_memory == from_the_store
    assert [change.seq for change in from_memory[2 * 3 + 1]] == list(range(1, 6))


async def test_an_untouched_feed_verifies_over_a_restart(database: Database) -> None:
    assert await verify_feed(database) == Verified(0, bytes(32), 0)
    for turn in range(2):
        async with opened_base(database) as base:
            await base.do(a_sprint(turn, Name="äöü 🚀", Time_Spent_hr=1e17), LogEvent("x", {}))
            await base.do(Update(SPRINTS, f"S-{turn}", {"Time_Spent_hr": 0.1}))
            head = base.workspace.head
    told: list[tuple[int, int]] = []
    verified = await verify_feed(database, progress=lambda done, of: told.append((done, of)))
    assert verified == Verified(4, head.hash, 0)
    assert told == [(4, 4)]


@pytest.mark.parametrize(
    ("statement", "first_bad"),
    [
        ("update feed set at = '2026-01-05T12:00:00.001Z' where seq = 3", 3),
        ("update feed set table_id = 'tbl00000000000000' where seq = 3", 3),
        ("update feed set record_id = 'rec00000000000000' where seq = 3", 3),
        ("update feed set action = 'delete' where seq = 3", 3),
        ("update feed set action = 'vanish' where seq = 3", 3),
        ("update feed set actor = 6 where seq = 3", 3),
        ("update feed set cause = '' where seq = 3", 3),
        ("update feed set before = '{}' where seq = 3", 3),
        ("update feed set before = '{' where seq = 3", 3),
        ("update feed set after = '{}' where seq = 3", 3),
        ("update feed set after = replace(after, 'x', 'y') where seq = 3", 3),
        ("update feed set after = after || ' ' where seq = 3", 3),
        ("update feed set after = null where seq = 3", 3),
        ("update feed set digest = hash where seq = 3", 3),
        ("update feed set hash = digest where seq = 3", 3),
        ("update feed set hash = digest where seq = 6", 6),
        ("delete from feed where seq = 3", 3),
        ("delete from feed where seq = 1", 1),
        ("delete from feed where seq = 6", 6),
        ("delete from feed where seq > 3", 4),
        ("delete from feed", 1),
        ("update feed set seq = 7 where seq = 6", 6),
        ("update chain set hash = (select hash from feed where seq = 5)", 6),
        ("update chain set seq = 7", 7),
    ],
)
async def test_the_first_bad_entry_of_a_damaged_feed_is_named(base: Base, statement: str, first_bad: int) -> None:
    await base.do(*sprints(2))
    for n in range(4):
        await base.do(Update(SPRINTS, "S-1", {"Name": f"x{n}"}))
    assert isinstance(await verify_feed(base.database), Verified)
    await damage(base, statement)
    found = await verify_feed(base.database)
    assert isinstance(found, Damage)
    assert found.seq == first_bad
    assert found.reason


async def test_two_entries_that_changed_places_are_noticed(base: Base) -> None:
    await base.do(*sprints(6))
    for statement in (
        "update feed set seq = 99 where seq = 3",
        "update feed set seq = 3 where seq = 4",
        "update feed set seq = 4 where seq = 99",
    ):
        await damage(base, statement)
    found = await verify_feed(base.database)
    assert isinstance(found, Damage)
    assert found.seq == 3


async def test_an_entry_more_than_was_recorded_is_noticed(base: Base) -> None:
    await base.do(*sprints(2))
    await damage(base, "update chain set seq = 1, hash = (select hash from feed where seq = 1)")
    assert isinstance(await verify_feed(base.database), Damage)


async def test_dropped_telemetry_leaves_the_feed_whole(base: Base, clock: FakeClock) -> None:
    await base.do(*(Create(HEARTBEATS, {"Cell_ID": "C"}) for _ in range(4)), a_sprint(1))
    await clock.advance(timedelta(hours=1))
    await base.do(Create(HEARTBEATS, {"Cell_ID": "C"}))
    head = base.workspace.head
    dropped = [
        await base.workspace.drop_content(HEARTBEATS, before=clock.now(), after=1, through=through)
        for through in (3, 3, 99)
    ]
    assert dropped == [2, 0, 1]
    assert await verify_feed(base.database) == Verified(6, head.hash, 3)
    await base.do(Create(HEARTBEATS, {"Cell_ID": "C"}))
    assert isinstance(await verify_feed(base.database), Verified)
    await damage(base, "update feed set digest = hash where seq = 2")
    assert await verify_feed(base.database) == Damage(2, "its hash does not follow from the entry before it")


async def test_the_feed_goes_on_where_it_ended_after_a_restart(database: Database) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(3))
        head = base.workspace.head
    async with opened_base(database) as base:
        assert base.workspace.head == head
        await base.do(a_sprint(9))
        assert (base.workspace.head.seq, base.workspace.head.ordinal) == (4, 4)
        assert [change.seq for change in await base.workspace.changes(after=2, count=9)] == [3, 4]
