"""Questions: order, equality, text, pages and their offsets, memory and store, several workspaces on one database."""

import asyncio
import base64
import dataclasses
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.factories.records import (
    ADA,
    ALL_TABLES,
    EVERYTHING,
    PROJECTS,
    Base,
    a_sprint,
    opened_base,
    sprints,
)
from tests.fakes import FakeClock

from airtable_connector.database import Database, DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    HEARTBEATS,
    SPRINTS,
    CannotFilter,
    CannotSort,
    Create,
    Delete,
    InvalidCell,
    InvalidOffset,
    InvalidSchema,
    PositionNotReached,
    Query,
    ShelfGivenUp,
    ShelfLoaded,
    TooManySorts,
    UnknownChoice,
    UnknownField,
    UnknownTable,
    Update,
    WorkspaceSettings,
    equals,
    read_offset,
    sort_by,
    write_offset,
)

pytestmark = pytest.mark.anyio


async def holding(base: Base, field: str, *values: object) -> None:
    """Fill the table: one record per value, named by its number."""
    await base.do(*(Create(EVERYTHING, {field: value, "Name": str(n)}) for n, value in enumerate(values)))


NESTED = base64.urlsafe_b64encode(b"[" * 5_000).decode()


# --- order ------------------------------------------------------------------------------------------------------

ORDERED: list[tuple[str, list[object]]] = [
    ("Story", [None, "", " ", "2", "_", "A", "a", "B", "b", "Z", "ä", "日", "\uffff", "🚀"]),
    ("Site", [None, "https://a.example", "https://b.example"]),
    ("Mail", [None, "a@example.org", "b@example.org"]),
    ("Phone", [None, "+1", "+12", "+2"]),
    ("Number", [None, -1e300, -10, -1, -0.5, 0, 5e-324, 0.1, 0.3, 2, 10, 2**53, 1e17, 1e300]),
    ("Percent", [None, 0.1, 0.5]),
    ("Price", [None, -3, 2.5, 11]),
    ("Stars", [None, 1, 2, 5]),
    ("Took", [None, 0, 59.5, 3_600]),
    ("Ticked", [None, True]),
    ("Stage", [None, "Waiting", "Active", "Done"]),
    ("Day", [None, "0999-12-31", "2026-01-31", "2026-02-01"]),
    ("Moment", [None, "0999-01-01T00:00:00.000Z", "2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00.001Z"]),
]


def alike(value: Any) -> Any:
    """Blur what sorting does not look at, so that ties do not matter."""
    return value.lower() if isinstance(value, str) else value


@pytest.mark.parametrize(("field", "ascending"), ORDERED)
async def test_each_type_has_its_order_with_empty_first_and_last_when_descending(
    base: Base, field: str, ascending: list[object]
) -> None:
    await base.do(*(Create(EVERYTHING, {field: value}) for value in ascending[1::2] + ascending[::2]))
    kept = [None if value == "" else value for value in ascending]
    for size in (1, 2, 100):
        for name, expected in ((field, kept), (f"-{field}", kept[::-1])):
            found = await base.names(Query(EVERYTHING, sort=sort_by(EVERYTHING, name), page_size=size), field)
            assert [alike(value) for value in found] == [alike(value) for value in expected]


@pytest.mark.parametrize("field", ["Created", "Modified", "Count"])
async def test_what_the_store_makes_can_be_sorted_by(base: Base, clock: FakeClock, field: str) -> None:
    for n in range(5):
        await base.do(Create(EVERYTHING, {"Name": str(n)}))
        await clock.advance(timedelta(milliseconds=7))
    query = Query(EVERYTHING, sort=sort_by(EVERYTHING, f"-{field}"), page_size=2)
    assert await base.names(query) == ["4", "3", "2", "1", "0"]


