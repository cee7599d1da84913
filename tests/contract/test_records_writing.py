"""What writes do and refuse: records, keys, whole requests, versions, repetitions."""

import asyncio
from datetime import timedelta

import pytest
from tests.factories.records import ADA, EVERYTHING, Base, a_sprint, once, opened_base, sprints
from tests.fakes import FakeClock

from airtable_connector.database import Database, DatabaseLocation, StoreUnavailable, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    CELLS,
    HEARTBEATS,
    SPRINTS,
    Actor,
    CommitFailed,
    Create,
    Delete,
    Done,
    Effected,
    InvalidCell,
    KeyMissing,
    KeyReused,
    KeyTaken,
    LogEvent,
    Query,
    QueueFull,
    RecordChanged,
    RecordNotFound,
    Repeatable,
    Replayed,
    RequestInFlight,
    StoreClosing,
    StoredAnswer,
    UnknownChoice,
    UnknownField,
    Update,
    Upsert,
    Verified,
    WriteRequest,
    etag,
    storage,
    verify_feed,
)

pytestmark = pytest.mark.anyio


async def everything(base: Base) -> list[object]:
    """All that a write could have changed."""
    tables = [await base.walk(Query(table)) for table in base.workspace.tables.values()]
    return [tables, base.workspace.head, await base.workspace.logged_events(before=2**62, count=100)]


# --- the four operations ---------------------------------------------------------------------------------------


async def test_a_created_record_is_found_by_id_and_by_key(base: Base) -> None:
    (written,) = await base.do(a_sprint(1, Name="One", Time_Spent_hr=5.5))
    assert written.effect is Effected.CREATED
    assert written.record is not None
    assert written.record.key == "S-1"
    expected = {"Sprint_ID": "S-1", "Name": "One", "Time_Spent_hr": 5.5}
    assert await base.cells(SPRINTS, written.record.id) == expected
    assert await base.cells(SPRINTS, "S-1") == expected


async def test_fields_may_be_named_by_id(base: Base) -> None:
    await base.do(Create(SPRINTS, {SPRINTS.field("Sprint_ID").id: "S-1"}))
    assert await base.cells(SPRINTS, "S-1") == {"Sprint_ID": "S-1"}


async def test_an_update_changes_only_the_cells_named_and_moves_the_modification_time(
    base: Base, clock: FakeClock
) -> None:
    created = (await base.do(a_sprint(1, Name="One", Notes="long")))[0].record
    await clock.advance(timedelta(seconds=90))
    (written,) = await base.do(Update(SPRINTS, "S-1", {"Name": "Two", "Notes": None}))
    assert written.effect is Effected.UPDATED
    assert written.record is not None
    assert created is not None
    assert await base.cells(SPRINTS, "S-1") == {"Sprint_ID": "S-1", "Name": "Two"}
    assert (written.record.created_at, written.record.modified_at) == (created.created_at, iso(clock.now()))


async def test_an_update_that_changes_nothing_leaves_no_trace(base: Base, clock: FakeClock) -> None:
    before = (await base.do(a_sprint(1, Name="One", Time_Spent_hr=2)))[0].record
    head = base.workspace.head
    await clock.advance(timedelta(seconds=1))
    (written,) = await base.do(Update(SPRINTS, "S-1", {"Name": "One", "Time_Spent_hr": 2.0, "Notes": ""}))
    assert (written.effect, written.record) == (Effected.UNCHANGED, before)
    assert base.workspace.head == head


async def test_an_upsert_adds_what_is_new_and_changes_what_is_known(base: Base) -> None:
    effects = [
        written.effect
        for written in await base.do(
            Upsert(SPRINTS, {"Sprint_ID": "S-1", "Name": "One"}),
            Upsert(SPRINTS, {"Sprint_ID": "S-1", "Name": "Two"}),
            Upsert(SPRINTS, {"Sprint_ID": "S-1", "Name": "Two"}),
        )
    ]
    assert effects == [Effected.CREATED, Effected.UPDATED, Effected.UNCHANGED]
    assert await base.cells(SPRINTS, "S-1") == {"Sprint_ID": "S-1", "Name": "Two"}


async def test_an_upsert_without_its_key_is_refused(base: Base) -> None:
    for operation in (Upsert(SPRINTS, {"Name": "One"}), Upsert(HEARTBEATS, {"Cell_ID": "C-1"})):
        with pytest.raises(KeyMissing):
            await base.do(operation)


