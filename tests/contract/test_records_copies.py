"""Tables that follow another base: records are copied and forgotten as it tells, and nothing is worked out here."""

import asyncio
import dataclasses
from typing import Any

import orjson
import pytest
from tests.factories.records import ADA, Base, a_table, choices, opened_base
from tests.factories.told import AIRTABLE, CREATED, ONE, THREE, TWO, a_told_field

from airtable_connector.database import Database, DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import (
    CLOUD,
    Action,
    Copy,
    Create,
    Delete,
    Done,
    Effected,
    FieldType,
    Forget,
    KeyTaken,
    Query,
    Rename,
    Sort,
    Update,
    Upsert,
    WriteRequest,
    Written,
    stable_id,
    table_from_definition,
)

pytestmark = pytest.mark.anyio

PEOPLE = a_table("People", "Name", a_told_field("Name", FieldType.SINGLE_LINE_TEXT))
TASKS = a_table(
    "Tasks",
    "Code",
    a_told_field("Code", FieldType.SINGLE_LINE_TEXT),
    a_told_field("Size", FieldType.NUMBER, precision=2),
    a_told_field("Twice", FieldType.FORMULA, formula="{Size} * 2", result={"type": "number"}),
    a_told_field("Names", FieldType.ROLLUP, result={"type": "singleLineText"}),
    a_told_field("Broken", FieldType.COUNT, isValid=False),
    a_told_field("Seen", FieldType.MULTIPLE_LOOKUP_VALUES, result={"type": "barcode"}),
    a_told_field("Number", FieldType.AUTO_NUMBER),
    a_told_field("Made", FieldType.CREATED_TIME),
    a_told_field("Changed", FieldType.LAST_MODIFIED_TIME),
    a_told_field("Stage", FieldType.SINGLE_SELECT, choices=[]),
    a_told_field("Tags", FieldType.MULTIPLE_SELECTS, choices=choices("red")),
    a_told_field("Workers", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=PEOPLE.id, inverseLinkFieldId="fldBack"),
    a_told_field("Next", FieldType.MULTIPLE_RECORD_LINKS, linkedTableId=stable_id("tbl", "tests", "Tasks")),
)


@pytest.fixture
async def base(database: Database, clock: Any) -> Any:
    async with opened_base(database, clock=clock, tables=[PEOPLE, TASKS]) as opened:
        yield opened


def copy(record: RecordId, basis: int | None = None, **cells: Any) -> Copy:
    return Copy(TASKS, record, CREATED, {TASKS.field(name).id: cell for name, cell in cells.items()}, basis)


async def told_to(base: Base, *operations: Any) -> list[Written]:
    return await base.do(*operations, actor=AIRTABLE)


async def effects(base: Base, *operations: Any) -> list[Effected]:
    return [written.effect for written in await told_to(base, *operations)]


async def task(base: Base, record: str) -> dict[str, Any] | None:
    return await base.cells(TASKS, record)


# what a copy does


async def test_a_copy_adds_the_record_as_it_is_told(base: Base) -> None:
    cells = {"Code": "T-1", "Size": 2, "Twice": 5, "Names": "n", "Number": 77, "Changed": CREATED, "Stage": "new one"}
    (written,) = await told_to(base, copy(ONE, **cells))

    assert written.effect is Effected.CREATED
    assert await task(base, ONE) == {**cells, "Made": CREATED}
    (change,) = await base.workspace.history(ONE, after=0, count=9)
    assert (change.action, change.actor, change.before) == (Action.CREATE, CLOUD, None)