async def test_ties_keep_the_order_of_creation_in_both_directions(base: Base) -> None:
    await holding(base, "Number", 1, 2, 1, 2, 1)
    for page_size in (1, 2, 3, 10):
        up = Query(EVERYTHING, sort=sort_by(EVERYTHING, "Number"), page_size=page_size)
        down = Query(EVERYTHING, sort=sort_by(EVERYTHING, "-Number"), page_size=page_size)
        assert await base.names(up) == ["0", "2", "4", "1", "3"]
        assert await base.names(down) == ["1", "3", "0", "2", "4"]


async def test_several_fields_of_mixed_directions_sort_together(base: Base) -> None:
    rows = [("Done", 1), ("Active", 2), ("Done", 3), (None, 2), ("Active", None), (None, None)]
    await base.do(*(Create(EVERYTHING, {"Stage": stage, "Number": number}) for stage, number in rows))
    for page_size in (1, 2, 4):
        query = Query(EVERYTHING, sort=sort_by(EVERYTHING, "-Stage, Number"), page_size=page_size)
        found = [(record["fields"].get("Stage"), record["fields"].get("Number")) for record in await base.walk(query)]
        assert found == [("Done", 1), ("Done", 3), ("Active", None), ("Active", 2), (None, None), (None, 2)]


async def test_long_texts_can_be_paged_through(base: Base) -> None:
    for letter in "cab":
        await base.do(Create(EVERYTHING, {"Name": letter, "Story": letter * 100_000}))
    assert await base.names(Query(EVERYTHING, sort=sort_by(EVERYTHING, "Story"), page_size=1)) == ["a", "b", "c"]


@pytest.mark.parametrize("field", ["Story", "Site", "Mail", "Phone"])
async def test_the_longest_offset_is_accepted(base: Base, field: str) -> None:
    sort = sort_by(EVERYTHING, ",".join([field] * 5))
    for letter in ("\x01", "🚀", '"'):
        await base.do(*(Create(EVERYTHING, {field: letter * 500}) for _ in range(2)))
    assert len(await base.walk(Query(EVERYTHING, sort=sort, page_size=1))) == 6


@pytest.mark.parametrize("field", ["Tags", "Projects", "Files"])
async def test_lists_have_no_order(field: str) -> None:
    with pytest.raises(CannotSort):
        sort_by(EVERYTHING, field)


async def test_a_sort_names_known_fields_and_not_too_many() -> None:
    with pytest.raises(UnknownField) as refusal:
        sort_by(EVERYTHING, "Name,-Nubmer")
    assert "Number" in str(refusal.value.hint)
    with pytest.raises(TooManySorts):
        sort_by(EVERYTHING, ",".join(["Name"] * 6))


# --- which ------------------------------------------------------------------------------------------------------