async def test_a_deleted_record_is_gone_and_told_about(base: Base) -> None:
    record = await base.create(SPRINTS, Sprint_ID="S-1")
    (written,) = await base.do(Delete(SPRINTS, "S-1"))
    assert written.effect is Effected.DELETED
    assert written.record is not None
    assert written.record.id == record
    assert [await base.cells(SPRINTS, name) for name in (record, "S-1")] == [None, None]
    assert await base.workspace.count(SPRINTS) == 0


async def test_what_is_not_there_is_neither_found_nor_changed_nor_deleted(base: Base) -> None:
    await base.do(a_sprint(1))
    before = await everything(base)
    for target in ("S-404", "rec00000000000404", "", "a\x00b", "\ud800", "x" * 5_000):
        assert await base.workspace.get(SPRINTS, target) is None
        assert await base.workspace.get(HEARTBEATS, target) is None
        for operation in (Update(SPRINTS, target, {"Name": "x"}), Delete(SPRINTS, target), Delete(HEARTBEATS, target)):
            with pytest.raises(RecordNotFound):
                await base.do(operation)
    assert await everything(base) == before


async def test_a_record_of_another_table_is_not_found(base: Base) -> None:
    cell = await base.create(CELLS, Cell_ID="C-1")
    assert await base.workspace.get(SPRINTS, cell) is None
    with pytest.raises(RecordNotFound):
        await base.do(Delete(SPRINTS, cell))


async def test_a_record_brought_from_elsewhere_keeps_its_id_and_birthday(base: Base) -> None:
    there = RecordId("recFromElsewhere1")
    fields = {"Sprint_ID": "S-1"}
    (written,) = await base.do(Create(SPRINTS, fields, record=there, created_at="2020-01-01T00:00:00.000Z"))
    assert written.record is not None
    assert (written.record.id, written.record.created_at) == (there, "2020-01-01T00:00:00.000Z")
    with pytest.raises(KeyTaken):
        await base.do(Create(CELLS, {"Cell_ID": "C-1"}, record=there))


async def test_a_record_that_comes_back_under_its_old_id_is_the_newest(base: Base) -> None:
    await base.shelved()
    first = RecordId(await base.create(SPRINTS, Sprint_ID="S-1"))
    second = await base.create(SPRINTS, Sprint_ID="S-2")
    await base.do(Delete(SPRINTS, first), Create(SPRINTS, {"Sprint_ID": "S-1"}, record=first))
    in_memory = [record["id"] for record in await base.walk(Query(SPRINTS))]
    in_store = [record["id"] for record in await base.walk(Query(SPRINTS, text="s-"))]
    assert in_memory == in_store == [second, first]


async def test_an_id_may_come_back_in_another_table(base: Base) -> None:
    await base.shelved()
    moved = RecordId(await base.create(SPRINTS, Sprint_ID="S-1"))
    await base.do(Delete(SPRINTS, moved), Create(CELLS, {"Cell_ID": "C-1"}, record=moved))
    assert await base.walk(Query(SPRINTS)) == []
    assert await base.cells(SPRINTS, moved) is None
    assert await base.names(Query(CELLS), "Cell_ID") == ["C-1"]


async def test_a_key_that_looks_like_a_record_id_works_as_a_key(base: Base) -> None:
    await base.do(Create(SPRINTS, {"Sprint_ID": "recLooksLikeAnId0", "Name": "One"}))
    assert await base.cells(SPRINTS, "recLooksLikeAnId0") == {"Sprint_ID": "recLooksLikeAnId0", "Name": "One"}
    await base.do(Update(SPRINTS, "recLooksLikeAnId0", {"Name": "Two"}), Delete(SPRINTS, "recLooksLikeAnId0"))


