"""What the outbox keeps of callers' writes, and what it tells of them, on both databases; nothing is sent here."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from tests.factories.cloud import ADA, BOB, HERE, Side, one_side

from airtable_connector.database import DatabaseLocation
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import CLOUD, Actor, Copy, Create, Delete, Done, Update
from airtable_connector.sync.outbox import (
    ConflictsKept,
    DeadLetterNotFound,
    OutboxSettings,
    ReceiptNotFound,
    ReceiptState,
    TooMuchOnItsWay,
    receipt_id,
    rows,  # the store itself, where only another process would change it
)
from airtable_connector.sync.outbox.intents import Kind, Result
from airtable_connector.sync.overlay import Conflict, OpenRecord, Rule
from airtable_connector.sync.overlay import Side as Winner

pytestmark = pytest.mark.anyio

PLAIN, KEYED, OWN, LINKED = HERE.values()
NAME, AGE = (PLAIN.by_name[name].id for name in ("Name", "Age"))
NOBODY = "http://127.0.0.1:9"
NO_TIME = timedelta(0)
MIRROR = Actor(CLOUD, "00000000-0000-4000-8000-000000000000")
EARLIER = datetime(2020, 1, 1, tzinfo=UTC)
ADA_THERE = RecordId("recAdaThere000001")


@pytest.fixture
async def here(location: DatabaseLocation) -> AsyncIterator[Side]:
    async with one_side(location, NOBODY, "key") as side:
        yield side


def made(done: Done) -> RecordId:
    record = done.written[0].record
    assert record is not None
    return record.id


async def told(here: Side, **cells: object) -> RecordId:
    """Have a record that Airtable told."""
    named = {PLAIN.by_name[name].id: cell for name, cell in cells.items()}
    await here.write(Copy(PLAIN, ADA_THERE, "2026-01-05T12:00:00.000Z", named), actor=MIRROR)  # type: ignore[arg-type]
    return ADA_THERE


async def opened(here: Side, record: RecordId) -> OpenRecord:
    await here.outbox.take()
    return (await here.outbox.open_cells([record], since=datetime.now(UTC)))[record]


async def test_a_write_waits_from_the_moment_it_is_acknowledged(here: Side) -> None:
    done = await here.write(Create(PLAIN, {"Name": "ada"}))
    assert (await here.outbox.receipt(done.first, done.seq)).state is ReceiptState.WAITING
    await here.outbox.take()
    receipt = await here.outbox.wait(done.first, done.seq, within=NO_TIME)
    assert [(each.record, each.real, each.state) for each in receipt.records] == [
        (made(done), None, ReceiptState.WAITING)
    ]
    assert receipt.id == receipt_id(done.first, done.seq)
    assert (await here.outbox.counts()).waiting == 1


async def test_what_airtable_told_is_not_sent_back(here: Side) -> None:
    await told(here, Name="ada")
    await here.outbox.take()
    assert (await here.outbox.counts()).oldest is None


async def test_a_table_that_stays_apart_is_not_sent(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key", settings=OutboxSettings(apart=frozenset({PLAIN.id}))) as here:
        done = await here.write(Create(PLAIN, {"Name": "ada"}))
        await here.write(Create(KEYED, {"Name": "bob"}))
        await here.outbox.take()
        assert (await here.outbox.counts()).waiting == 1
        assert (await here.outbox.receipt(done.first, done.seq)).state is ReceiptState.DONE


async def test_what_was_written_before_the_first_opening_is_not_sent(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key", begun=False) as here:
        await here.write(Create(PLAIN, {"Name": "old"}))
        await here.outbox.open()
        await here.write(Create(PLAIN, {"Name": "new"}))
        await here.outbox.take()
        assert (await here.outbox.counts()).waiting == 1


async def test_two_processes_that_take_at_once_make_each_intent_once(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key") as one, one_side(location, NOBODY, "key") as two:
        for number in range(20):
            await one.write(Create(PLAIN, {"Name": f"n{number}"}))
        await two.workspace.follow()
        assert len(set(await asyncio.gather(one.outbox.take(), two.outbox.take()))) == 1
        assert (await two.outbox.counts()).waiting == 20


async def test_open_cells_are_those_that_callers_wrote_and_what_they_found(here: Side) -> None:
    record = await told(here, Name="ada", Age=7)
    await here.write(Update(PLAIN, record, {"Name": "eve"}))
    last = await here.write(Update(PLAIN, record, {"Name": "bob"}), actor=BOB)
    found = await opened(here, record)
    assert (found.created, found.removed, set(found.cells)) == (False, False, {NAME})
    assert (found.cells[NAME].ours, found.cells[NAME].before) == ("bob", ("ada", "eve", "eve"))
    assert found.cells[NAME].intent // 2 == last.seq


async def test_a_record_made_or_removed_here_is_open_as_a_whole(here: Side) -> None:
    new = made(await here.write(Create(PLAIN, {"Name": "ada"})))
    assert (await opened(here, new)).created
    record = await told(here, Name="ada")
    await here.write(Delete(PLAIN, record))
    assert (await opened(here, record)).removed


async def test_what_was_done_since_a_reading_began_still_counts_as_open(here: Side) -> None:
    record = await told(here, Name="ada")
    done = await here.write(Update(PLAIN, record, {"Name": "eve"}))
    await here.outbox.take()
    began = datetime.now(UTC)
    async with here.database.transaction() as tx:
        await rows.end(tx, [2 * done.seq], Result.DONE, at=began + timedelta(seconds=1))
    assert record in await here.outbox.open_cells([record], since=began)
    assert record not in await here.outbox.open_cells([record], since=began + timedelta(seconds=2))


async def test_a_record_that_was_made_since_a_reading_began_is_not_missing_in_it(here: Side) -> None:
    done = await here.write(Create(PLAIN, {"Name": "ada"}))
    await here.outbox.take()
    began = datetime.now(UTC)
    async with here.database.transaction() as tx:
        await rows.claim(tx, made(done), ADA_THERE)
        await rows.end(tx, [2 * done.seq], Result.DONE, at=began + timedelta(seconds=1))
    assert (await here.outbox.open_cells([ADA_THERE], since=began))[ADA_THERE].created


async def test_links_to_a_new_record_are_open_under_the_id_that_airtable_gave(here: Side) -> None:
    target = made(await here.write(Create(KEYED, {"Name": "target"})))
    source = made(await here.write(Create(LINKED, {"Name": "from", "Ones": [target]})))
    ones = LINKED.by_name["Ones"].id
    assert (await opened(here, source)).cells[ones].ours == [target]
    async with here.database.transaction() as tx:
        await rows.claim(tx, target, ADA_THERE)
    assert (await opened(here, source)).cells[ones].ours == [ADA_THERE]
    assert set(await here.outbox.open_cells([target, ADA_THERE], since=datetime.now(UTC))) == {target, ADA_THERE}


def a_conflict(here_: OpenRecord, won: Winner, *, theirs: str = "x", field: FieldId = NAME) -> Conflict:
    return Conflict(PLAIN.id, ADA_THERE, field, here_.cells[field].intent, here_.cells[field].ours, theirs, won)


async def test_a_value_that_lost_is_not_sent_and_both_are_kept(here: Side) -> None:
    record = await told(here, Name="ada", Age=7)
    done = await here.write(Update(PLAIN, record, {"Name": "eve", "Age": 8}))
    lost = a_conflict(await opened(here, record), Winner.THEIRS)
    await here.outbox.record_conflicts([lost])
    await here.outbox.record_conflicts([lost])
    assert set((await opened(here, record)).cells) == {AGE}
    assert await here.outbox.conflicts(count=10) == [lost]
    assert (await here.outbox.receipt(done.first, done.seq)).state is ReceiptState.WAITING
    assert here.observer.of(ConflictsKept)[0] == ConflictsKept(PLAIN.id, cells=1, lost=1)


async def test_a_value_that_is_under_way_has_won_because_it_takes_effect(here: Side) -> None:
    record = await told(here, Name="ada")
    done = await here.write(Update(PLAIN, record, {"Name": "eve"}))
    lost = a_conflict(await opened(here, record), Winner.THEIRS)
    async with here.database.transaction() as tx:
        await tx.run("update intents set state = 'sending', call = 'cal1' where number = :number", number=2 * done.seq)
    await here.outbox.record_conflicts([lost])
    assert await here.outbox.conflicts(count=10) == [replace(lost, won=Winner.OURS)]
    assert (await opened(here, record)).cells[NAME].ours == "eve"


async def test_a_write_of_which_nothing_is_left_is_refused_with_the_reason(here: Side) -> None:
    record = await told(here, Name="ada")
    done = await here.write(Update(PLAIN, record, {"Name": "eve"}))
    await here.outbox.record_conflicts([a_conflict(await opened(here, record), Winner.THEIRS)])
    (told_of,) = (await here.outbox.receipt(done.first, done.seq)).records
    assert (told_of.state, told_of.reason) == (ReceiptState.REFUSED, "somebody else's change in Airtable won")


async def test_a_value_that_won_is_sent_and_one_written_after_the_conflict_too(here: Side) -> None:
    record = await told(here, Name="ada")
    await here.write(Update(PLAIN, record, {"Name": "eve"}))
    before = await opened(here, record)
    await here.outbox.record_conflicts([a_conflict(before, Winner.OURS)])
    assert (await opened(here, record)).cells[NAME].ours == "eve"
    await here.write(Update(PLAIN, record, {"Name": "bob"}))
    await here.outbox.take()
    await here.outbox.record_conflicts([a_conflict(before, Winner.THEIRS)])
    assert (await opened(here, record)).cells[NAME].ours == "bob"


async def test_the_rule_of_a_table_is_the_later_change_where_none_is_given(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key") as here:
        assert [here.outbox.rule(table.id) for table in (PLAIN, KEYED)] == [Rule.NEWEST, Rule.NEWEST]


async def test_receipts_that_never_were_or_were_forgotten_are_not_found(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key", settings=OutboxSettings(keep=NO_TIME)) as here:
        done = await here.write(Create(PLAIN, {"Name": "ada"}))
        await here.outbox.take()
        for first, last in [(0, 1), (3, 1), (done.seq, done.seq + 1), (1, 20_000)]:
            with pytest.raises(ReceiptNotFound):
                await here.outbox.receipt(first, last)
        async with here.database.transaction() as tx:
            await rows.end(tx, [2 * done.seq], Result.DONE, at=EARLIER)
        assert (await here.outbox.receipt(done.first, done.seq)).state is ReceiptState.DONE
        await here.outbox.forget_once()
        with pytest.raises(ReceiptNotFound):
            await here.outbox.receipt(done.first, done.seq)


async def test_what_was_noted_as_under_way_is_looked_at_after_a_start(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key") as here:
        done = await here.write(Create(PLAIN, {"Name": "ada"}))
        await here.outbox.take()
        async with here.database.transaction() as tx:
            assert await rows.send(tx, [2 * done.seq], "cal1", at=EARLIER)
        assert (await here.outbox.counts()).under_way == 1
    async with one_side(location, NOBODY, "key") as here:
        assert (await here.outbox.counts()).unknown == 1


async def test_no_more_is_taken_than_may_wait(location: DatabaseLocation) -> None:
    async with one_side(location, NOBODY, "key", settings=OutboxSettings(most_waiting=2)) as here:
        for number in range(2):
            here.outbox.check_room()
            await here.write(Create(PLAIN, {"Name": f"n{number}"}))
            await here.outbox.take()
        with pytest.raises(TooMuchOnItsWay):
            here.outbox.check_room()


async def test_only_what_was_refused_can_be_replayed_or_dropped(here: Side) -> None:
    done = await here.write(Create(PLAIN, {"Name": "ada"}))
    await here.outbox.take()
    for number in (2 * done.seq, 999):
        with pytest.raises(DeadLetterNotFound):
            await here.outbox.drop(number)
        with pytest.raises(DeadLetterNotFound):
            await here.outbox.replay(number, actor=ADA)


async def test_a_replay_that_was_cut_off_writes_no_second_time(here: Side) -> None:
    record = await told(here, Name="ada")
    done = await here.write(Update(PLAIN, record, {"Name": "eve"}))
    await here.outbox.take()
    number = 2 * done.seq

    async def bury() -> None:
        async with here.database.transaction() as tx:
            await tx.run("update intents set state = 'dead' where number = :number", number=number)

    await bury()
    first = await here.outbox.replay(number, {"Name": "bob"}, actor=BOB)
    await bury()
    assert await here.outbox.replay(number, {"Name": "bob"}, actor=BOB) == first
    assert here.workspace.head.seq == first[1]


async def test_turns_are_given_so_that_a_later_caller_comes_among_the_first(here: Side) -> None:
    for number in range(30):
        await here.write(Create(PLAIN, {"Name": f"n{number}"}))
    await here.outbox.take()
    await here.write(Create(PLAIN, {"Name": "bob"}), actor=BOB)
    await here.outbox.take()
    await here.write(Create(PLAIN, {"Name": "last"}))
    await here.outbox.take()
    async with here.database.reading() as reader:
        found = await rows.sendable(reader, but=[], count=100)
    assert [each.cells[NAME] for each in found] == ["n0", "bob", *(f"n{n}" for n in range(1, 30)), "last"]


async def test_the_links_of_a_new_record_to_other_new_ones_are_an_intent_of_their_own(here: Side) -> None:
    target = made(await here.write(Create(KEYED, {"Name": "target"})))
    source = made(await here.write(Create(LINKED, {"Name": "from", "Ones": [target]})))
    await here.outbox.take()
    async with here.database.reading() as reader:
        first, second = await rows.open_of(reader, [source], count=10)
    name, ones = (LINKED.by_name[field].id for field in ("Name", "Ones"))
    assert (first.kind, first.cells) == (Kind.CREATE, {name: "from"})
    assert (second.kind, second.cells, second.number) == (Kind.UPDATE, {ones: [target]}, first.number + 1)


async def test_a_request_that_changed_nothing_is_done(here: Side) -> None:
    record = await told(here, Name="ada")
    done = await here.write(Update(PLAIN, record, {"Name": "ada"}))
    assert (await here.outbox.wait(done.first, done.seq, within=NO_TIME)).state is ReceiptState.DONE