EQUALITIES: list[tuple[str, list[object], str, list[int]]] = [
    ("Story", ["a", "A", None, "a "], "a", [0]),
    ("Story", ["a", None, "", "0"], "", [1, 2]),
    ("Story", ["5", "5.0"], "5", [0]),
    ("Site", ["https://a.example", None], "https://a.example", [0]),
    ("Mail", ["a@b", None], "", [1]),
    ("Phone", ["+1", "+12"], "+1", [0]),
    ("Number", [5, 5.5, None, 0, 50], "5", [0]),
    ("Number", [0.1 + 0.2, 0.3, 3e-1], "0.3", [1, 2]),
    ("Number", [0, None], "0", [0]),
    ("Number", [0, None], "", [1]),
    ("Number", [1e17, 10**17, 1], "1e17", [0, 1]),
    ("Percent", [0.5, 1], ".5", [0]),
    ("Price", [19.99, 20], "19.990", [0]),
    ("Stars", [5, None, 1], "5", [0]),
    ("Took", [60, 61], "60", [0]),
    ("Ticked", [True, False, None], "true", [0]),
    ("Ticked", [True, False, None], "false", [1, 2]),
    ("Ticked", [True, False, None], "", [1, 2]),
    ("Stage", ["Done", "Active", None], "Done", [0]),
    ("Stage", ["Done", "Active", None], "", [2]),
    ("Tags", [["red"], ["blue", "red"], ["blue"], None], "red", [0, 1]),
    ("Tags", [["red"], None], "", [1]),
    ("Day", ["2026-01-01", "2026-01-02", None], "2026-01-02", [1]),
    ("Moment", ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.001Z"], "2026-01-01T01:00:00+01:00", [0]),
]


@pytest.mark.parametrize("field", dict.fromkeys(row[0] for row in EQUALITIES))
async def test_equality_compares_as_the_type_does(base: Base, field: str) -> None:
    for values, asked, numbers in [row[1:] for row in EQUALITIES if row[0] == field]:
        await holding(base, field, *values)
        query = Query(EVERYTHING, equals=(equals(EVERYTHING.field(field), asked),))
        assert await base.names(query) == [str(number) for number in numbers], (values, asked)
        await base.do(*(Delete(EVERYTHING, str(number)) for number in range(len(values))))


async def test_attachments_cannot_be_asked_for() -> None:
    with pytest.raises(CannotFilter):
        equals(EVERYTHING.field("Files"), "")


async def test_what_the_store_makes_can_be_asked_for(base: Base, clock: FakeClock) -> None:
    for n in range(3):
        await base.do(Create(EVERYTHING, {"Name": str(n)}))
        await clock.advance(timedelta(hours=1))
    await base.do(Update(EVERYTHING, "0", {"Number": 1}))
    born = iso(clock.now() - timedelta(hours=2))
    for field, text, found in (("Created", born, ["1"]), ("Modified", iso(clock.now()), ["0"]), ("Count", "3", ["2"])):
        assert await base.names(Query(EVERYTHING, equals=(equals(EVERYTHING.field(field), text),))) == found


async def test_linked_records_can_be_asked_for(base: Base) -> None:
    one, two = await base.create(PROJECTS, Code="P-1"), await base.create(PROJECTS, Code="P-2")
    await holding(base, "Projects", [one], [two, one], None, [two])
    links = EVERYTHING.field("Projects")
    assert await base.names(Query(EVERYTHING, equals=(equals(links, one),))) == ["0", "1"]
    assert await base.names(Query(EVERYTHING, equals=(equals(links, one), equals(links, two)))) == ["1"]
    assert await base.names(Query(EVERYTHING, equals=(equals(links, ""),))) == ["2"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("Number", "five"),
        ("Number", "nan"),
        ("Number", "1" * 500),
        ("Stars", "many"),
        ("Day", "today"),
        ("Moment", "x"),
        ("Ticked", "maybe"),
        ("Projects", "P-1"),
        ("Story", "a\x00"),
        ("Code bars", "a\x00"),
        ("Owner", "a\x00"),
        ("Count", "first"),
    ],
)
async def test_a_text_that_is_no_value_of_the_field_cannot_be_asked_for(field: str, text: str) -> None:
    with pytest.raises(InvalidCell):
        equals(EVERYTHING.field(field), text)


@pytest.mark.parametrize(("field", "text"), [("Stage", "done"), ("Tags", "pink")])
async def test_a_text_that_is_no_choice_cannot_be_asked_for(field: str, text: str) -> None:
    with pytest.raises(UnknownChoice):
        equals(EVERYTHING.field(field), text)


async def test_a_text_is_sought_in_all_text_fields_without_regard_to_ascii_case(base: Base) -> None:
    rows: list[dict[str, object]] = [
        {"Name": "0", "Story": "a Needle in the hay"},
        {"Name": "1 needle"},
        {"Name": "2", "Site": "https://NEEDLE.example"},
        {"Name": "3", "Number": 5, "Tags": ["red"]},
        {"Name": "4", "Mail": "needle@example.org", "Stage": "Done"},
        {"Name": "5", "Story": "Ärger %_'"},
    ]
    await base.do(*(Create(EVERYTHING, row) for row in rows))
    for text, found in {
        "nEEdle": ["0", "1 needle", "2", "4"],
        "done": ["4"],
        "red": [],
        "Ärger": ["5"],
        "ärger": [],
        "%_'": ["5"],
        "e%e": [],
        "\x00": [],
        "\ud800": [],
        "needle\x00": [],
        "x" * 5_000: [],
    }.items():
        assert await base.names(Query(EVERYTHING, text=text, page_size=2)) == found, text