# --- whole requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "refusal"),
    [
        (Create(SPRINTS, {"Sprint_ID": "S-0"}), KeyTaken),
        (Create(SPRINTS, {"Sprint_ID": "S-9", "Nmae": "x"}), UnknownField),
        (Create(SPRINTS, {"Sprint_ID": "S-9", "Time_Spent_hr": "5"}), InvalidCell),
        (Create(SPRINTS, {"Sprint_ID": "S-9", "Status": "Asleep"}), UnknownChoice),
        (Update(SPRINTS, "S-404", {"Name": "x"}), RecordNotFound),
        (Update(SPRINTS, "S-0", {"Name": "x"}, expected='"old"'), RecordChanged),
        (Update(SPRINTS, "S-1", {"Sprint_ID": "S-0"}), KeyTaken),
        (Delete(SPRINTS, "S-404"), RecordNotFound),
        (Delete(SPRINTS, "S-0", expected='"old"'), RecordChanged),
        (Upsert(SPRINTS, {"Sprint_ID": "S-9", "Status": 5}), InvalidCell),
    ],
)
async def test_a_request_that_fails_at_its_end_changes_nothing(
    base: Base, last: object, refusal: type[Exception]
) -> None:
    await base.do(*sprints(2))
    before = await everything(base)
    begun = (
        a_sprint(2),
        Update(SPRINTS, "S-0", {"Name": "new"}),
        Upsert(SPRINTS, {"Sprint_ID": "S-3"}),
        Delete(SPRINTS, "S-2"),
        LogEvent("webhook", {"a": 1}),
    )
    with pytest.raises(refusal):
        await base.do(*begun, last)
    assert await everything(base) == before
    await base.do(*begun)  # nothing of the failed try is in the way


async def test_a_refused_request_does_not_pull_its_neighbours_down(base: Base) -> None:
    writing = [WriteRequest(ADA, (a_sprint(f"x{n}", Name=str(n)), a_sprint(n % 7))) for n in range(21)]
    outcomes = await asyncio.gather(*(base.workspace.write(one) for one in writing), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Done] * 7 + [KeyTaken] * 14
    assert await base.names(Query(SPRINTS, text="x")) == [str(n) for n in range(7)]
    assert await verify_feed(base.database) == Verified(14, base.workspace.head.hash, 0)


async def test_a_bug_that_one_request_meets_fails_that_request_only(base: Base) -> None:
    def broken(_done: Done) -> StoredAnswer:
        raise ZeroDivisionError

    requests = [WriteRequest(ADA, (a_sprint(n),), once(f"k{n}")) for n in range(5)]
    requests[2] = WriteRequest(ADA, (a_sprint(2),), Repeatable("k2", b"content", broken))
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*(base.workspace.write(one) for one in requests), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Done, Done, ZeroDivisionError, Done, Done]
    assert await base.names(Query(SPRINTS), "Sprint_ID") == ["S-0", "S-1", "S-3", "S-4"]
    assert isinstance(await base.workspace.write(WriteRequest(ADA, (a_sprint(2),), once("k2"))), Done)


async def test_a_thousand_records_are_one_request(base: Base) -> None:
    written = await base.do(*sprints(1_000))
    assert len(written) == 1_000
    assert base.workspace.head.seq == 1_000
    await base.do(*(Delete(SPRINTS, f"S-{n}") for n in range(1_000)))
    assert await base.walk(Query(SPRINTS)) == []


async def test_operations_of_a_request_see_those_before_them(base: Base) -> None:
    await base.do(
        a_sprint(1, Name="One"),
        Update(SPRINTS, "S-1", {"Sprint_ID": "S-2"}),
        a_sprint(1, Name="Another"),
        Delete(SPRINTS, "S-2"),
        Update(SPRINTS, "S-1", {"Notes": "kept"}),
    )
    assert [record["fields"] for record in await base.walk(Query(SPRINTS))] == [
        {"Sprint_ID": "S-1", "Name": "Another", "Notes": "kept"}
    ]


async def test_an_empty_request_is_done_at_once(base: Base) -> None:
    assert await base.workspace.write(WriteRequest(ADA, ())) == Done((), 0, first=1)


async def test_events_are_logged_newest_first(base: Base, clock: FakeClock) -> None:
    await base.do(LogEvent("webhook", {"n": 1}), LogEvent("proof-webhook", ["\x00", None]), actor=Actor(9, "why"))
    newest, oldest = await base.workspace.logged_events(before=2**62, count=10)
    assert (newest.kind, newest.payload, newest.actor, newest.cause) == ("proof-webhook", ["\x00", None], 9, "why")
    assert (oldest.payload, oldest.at) == ({"n": 1}, iso(clock.now()))
    assert await base.workspace.logged_events(before=newest.seq, count=10) == [oldest]