async def test_a_copy_replaces_every_cell_and_tells_the_feed_what_differs(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1", Size=2, Tags=["red"]))
    (written,) = await told_to(base, copy(ONE, Code="T-1", Size=3, Twice=6))

    assert written.effect is Effected.UPDATED
    assert await task(base, ONE) == {"Code": "T-1", "Size": 3, "Twice": 6, "Made": CREATED}
    change = (await base.workspace.history(ONE, after=0, count=9))[-1]
    assert TASKS.by_id.keys() >= (change.before or {}).keys()
    assert {TASKS.by_id[name].name: cell for name, cell in (change.before or {}).items()} == {
        "Size": 2, "Tags": ["red"], "Twice": None,
    }  # fmt: skip
    assert {TASKS.by_id[name].name: cell for name, cell in (change.after or {}).items()} == {
        "Size": 3, "Tags": None, "Twice": 6,
    }  # fmt: skip


async def test_a_copy_of_what_is_there_leaves_no_entry(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1", Seen=[{"type": "ean", "text": "1"}]))
    before = base.workspace.head

    assert await effects(base, copy(ONE, Code="T-1", Seen=[{"text": "1", "type": "ean"}])) == [Effected.UNCHANGED]
    assert base.workspace.head == before


async def test_one_and_true_are_different_cells(base: Base) -> None:
    await told_to(base, copy(ONE, Twice=1))
    assert await effects(base, copy(ONE, Twice=True)) == [Effected.UPDATED]


async def test_a_copy_with_another_moment_of_creation_changes_it(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1"))
    later = dataclasses.replace(copy(ONE, Code="T-1"), created_at="2026-01-01T00:00:00.000Z")

    assert await effects(base, later) == [Effected.UPDATED]
    found = await base.workspace.find(TASKS, ONE)
    assert found is not None
    assert found.created_at == "2026-01-01T00:00:00.000Z"


async def test_memory_and_store_write_a_copied_object_alike(base: Base, location: DatabaseLocation) -> None:
    await base.shelved()
    await told_to(base, copy(ONE, Seen=[{"zeta": 1.0, "b": {"yy": None, "x": 2}, "a": "x\x00y"}]))

    async with open_database(location, clock=SystemClock()) as second, opened_base(second, tables=[]) as other:
        read = await other.workspace.find(TASKS, ONE)
        assert read is not None
        assert base.workspace.record_from_memory(TASKS, ONE) == TASKS.encode(read)
    assert b'{"a":"x\xef\xbf\xbdy","b":{"x":2,"yy":null},"zeta":1}' in TASKS.encode(read)


async def test_links_may_lead_to_records_that_come_later(base: Base) -> None:
    await told_to(base, copy(ONE, Next=[TWO]))
    await told_to(base, copy(TWO, Code="T-2"))
    assert await task(base, ONE) == {"Next": [TWO], "Made": CREATED}


async def test_cells_of_unknown_fields_and_of_facts_are_left_out(base: Base) -> None:
    more = {FieldId("fldUnknown00000001"): 1, TASKS.field("Made").id: "x", TASKS.field("Code").id: "T-1"}
    await told_to(base, Copy(TASKS, ONE, CREATED, more))
    assert await task(base, ONE) == {"Code": "T-1", "Made": CREATED}


async def test_a_copy_under_the_id_of_another_tables_record_is_refused(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1"))
    with pytest.raises(KeyTaken):
        await told_to(base, Copy(PEOPLE, ONE, CREATED, {}))


# keys


async def test_a_copy_takes_its_key_only_if_it_is_free(base: Base) -> None:
    assert await effects(base, copy(ONE, Code="T"), copy(TWO, Code="T")) == [Effected.CREATED] * 2
    first, second = [await base.workspace.find(TASKS, record) for record in (ONE, TWO)]
    assert first is not None
    assert second is not None
    assert (first.key, second.key) == ("T", None)
    assert await base.cells(TASKS, "T") == await task(base, ONE)


async def test_a_record_without_its_key_can_be_changed(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T"), copy(TWO, Code="T"))
    await base.do(Update(TASKS, TWO, {"Size": 1}))
    assert await task(base, TWO) == {"Code": "T", "Size": 1, "Made": CREATED}


async def test_a_key_that_a_copy_lets_go_is_free(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T"))
    await told_to(base, copy(ONE, Code="U"))
    await told_to(base, copy(TWO, Code="T"))
    assert [await base.cells(TASKS, key) for key in "UT"] == [await task(base, ONE), await task(base, TWO)]


async def test_a_text_too_long_for_a_key_is_copied_all_the_same(base: Base) -> None:
    await told_to(base, copy(ONE, Code="x" * 3_000))
    assert await task(base, ONE) == {"Code": "x" * 3_000, "Made": CREATED}


# forgetting


async def test_forgetting_leaves_links_as_they_are(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1", Next=[TWO]), copy(TWO, Code="T-2"))
    assert await effects(base, Forget(TASKS, TWO), Forget(TASKS, TWO)) == [Effected.DELETED, Effected.UNCHANGED]
    assert await task(base, TWO) is None
    assert await task(base, ONE) == {"Code": "T-1", "Next": [TWO], "Made": CREATED}
    assert await effects(base, copy(TWO, Code="T-2")) == [Effected.CREATED]


async def test_a_record_that_a_caller_deletes_stays_in_told_links(base: Base) -> None:
    await told_to(base, copy(ONE, Next=[TWO]), copy(TWO, Code="T-2"))
    await base.do(Delete(TASKS, TWO))
    assert await task(base, ONE) == {"Next": [TWO], "Made": CREATED}


# what callers have written since


async def test_a_copy_based_on_what_was_before_a_callers_write_does_nothing(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1"))
    basis = base.workspace.head.seq
    await base.do(Update(TASKS, ONE, {"Size": 1}))

    stale = [copy(ONE, basis, Code="T-9"), Forget(TASKS, ONE, basis)]
    assert await effects(base, *stale) == [Effected.OVERTAKEN] * 2
    assert await task(base, ONE) == {"Code": "T-1", "Size": 1, "Made": CREATED}
    assert await effects(base, copy(ONE, base.workspace.head.seq, Code="T-9")) == [Effected.UPDATED]


async def test_a_copy_based_on_what_was_before_a_removal_brings_nothing_back(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1"))
    basis = base.workspace.head.seq
    await base.do(Delete(TASKS, ONE))

    assert await effects(base, copy(ONE, basis, Code="T-1")) == [Effected.OVERTAKEN]
    assert await task(base, ONE) is None
    assert await effects(base, copy(ONE, base.workspace.head.seq, Code="T-1")) == [Effected.CREATED]


async def test_changes_of_other_records_overtake_nothing(base: Base) -> None:
    basis = base.workspace.head.seq
    await base.do(Create(TASKS, {"Code": "T-2"}))
    assert await effects(base, copy(ONE, basis, Code="T-1")) == [Effected.CREATED]


async def test_what_a_request_itself_did_does_not_overtake_it(base: Base) -> None:
    basis = base.workspace.head.seq
    operations = [copy(ONE, basis, Code="T-1"), copy(ONE, basis, Code="T-2"), Forget(TASKS, ONE, basis)]
    assert await effects(base, *operations) == [Effected.CREATED, Effected.UPDATED, Effected.DELETED]


async def test_a_write_in_the_same_transaction_overtakes(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1"))
    basis = base.workspace.head.seq
    requests = [
        WriteRequest(ADA, (Update(TASKS, ONE, {"Size": 1}),)),
        WriteRequest(AIRTABLE, (copy(ONE, basis, Code="T-9"),)),
        WriteRequest(ADA, (Delete(TASKS, ONE),)),
        WriteRequest(AIRTABLE, (copy(ONE, basis, Code="T-9"),)),
    ]
    done = await asyncio.gather(*(base.workspace.write(request) for request in requests))
    found = [each.written[0].effect for each in done if isinstance(each, Done)]
    assert found == [Effected.UPDATED, Effected.OVERTAKEN, Effected.DELETED, Effected.OVERTAKEN]


# other ids


def rename(record: str, becomes: RecordId) -> Rename:
    return Rename(TASKS, RecordId(record), becomes, CREATED)


async def test_a_renamed_record_is_found_by_both_ids_at_its_place(base: Base) -> None:
    await base.shelved()
    first, second = [await base.create(TASKS, Code=code) for code in ("T-1", "T-2")]
    (written,) = await told_to(base, rename(first, ONE))

    assert written.effect is Effected.UPDATED
    assert written.record is not None
    assert (written.record.id, written.record.created_at) == (ONE, CREATED)
    assert [record["id"] for record in await base.walk(Query(TASKS))] == [ONE, second]
    assert [record["id"] for record in await base.walk(Query(TASKS, text="T-"))] == [ONE, second]
    for name in (first, ONE, "T-1"):
        assert await base.cells(TASKS, name) == {"Code": "T-1", "Made": CREATED}
    assert await base.workspace.locate(first) == await base.workspace.locate(ONE)
    assert await base.workspace.present_ids([RecordId(first), ONE]) == {first: ONE}


async def test_the_feed_tells_of_a_removal_and_an_addition(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    await told_to(base, rename(first, ONE))
    changes = await base.workspace.history(ONE, after=0, count=9)

    assert [(each.record, each.action, each.actor) for each in changes] == [
        (first, Action.CREATE, ADA.droplet), (first, Action.DELETE, CLOUD), (ONE, Action.CREATE, CLOUD),
    ]  # fmt: skip
    assert changes == await base.workspace.history(RecordId(first), after=0, count=9)


async def test_callers_may_go_on_with_the_former_id(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    await told_to(base, rename(first, ONE))

    await base.do(Update(TASKS, first, {"Size": 1}))
    linking = await base.create(TASKS, Code="T-2", Next=[first, ONE])
    assert await task(base, linking) == {"Code": "T-2", "Next": [ONE], "Made": "2026-01-05T12:00:00.000Z"}
    assert await task(base, ONE) == {"Code": "T-1", "Size": 1, "Made": CREATED}
    (written,) = await base.do(Delete(TASKS, first))
    assert written.record is not None
    assert written.record.id == ONE
    assert await task(base, first) is None


async def test_links_follow_a_renamed_record(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    second = await base.create(TASKS, Code="T-2", Next=[first])
    await base.do(Update(TASKS, first, {"Next": [first, second]}))
    await told_to(base, copy(THREE, Next=[ONE, RecordId(first)]))
    await told_to(base, rename(first, ONE))

    nexts = [(await task(base, record) or {})["Next"] for record in (ONE, second, THREE)]
    assert nexts == [[ONE, second], [ONE], [ONE]]
    # the index of links knows it as well
    await told_to(base, rename(ONE, TWO))
    assert (await task(base, second) or {})["Next"] == [TWO]


async def test_a_rename_is_repeated_without_effect(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    await told_to(base, rename(first, ONE))
    head = base.workspace.head
    assert await effects(base, rename(first, ONE)) == [Effected.UNCHANGED]
    assert base.workspace.head == head


async def test_a_record_that_came_under_its_new_id_already_stays_and_takes_the_key(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1", Size=1)
    second = await base.create(TASKS, Code="T-2", Next=[first])
    await told_to(base, copy(ONE, Code="T-1", Size=2))
    assert await effects(base, rename(first, ONE)) == [Effected.UPDATED]

    expected = {"Code": "T-1", "Size": 2, "Made": CREATED}
    assert [await task(base, name) for name in (first, ONE, "T-1")] == [expected] * 3
    assert (await task(base, second) or {})["Next"] == [ONE]
    assert len(await base.walk(Query(TASKS))) == 2


async def test_an_id_leads_on_over_every_later_one(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    await told_to(base, rename(first, ONE), rename(ONE, TWO))
    await told_to(base, rename(TWO, THREE))
    assert {(await base.workspace.find(TASKS, name) or written_nothing()).id for name in (first, ONE, TWO)} == {THREE}
    await told_to(base, rename(THREE, ONE))
    assert {(await base.workspace.find(TASKS, name) or written_nothing()).id for name in (first, ONE, TWO)} == {ONE}


def written_nothing() -> Any:
    raise AssertionError("the record is not found")


async def test_the_id_of_a_record_that_is_gone_is_noted_all_the_same(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    await base.do(Delete(TASKS, first))
    assert await effects(base, rename(first, ONE)) == [Effected.UNCHANGED]
    assert await base.workspace.present_ids([RecordId(first)]) == {first: ONE}


async def test_links_to_a_record_that_is_gone_follow_its_new_id(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    second = await base.create(TASKS, Code="T-2", Next=[first])
    await base.do(Delete(TASKS, first))
    assert await effects(base, rename(first, ONE), rename(first, ONE)) == [Effected.UPDATED, Effected.UNCHANGED]
    assert (await task(base, second) or {})["Next"] == [ONE]


async def test_a_rename_to_the_same_id_changes_nothing(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1"))
    assert await effects(base, rename(ONE, ONE)) == [Effected.UNCHANGED]
    await told_to(base, Forget(TASKS, ONE))
    assert await task(base, ONE) is None


async def test_a_rename_and_a_copy_of_one_request_give_way_to_what_came_between(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    basis = base.workspace.head.seq
    asked = (rename(first, ONE), copy(ONE, basis, Code="T-1", Size=9))
    await base.do(Update(TASKS, first, {"Size": 1}))
    assert await effects(base, *asked) == [Effected.UPDATED, Effected.OVERTAKEN]

    second = await base.create(TASKS, Code="T-2")
    basis = base.workspace.head.seq
    assert await effects(base, rename(second, TWO), copy(TWO, basis, Code="T-2", Size=9)) == [Effected.UPDATED] * 2

    third = await base.create(TASKS, Code="T-3")
    basis = base.workspace.head.seq
    await base.do(Delete(TASKS, third))
    asked = (rename(third, THREE), copy(THREE, basis, Code="T-3"))
    assert await effects(base, *asked) == [Effected.UNCHANGED, Effected.OVERTAKEN]


async def test_a_write_and_a_rename_of_one_transaction_meet(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    requests = [
        WriteRequest(AIRTABLE, (rename(first, ONE),)),
        WriteRequest(ADA, (Update(TASKS, first, {"Size": 1}), Create(TASKS, {"Code": "T-2", "Next": [first]}))),
        WriteRequest(AIRTABLE, (rename(ONE, TWO),)),
        WriteRequest(ADA, (Update(TASKS, first, {"Size": 2}),)),
    ]
    await asyncio.gather(*(base.workspace.write(request) for request in requests))
    assert await task(base, first) == {"Code": "T-1", "Size": 2, "Made": CREATED}
    assert (await task(base, "T-2") or {})["Next"] == [TWO]


async def test_comments_follow_a_renamed_record(base: Base) -> None:
    first = await base.create(TASKS, Code="T-1")
    await base.workspace.comments.add(TASKS, RecordId(first), "so be it", author=5, parent=None)
    await told_to(base, rename(first, ONE))
    assert [comment.text for comment in await base.workspace.comments.page(ONE, count=9)] == ["so be it"]


async def test_another_process_shows_a_rename_that_takes_an_earlier_id(base: Base, location: DatabaseLocation) -> None:
    await told_to(base, copy(ONE, Code="T-1"), copy(TWO, Code="T-2"))
    async with open_database(location, clock=SystemClock()) as second, opened_base(second, tables=[]) as other:
        await other.shelved()
        await told_to(base, Forget(TASKS, ONE), rename(TWO, ONE))
        await other.workspace.follow()
        in_memory = other.workspace.page_from_memory(Query(TASKS))
        assert in_memory is not None
        assert [orjson.loads(blob)["id"] for blob in in_memory.records] == [ONE]
        assert await other.workspace.count(TASKS) == 1


async def test_a_key_that_is_let_go_passes_to_the_first_record_that_lacked_it(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T"), copy(TWO, Code="T", Size=2), copy(THREE, Code="T", Size=3))
    await told_to(base, Forget(TASKS, ONE))
    assert await base.cells(TASKS, "T") == {"Code": "T", "Size": 2, "Made": CREATED}
    await base.do(Update(TASKS, TWO, {"Code": "U"}))
    await base.do(Upsert(TASKS, {"Code": "T", "Size": 4}))
    assert await task(base, THREE) == {"Code": "T", "Size": 4, "Made": CREATED}


# callers in told tables


async def test_callers_write_told_tables_and_computed_values_are_left_out(base: Base) -> None:
    await told_to(base, Copy(PEOPLE, THREE, CREATED, {PEOPLE.field("Name").id: "Ada"}))
    (written,) = await base.do(Create(TASKS, {"Code": "T", "Size": 2, "Twice": 9, "Number": 3, "Workers": [THREE]}))

    assert [warning.split(" is computed")[0] for warning in written.warnings] == ["Twice", "Number"]
    assert written.record is not None
    assert TASKS.named(written.record.cells) == {"Code": "T", "Size": 2, "Workers": [THREE]}
    assert await base.cells(PEOPLE, THREE) == {"Name": "Ada"}
    await base.do(Upsert(TASKS, {"Code": "T", "Workers": []}))
    assert await task(base, "T") == {"Code": "T", "Size": 2, "Made": "2026-01-05T12:00:00.000Z"}


async def test_a_told_select_without_choices_can_be_sorted_by(base: Base) -> None:
    await told_to(base, copy(ONE, Code="T-1", Stage="b"), copy(TWO, Code="T-2"))
    await base.shelved()
    sort = (Sort(TASKS.field("Stage")),)
    for question in (Query(TASKS, sort=sort), Query(TASKS, sort=sort, text="t-")):
        assert [record["id"] for record in await base.walk(question)] == [TWO, ONE]


async def test_a_told_table_is_what_it_was_after_reading_its_definition(base: Base) -> None:
    assert table_from_definition(orjson.loads(orjson.dumps(TASKS.definition()))) == TASKS
    assert base.workspace.tables == {"People": PEOPLE, "Tasks": TASKS}
    assert not table_from_definition({**PEOPLE.definition(), "fields": [
        {"id": PEOPLE.fields[0].id, "name": "Name", "type": "singleLineText"},
    ]}).fields[0].told  # fmt: skip


# which entries are a request's own


async def test_a_request_knows_its_first_entry(base: Base) -> None:
    requests = [
        WriteRequest(AIRTABLE, (copy(ONE, Code="a"), copy(TWO, Code="b"))),
        WriteRequest(AIRTABLE, (copy(ONE, Code="a"),)),
        WriteRequest(AIRTABLE, (copy(ONE, Code="c"),)),
    ]
    done = await asyncio.gather(*(base.workspace.write(request) for request in requests))
    assert [(each.first, each.seq) for each in done if isinstance(each, Done)] == [(1, 2), (3, 2), (3, 3)]