async def test_a_text_is_found_nowhere_in_a_table_without_text(database: Database) -> None:
    async with opened_base(database) as base:
        table = dataclasses.replace(EVERYTHING, fields=(EVERYTHING.field("Number"),), key=None)
        await base.do(Create(EVERYTHING, {"Number": 5}))
        assert await base.walk(Query(table, text="5")) == []


async def test_only_what_changed_since_a_moment_is_shown(base: Base, clock: FakeClock) -> None:
    await base.do(*sprints(3))
    await clock.advance(timedelta(seconds=1))
    since = iso(clock.now())
    await base.do(Update(SPRINTS, "S-1", {"Name": "x"}), a_sprint(9))
    assert await base.names(Query(SPRINTS, updated_since=since, page_size=1), "Sprint_ID") == ["S-1", "S-9"]


async def test_conditions_are_all_to_be_met(base: Base) -> None:
    await base.do(*(a_sprint(n, Status=["Active", "Done"][n % 2], Time_Spent_hr=n // 4) for n in range(12)))
    status, hours = SPRINTS.field("Status"), SPRINTS.field("Time_Spent_hr")
    query = Query(
        SPRINTS,
        equals=(equals(status, "Done"), equals(hours, "1")),
        text="s-",
        sort=sort_by(SPRINTS, "-Sprint_ID"),
        page_size=1,
    )
    assert await base.names(query, "Sprint_ID") == ["S-7", "S-5"]


# --- pages ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [None, "s-"], ids=["memory", "store"])
async def test_pages_end_where_the_records_end(base: Base, text: str | None) -> None:
    await base.shelved()
    for count in range(6):
        assert len(await base.walk(Query(SPRINTS, text=text, page_size=2))) == count
        await base.do(a_sprint(count))


@pytest.mark.parametrize("sort", ["", "Name", "-Name", "Status", "-Status,Name", "Time_Spent_hr", "-Time_Spent_hr"])
async def test_whoever_stays_is_shown_once_however_the_table_changes_between_pages(base: Base, sort: str) -> None:
    await base.shelved()
    status = ["Pending", "Active", "Done", None]
    await base.do(
        *(a_sprint(n, Name=f"n{n % 5}", Status=status[n % 4], Time_Spent_hr=n % 3 or None) for n in range(40))
    )
    query = Query(SPRINTS, sort=sort_by(SPRINTS, sort) if sort else (), page_size=3)
    seen: list[str] = []
    for turn in range(100):
        page = await base.workspace.page(query)
        seen += [orjson.loads(blob)["fields"]["Sprint_ID"] for blob in page.records]
        if page.next is None:
            break
        query = dataclasses.replace(query, after=read_offset(query, write_offset(query, page.next)))
        # the last one shown goes, so does one that may not have been; others come, and one that was deleted comes back
        await base.do(
            *([Delete(SPRINTS, seen[-1])] if turn % 2 else []),
            *([Delete(SPRINTS, f"S-{turn + 20}")] if turn < 5 and f"S-{turn + 20}" not in seen else []),
            a_sprint(f"new-{turn}", Name=f"n{turn % 5}", Status=status[turn % 4]),
        )
    stayed = {f"S-{n}" for n in range(40)} - {f"S-{n}" for n in range(20, 25)}
    assert stayed <= set(seen)
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize(
    "text",
    ["", "x", "!", "ä", "\ud800", "AAAA", "W10", "bnVsbA", "e30", "eyJhIjoxfQ", "WzEsMl0", "x" * 12_001, NESTED],
)
async def test_what_is_no_offset_is_refused(text: str) -> None:
    for sort in ("Name", "Number,-Stage"):
        with pytest.raises(InvalidOffset):
            read_offset(Query(EVERYTHING, sort=sort_by(EVERYTHING, sort)), text)


async def test_an_offset_of_another_question_is_refused(base: Base) -> None:
    await base.do(*sprints(4))
    name, hours = SPRINTS.field("Name"), SPRINTS.field("Time_Spent_hr")
    questions = [
        Query(SPRINTS, page_size=1),
        Query(SPRINTS, text="s-"),
        Query(SPRINTS, text="S-"),
        Query(SPRINTS, updated_since="2026-01-01T00:00:00.000Z"),
        Query(SPRINTS, sort=sort_by(SPRINTS, "Name")),
        Query(SPRINTS, sort=sort_by(SPRINTS, "-Name")),
        Query(SPRINTS, sort=sort_by(SPRINTS, "Status")),
        Query(SPRINTS, equals=(equals(name, ""),)),
        Query(SPRINTS, equals=(equals(hours, ""),)),
        Query(HEARTBEATS),
    ]
    for asked in questions[:-1]:
        page = await base.workspace.page(dataclasses.replace(asked, page_size=1))
        assert page.next is not None
        offset = write_offset(asked, page.next)
        assert read_offset(dataclasses.replace(asked, page_size=77), offset) == page.next
        for other in questions:
            if other is not asked and dataclasses.replace(other, page_size=1) != dataclasses.replace(
                asked, page_size=1
            ):
                with pytest.raises(InvalidOffset):
                    read_offset(other, offset)


# --- memory and store -------------------------------------------------------------------------------------------


async def test_a_table_too_big_for_memory_is_served_from_the_store_with_the_same_answers(
    location: DatabaseLocation,
) -> None:
    clock = SystemClock()
    settings = WorkspaceSettings(memory=20_000)
    async with (
        open_database(location, clock=clock) as database,
        open_database(location, clock=clock) as the_same,
        opened_base(database) as wide,
        opened_base(the_same, settings=settings) as narrow,
    ):
        await wide.shelved()
        await narrow.do(
            *sprints(120, Name="name", Notes="notes"), *(Delete(SPRINTS, f"S-{n}") for n in range(0, 99, 7))
        )
        await narrow.do(*(Update(SPRINTS, f"S-{n}", {"Name": "new"}) for n in range(1, 99, 7)))
        await wide.workspace.follow()
        assert [given_up.table for given_up in narrow.observer.of(ShelfGivenUp)] == ["Sprints"]
        assert narrow.workspace.memory < 20_000
        query: Query | None = Query(SPRINTS, page_size=7)
        pages = 0
        while query is not None:
            assert narrow.workspace.page_from_memory(query) is None
            shown, expected = await narrow.workspace.page(query), wide.workspace.page_from_memory(query)
            assert expected is not None
            assert (list(shown.records), shown.next) == (list(expected.records), expected.next)
            query = dataclasses.replace(query, after=shown.next) if shown.next else None
            pages += 1
        assert pages == 15 + (105 % 7 > 0)
        assert await narrow.workspace.count(SPRINTS) == await wide.workspace.count(SPRINTS) == 105
        assert await narrow.workspace.get(SPRINTS, "S-1") == await wide.workspace.get(SPRINTS, "S-1")


async def test_a_table_that_is_too_big_already_is_not_loaded(database: Database) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(100))
    async with opened_base(database, settings=WorkspaceSettings(memory=5_000)) as base:
        await base.observer.until(
            lambda seen: len(seen.of(ShelfGivenUp)) + len(seen.of(ShelfLoaded)) == len(ALL_TABLES)
        )
        assert [given_up.table for given_up in base.observer.of(ShelfGivenUp)] == ["Sprints"]
        assert len(await base.walk(Query(SPRINTS, page_size=7))) == 100
        await base.do(a_sprint("new"))
        assert await base.workspace.count(SPRINTS) == 101


async def test_writes_made_while_a_table_is_loaded_are_shown(database: Database) -> None:
    async with opened_base(database) as base:
        await base.do(*sprints(3_000))
    async with opened_base(database) as base:
        for n in range(5):
            await base.do(a_sprint(f"new-{n}"), Delete(SPRINTS, f"S-{n}"), Update(SPRINTS, f"S-{n + 9}", {"Name": "x"}))
            assert await base.workspace.count(SPRINTS) == 3_000
        await base.shelved()
        assert base.workspace.page_from_memory(Query(SPRINTS)) is not None
        assert await base.walk(Query(SPRINTS)) == await base.walk(Query(SPRINTS, text="s-"))


async def test_a_tables_version_moves_with_its_own_changes_only(base: Base) -> None:
    await base.shelved()
    before = base.workspace.version(SPRINTS)
    await base.do(Create(HEARTBEATS, {"Cell_ID": "C-1"}))
    assert base.workspace.version(SPRINTS) == before
    await base.do(a_sprint(1))
    after = base.workspace.version(SPRINTS)
    await base.do(Delete(SPRINTS, "S-1"))
    assert before < after < base.workspace.version(SPRINTS)


async def test_deleting_most_of_a_table_leaves_the_rest_in_order(base: Base) -> None:
    await base.shelved()
    for start in range(0, 2_500, 500):
        await base.do(*(a_sprint(n) for n in range(start, start + 500)))
    await base.do(*(Delete(SPRINTS, f"S-{n}") for n in range(2_500) if n % 10))
    expected = [f"S-{n}" for n in range(0, 2_500, 10)]
    assert await base.names(Query(SPRINTS, page_size=7), "Sprint_ID") == expected
    await base.do(a_sprint("last"))
    assert await base.names(Query(SPRINTS, page_size=100), "Sprint_ID") == [*expected, "S-last"]


# --- several workspaces -----------------------------------------------------------------------------------------


@pytest.fixture
async def two(location: DatabaseLocation) -> AsyncIterator[tuple[Base, Base]]:
    clock = SystemClock()
    async with (
        open_database(location, clock=clock) as database,
        open_database(location, clock=clock) as the_same,
        opened_base(database, clock=clock) as one,
        opened_base(the_same, clock=clock) as other,
    ):
        await one.shelved()
        await other.shelved()
        yield one, other


async def test_a_second_workspace_comes_to_see_what_the_first_wrote(two: tuple[Base, Base]) -> None:
    one, other = two
    await one.do(*sprints(5))
    await one.do(Delete(SPRINTS, "S-1"), Update(SPRINTS, "S-2", {"Name": "x"}))
    await other.workspace.reach(one.workspace.head.seq, within=timedelta(seconds=10))
    assert other.workspace.head == one.workspace.head
    assert await other.walk(Query(SPRINTS)) == await one.walk(Query(SPRINTS))
    assert other.workspace.page_from_memory(Query(SPRINTS)) is not None
    assert await other.workspace.changes(after=0, count=100) == await one.workspace.changes(after=0, count=100)


async def test_two_workspaces_write_one_feed_and_each_reads_its_own_writes(two: tuple[Base, Base]) -> None:
    async def write(base: Base, name: str) -> None:
        for n in range(20):
            await base.do(a_sprint(f"{name}-{n}"))
            assert f"S-{name}-{n}" in await base.names(Query(SPRINTS), "Sprint_ID")

    await asyncio.gather(*(write(base, str(number)) for number, base in enumerate(two)))
    for base in two:
        await base.workspace.follow()
        assert base.workspace.head.seq == 40
    assert await two[0].walk(Query(SPRINTS)) == await two[1].walk(Query(SPRINTS))
    assert await two[0].walk(Query(SPRINTS)) == await two[0].walk(Query(SPRINTS, text="s-"))


async def test_a_record_that_left_and_came_back_elsewhere_is_in_its_place_here(two: tuple[Base, Base]) -> None:
    one, other = two
    (first, _) = await one.do(a_sprint(1), a_sprint(2))
    assert first.record is not None
    await other.workspace.follow()
    await one.do(Delete(SPRINTS, "S-1"), Create(SPRINTS, {"Sprint_ID": "S-1"}, record=first.record.id))
    await other.workspace.follow()
    assert await other.names(Query(SPRINTS), "Sprint_ID") == ["S-2", "S-1"]


async def test_an_id_that_came_back_in_another_table_is_there_here_too(two: tuple[Base, Base]) -> None:
    one, other = two
    moved = RecordId(await one.create(SPRINTS, Sprint_ID="S-1"))
    await other.workspace.follow()
    await one.do(Delete(SPRINTS, moved), Create(EVERYTHING, {"Name": "a"}, record=moved))
    await other.workspace.follow()
    assert await other.walk(Query(SPRINTS)) == []
    assert await other.names(Query(EVERYTHING)) == ["a"]


async def test_a_key_taken_elsewhere_is_taken_here(two: tuple[Base, Base]) -> None:
    outcomes = await asyncio.gather(*(base.do(a_sprint(1)) for base in two), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["KeyTaken", "list"]


async def test_waiting_for_the_feed_ends_with_the_write_or_with_the_time(base: Base, clock: FakeClock) -> None:
    waiting = asyncio.ensure_future(base.workspace.advance_beyond(1, within=timedelta(seconds=60)))
    await base.do(a_sprint(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    await base.do(a_sprint(2))
    assert await waiting
    assert await base.workspace.advance_beyond(1, within=timedelta(0))
    late = asyncio.ensure_future(base.workspace.reach(3, within=timedelta(seconds=60)))
    await clock.advance(timedelta(seconds=61))
    with pytest.raises(PositionNotReached) as refusal:
        await late
    assert refusal.value.facts["head"] == 2
    await base.workspace.reach(0, within=timedelta(0))
    await base.workspace.reach(2, within=timedelta(0))


async def test_closing_ends_the_waiting_for_the_feed(database: Database) -> None:
    async with opened_base(database) as base:
        waiting = asyncio.ensure_future(base.workspace.advance_beyond(0, within=timedelta(seconds=60)))
        await asyncio.sleep(0)
    assert not await waiting


# --- tables -----------------------------------------------------------------------------------------------------


async def test_an_unknown_table_is_told_with_the_nearest_known_one(base: Base) -> None:
    assert base.workspace.table("Sprints") == base.workspace.table(SPRINTS.id) == SPRINTS
    with pytest.raises(UnknownTable) as refusal:
        base.workspace.table("Sprint")
    assert "Sprints" in str(refusal.value.hint)


async def test_a_table_added_later_is_kept(database: Database) -> None:
    async with opened_base(database, tables=[SPRINTS]) as base:
        with pytest.raises(InvalidSchema):
            await base.workspace.add_table(EVERYTHING, actor=ADA)
        await base.workspace.add_table(PROJECTS, actor=ADA)
        await base.workspace.add_table(EVERYTHING, actor=ADA)
        with pytest.raises(InvalidSchema):
            await base.workspace.add_table(PROJECTS, actor=ADA)
        await base.create(EVERYTHING, Name="a")
        # its link field has an inverse field among the projects now
        there = list(base.workspace.tables.values())
        assert [table.name for table in there] == ["Sprints", "Projects", "Everything"]
    async with opened_base(database, tables=[SPRINTS]) as base:
        assert list(base.workspace.tables.values()) == there
        assert await base.names(Query(EVERYTHING)) == ["a"]