# --- keys -------------------------------------------------------------------------------------------------------


async def test_a_taken_key_is_refused_and_its_holder_named(base: Base) -> None:
    holder = await base.create(SPRINTS, Sprint_ID="S-1")
    with pytest.raises(KeyTaken) as refusal:
        await base.do(a_sprint(1))
    assert (refusal.value.field, refusal.value.facts["record"]) == ("Sprint_ID", holder)


async def test_a_request_may_not_use_a_key_twice(base: Base) -> None:
    with pytest.raises(KeyTaken):
        await base.do(a_sprint(1), a_sprint(1))
    assert await base.workspace.count(SPRINTS) == 0


async def test_a_key_given_up_may_be_taken_again(base: Base) -> None:
    await base.do(a_sprint(1), a_sprint(2))
    await base.do(Update(SPRINTS, "S-1", {"Sprint_ID": "S-3"}), Update(SPRINTS, "S-2", {"Sprint_ID": "S-1"}))
    await base.do(Update(SPRINTS, "S-3", {"Sprint_ID": None}), a_sprint(3))
    assert await base.names(Query(SPRINTS), "Sprint_ID") == [None, "S-1", "S-3"]
    with pytest.raises(KeyTaken):
        await base.do(Update(SPRINTS, "S-1", {"Sprint_ID": "S-3"}))


async def test_two_records_change_places_through_a_third_key(base: Base) -> None:
    await base.do(a_sprint(1, Name="a"), a_sprint(2, Name="b"))
    await base.do(
        Update(SPRINTS, "S-1", {"Sprint_ID": "aside"}),
        Update(SPRINTS, "S-2", {"Sprint_ID": "S-1"}),
        Update(SPRINTS, "aside", {"Sprint_ID": "S-2"}),
    )
    assert await base.names(Query(SPRINTS), "Sprint_ID") == ["S-2", "S-1"]


async def test_empty_keys_are_not_in_each_others_way(base: Base) -> None:
    await base.do(Create(SPRINTS, {"Name": "a"}), Create(SPRINTS, {"Name": "b", "Sprint_ID": ""}))
    assert await base.workspace.count(SPRINTS) == 2


async def test_a_key_is_as_long_as_an_index_can_hold_and_no_longer(base: Base) -> None:
    longest = "".join(chr(0x1F300 + n) for n in range(255))
    await base.do(Create(SPRINTS, {"Sprint_ID": longest}))
    assert await base.cells(SPRINTS, longest) == {"Sprint_ID": longest}
    with pytest.raises(InvalidCell):
        await base.do(Create(SPRINTS, {"Sprint_ID": longest + "x"}))
    with pytest.raises(InvalidCell):
        await base.do(Update(SPRINTS, longest, {"Sprint_ID": "x" * 50_000}))


async def test_an_unknown_field_is_told_with_the_nearest_known_one(base: Base) -> None:
    with pytest.raises(UnknownField) as refusal:
        await base.do(Create(SPRINTS, {"Time_Spend_hr": 5}))
    assert refusal.value.field == "Time_Spend_hr"
    assert "Time_Spent_hr" in str(refusal.value.hint)


async def test_a_computed_field_that_was_sent_is_left_out_with_a_warning(base: Base) -> None:
    fields = {"Name": "a", "Count": 77, "Created": "2020-01-01T00:00:00Z", "Modified": None}
    (written,) = await base.do(Create(EVERYTHING, fields))
    assert [warning.split()[0] for warning in written.warnings] == ["Count", "Created", "Modified"]
    assert (await base.cells(EVERYTHING, "a") or {})["Count"] == 1
    (written,) = await base.do(Update(EVERYTHING, "a", {"Count": 5}))
    assert (written.effect, len(written.warnings)) == (Effected.UNCHANGED, 1)


# --- If-Match ---------------------------------------------------------------------------------------------------


async def test_a_write_that_names_the_present_state_is_taken(base: Base) -> None:
    await base.do(a_sprint(1))
    present = etag(await base.workspace.get(SPRINTS, "S-1") or b"")
    await base.do(Update(SPRINTS, "S-1", {"Name": "x"}, expected=present))
    await base.do(Update(SPRINTS, "S-1", {"Name": "y"}, expected="*"))
    await base.do(Delete(SPRINTS, "S-1", expected=etag(await base.workspace.get(SPRINTS, "S-1") or b"")))


async def test_a_write_that_names_an_old_state_is_refused_and_told_the_present_one(base: Base) -> None:
    await base.do(a_sprint(1))
    old = etag(await base.workspace.get(SPRINTS, "S-1") or b"")
    await base.do(Update(SPRINTS, "S-1", {"Name": "x"}))
    present = etag(await base.workspace.get(SPRINTS, "S-1") or b"")
    for operation in (Update(SPRINTS, "S-1", {"Name": "y"}, expected=old), Delete(SPRINTS, "S-1", expected=old)):
        with pytest.raises(RecordChanged) as refusal:
            await base.do(operation)
        assert refusal.value.facts["etag"] == present
    assert await base.names(Query(SPRINTS)) == ["x"]


async def test_of_two_who_saw_the_same_state_only_one_may_change_it(base: Base) -> None:
    await base.do(a_sprint(1))
    seen = etag(await base.workspace.get(SPRINTS, "S-1") or b"")
    both = [base.do(Update(SPRINTS, "S-1", {"Name": name}, expected=seen)) for name in ("a", "b")]
    outcomes = await asyncio.gather(*both, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [list, RecordChanged]
    assert await base.names(Query(SPRINTS)) == ["a"]


async def test_any_state_is_not_the_state_of_nothing(base: Base) -> None:
    with pytest.raises(RecordNotFound):
        await base.do(Update(SPRINTS, "S-1", {"Name": "x"}, expected="*"))


# --- Idempotency-Key --------------------------------------------------------------------------------------------


async def test_a_repeated_request_gets_the_very_same_answer_and_does_nothing(base: Base) -> None:
    request = WriteRequest(ADA, (a_sprint(1),), once("k", body=b'{"x":"\xc3\xa4"}'))
    first = await base.workspace.write(request)
    again = await base.workspace.write(request)
    assert isinstance(first, Done)
    assert isinstance(again, Replayed)
    assert first.answer == again.answer
    assert again.answer.body == b'{"x":"\xc3\xa4"}'
    assert base.workspace.head.seq == 1


async def test_a_repeated_key_with_another_request_is_refused(base: Base) -> None:
    await base.do(a_sprint(1), repeatable=once("k", b"one"))
    with pytest.raises(KeyReused):
        await base.do(a_sprint(2), repeatable=once("k", b"two"))
    assert await base.workspace.count(SPRINTS) == 1


async def test_keys_of_different_droplets_do_not_meet(base: Base) -> None:
    await base.do(a_sprint(1), repeatable=once("k", b"one"))
    await base.do(a_sprint(2), repeatable=once("k", b"two"), actor=Actor(6, "other"))
    assert await base.workspace.count(SPRINTS) == 2


async def test_a_second_try_while_the_first_is_at_work_is_told_to_wait(base: Base) -> None:
    request = WriteRequest(ADA, (a_sprint(1),), once("k"))
    outcomes = await asyncio.gather(*(base.workspace.write(request) for _ in range(3)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Done, RequestInFlight, RequestInFlight]
    assert isinstance(await base.workspace.write(request), Replayed)


async def test_a_request_that_failed_may_be_repeated_with_its_key(base: Base) -> None:
    await base.do(a_sprint(1))
    request = WriteRequest(ADA, (a_sprint(1),), once("k"))
    with pytest.raises(KeyTaken):
        await base.workspace.write(request)
    await base.do(Delete(SPRINTS, "S-1"))
    assert isinstance(await base.workspace.write(request), Done)


async def test_answers_are_kept_for_a_day(base: Base, clock: FakeClock) -> None:
    request = WriteRequest(ADA, (Upsert(SPRINTS, {"Sprint_ID": "S-1"}),), once("k"))
    await base.workspace.write(request)
    await clock.advance(timedelta(hours=24))
    assert isinstance(await base.workspace.write(request), Replayed)
    await clock.advance(timedelta(seconds=1))
    assert isinstance(await base.workspace.write(request), Done)
    assert isinstance(await base.workspace.write(request), Replayed)


async def test_answers_are_kept_over_a_restart(database: Database) -> None:
    request = WriteRequest(ADA, (a_sprint(1),), once("k", body=b"bytes"))
    async with opened_base(database) as base:
        await base.workspace.write(request)
    async with opened_base(database) as base:
        again = await base.workspace.write(request)
    assert isinstance(again, Replayed)
    assert (again.answer.status, again.answer.headers) == (201, (("location", "/sprints/S-1"),))
    assert again.answer.body == b"bytes"


# --- trouble ----------------------------------------------------------------------------------------------------


async def test_a_locked_database_refuses_clearly_and_recovers_by_itself(location: DatabaseLocation) -> None:
    clock = SystemClock()
    async with (
        open_database(location, clock=clock, busy_timeout=timedelta(milliseconds=150)) as database,
        open_database(location, clock=clock) as other,
        opened_base(database) as base,
    ):
        await base.do(a_sprint(1))
        before = await everything(base)
        async with other.transaction() as tx:
            await storage.lock_head(tx)
            with pytest.raises(StoreUnavailable) as refusal:
                await base.do(a_sprint(2), repeatable=once("k"))
            assert refusal.value.retry_after > timedelta(0)
            assert base.workspace.trouble is refusal.value
            assert await everything(base) == before
        assert len(base.observer.of(CommitFailed)) == 1
        await base.do(a_sprint(2), repeatable=once("k"))
        assert base.workspace.trouble is None


async def test_trouble_is_noticed_and_forgotten_without_any_write(location: DatabaseLocation) -> None:
    clock, ours = SystemClock(), FakeClock()
    async with (
        open_database(location, clock=clock, busy_timeout=timedelta(milliseconds=50)) as database,
        open_database(location, clock=clock) as other,
        opened_base(database, clock=ours) as base,
    ):
        async with asyncio.timeout(20):
            async with other.transaction() as tx:
                await storage.lock_head(tx)
                while base.workspace.trouble is None:
                    await ours.advance(timedelta(seconds=5))
            while base.workspace.trouble is not None:
                await ours.advance(timedelta(seconds=5))


async def test_a_caller_that_goes_away_does_not_withdraw_its_write(base: Base) -> None:
    gone = asyncio.ensure_future(base.do(a_sprint(1), repeatable=once("k")))
    async with asyncio.timeout(20), base.database.transaction():
        await asyncio.sleep(0)  # the write is taken and waits for the transaction
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        with pytest.raises(RequestInFlight):
            await base.do(a_sprint(1), repeatable=once("k"))
    await base.do(a_sprint(2))
    assert await base.names(Query(SPRINTS), "Sprint_ID") == ["S-1", "S-2"]


async def test_a_caller_that_goes_away_from_a_refused_write_leaves_no_warning(base: Base) -> None:
    await base.do(a_sprint(1))
    gone = asyncio.ensure_future(base.do(a_sprint(1)))
    await asyncio.sleep(0)
    gone.cancel()
    await base.do(a_sprint(2))
    assert gone.cancelled()


async def test_closing_waits_for_the_writes_that_were_taken_and_takes_no_more(database: Database) -> None:
    async with opened_base(database) as base:
        taken = [asyncio.ensure_future(base.do(operation)) for operation in sprints(50)]
        await asyncio.sleep(0)
    assert all(one.done() for one in taken)
    with pytest.raises(StoreClosing):
        await base.do(a_sprint("late"))
    async with opened_base(database) as again:
        assert await again.workspace.count(SPRINTS) == 50


async def test_a_burst_beyond_the_queue_is_refused_and_the_rest_is_done(base: Base) -> None:
    await base.do(a_sprint(1))
    thousand = WriteRequest(ADA, (Update(SPRINTS, "S-1", {"Name": "x"}),) * 1_000)
    burst = [base.workspace.write(thousand) for _ in range(22)]
    outcomes = await asyncio.gather(*burst, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [Done] * 20 + [QueueFull] * 2
    assert base.workspace.head.seq == 2
    await base.do(a_sprint(2))


async def test_a_key_is_no_longer_than_both_databases_can_find(base: Base) -> None:
    longest = "\N{GRINNING FACE}" * 253  # after "S-"
    await base.do(a_sprint(longest))
    with pytest.raises(InvalidCell) as refusal:
        await base.do(a_sprint(longest + "x"))
    assert refusal.value.field == "Sprint_ID"
    assert await base.workspace.count(SPRINTS) == 1
