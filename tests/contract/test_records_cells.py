"""What each field type takes, refuses and gives back, all the way through the store and its history."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from tests.factories.records import ADA, EVERYTHING, PROJECTS, Base, a_field, a_table, link_to, opened_base
from tests.fakes import FakeClock

from airtable_connector.database import Database, DatabaseLocation, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import (
    Action,
    CannotFilter,
    CannotSort,
    Create,
    Delete,
    Effected,
    FieldType,
    InvalidCell,
    LinkTargetMissing,
    Query,
    UnknownChoice,
    Update,
    WorkspaceSettings,
    equals,
    etag,
    sort_by,
    stable_id,
)

pytestmark = pytest.mark.anyio

SAME = object()

ADA_BY_MAIL = stable_id("usr", "ada@a.example")
ADA_KNOWN = {"id": "usr00000000000001", "name": "Ada", "email": "ada@a.example"}

TAKEN: list[tuple[str, object, object]] = [
    ("Story", "two\nlines, 日本 and 🚀", SAME),
    ("Story", " kept as it is ", SAME),
    ("Story", "x" * 100_000, SAME),
    ("Site", "https://example.org/a?b=c#d", SAME),
    ("Mail", "ada@example.org", SAME),
    ("Phone", "+49 30 123456", SAME),
    ("Number", 5, SAME),
    ("Number", 0, SAME),
    ("Number", -0.0, 0),
    ("Number", 5.0, 5),
    ("Number", -1.25, SAME),
    ("Number", 0.1 + 0.2, SAME),
    ("Number", 5e-324, SAME),
    ("Number", 1.7976931348623157e308, SAME),
    ("Number", 2**53, SAME),
    ("Number", 2**53 + 1, 2**53),
    ("Number", 10**17, SAME),
    ("Number", -(10**18), SAME),
    ("Number", 1e17, 10**17),
    ("Number", 2**63, SAME),
    ("Number", -(2**63), SAME),
    ("Number", 1e19, 10**19),
    ("Number", 10**30, 1e30),
    ("Number", -(10**30), -1e30),
    ("Percent", 0.125, SAME),
    ("Price", 19.99, SAME),
    ("Stars", 5, SAME),
    ("Stars", 3.0, 3),
    ("Took", 3_600, SAME),
    ("Took", 0.5, SAME),
    ("Ticked", True, SAME),
    ("Stage", "Done", SAME),
    ("Tags", ["blue", "red"], SAME),
    ("Tags", ["blue", "red", "blue"], ["blue", "red"]),
    ("Day", "2024-02-29", SAME),
    ("Day", "0001-01-01", SAME),
    ("Moment", "2026-01-31T12:30:00.123Z", SAME),
    ("Moment", "2026-01-31T12:30:00Z", "2026-01-31T12:30:00.000Z"),
    ("Moment", "2026-01-31T12:30:00+05:30", "2026-01-31T07:00:00.000Z"),
    ("Moment", "2026-01-31T12:30:00.1239", "2026-01-31T12:30:00.123Z"),
    ("Moment", "2026-01-31", "2026-01-31T00:00:00.000Z"),
    ("Moment", 0, "1970-01-01T00:00:00.000Z"),
    ("Moment", 1_769_862_600_123, "2026-01-31T12:30:00.123Z"),
    ("Moment", "0033-04-03T15:00:00Z", "0033-04-03T15:00:00.000Z"),
    ("Essay", "# head\n- bullet\n", SAME),
    ("Essay", "# head\n* bullet\n  * deeper *word*", "# head\n- bullet\n  - deeper *word*\n"),
    ("Code bars", {"text": "A234567", "type": "upce"}, SAME),
    ("Code bars", {"type": None, "text": "A234567"}, {"text": "A234567"}),
    ("Owner", ADA_KNOWN, SAME),
    ("Owner", {"id": "usr00000000000001"}, {"id": "usr00000000000001", "name": "usr00000000000001"}),
    ("Owner", {"email": "Ada@a.example"}, {"id": ADA_BY_MAIL, "name": "Ada@a.example", "email": "Ada@a.example"}),
    ("Team", [ADA_KNOWN, "ugp00000000000001"], [ADA_KNOWN, {"id": "ugp00000000000001", "name": "ugp00000000000001"}]),
    ("Team", [ADA_KNOWN, ADA_KNOWN], [ADA_KNOWN]),
]

EMPTY: list[tuple[str, object]] = [
    *((field.name, None) for field in EVERYTHING.fields if not field.computed and field.name != "Name"),
    ("Story", ""),
    ("Number", ""),
    ("Stars", 0),
    ("Ticked", False),
    ("Stage", ""),
    ("Tags", []),
    ("Day", ""),
    ("Moment", ""),
    ("Projects", []),
    ("Files", []),
    ("Essay", ""),
    ("Code bars", {"text": ""}),
    ("Team", []),
]

REFUSED: list[tuple[str, object]] = [
    ("Story", 5),
    ("Story", True),
    ("Story", ["a"]),
    ("Story", {"a": 1}),
    ("Story", "a\x00b"),
    ("Story", "\ud800"),
    ("Story", "x" * 100_001),
    ("Site", 5),
    ("Mail", {}),
    ("Phone", 49),
    ("Number", "5"),
    ("Number", True),
    ("Number", float("nan")),
    ("Number", float("inf")),
    ("Number", 10**400),
    ("Number", [5]),
    ("Percent", "10%"),
    ("Price", "19.99"),
    ("Stars", 6),
    ("Stars", -1),
    ("Stars", 2.5),
    ("Stars", True),
    ("Took", "1:30"),
    ("Ticked", 1),
    ("Ticked", "true"),
    ("Stage", 1),
    ("Stage", ["Done"]),
    ("Tags", "red"),
    ("Tags", [1]),
    ("Tags", ["red"] * 1_001),
    ("Day", "2026-02-30"),
    ("Day", "2026-1-1"),
    ("Day", "20260101"),
    ("Day", "2026-01-01T00:00:00Z"),
    ("Day", 20260101),
    ("Moment", "yesterday"),
    ("Moment", "2026-01-01T25:00:00Z"),
    ("Moment", "0001-01-01T00:00:00+14:00"),
    ("Moment", 1e300),
    ("Moment", float("nan")),
    ("Moment", True),
    ("Moment", ["2026-01-01"]),
    ("Projects", "rec00000000000001"),
    ("Projects", ["P-1"]),
    ("Projects", [1]),
    ("Projects", [{"id": "rec00000000000001"}]),
    ("Files", "https://example.org/a.png"),
    ("Files", ["https://example.org/a.png"]),
    ("Files", [{}]),
    ("Files", [{"url": "ftp://example.org/a.png"}]),
    ("Files", [{"url": "https://example.org/a b"}]),
    ("Files", [{"url": "https://example.org/\x00"}]),
    ("Files", [{"url": "https://example.org/\ud800"}]),
    ("Files", [{"url": "https://example.org/" + "x" * 2_000}]),
    ("Files", [{"url": "https://example.org/a.png", "filename": 5}]),
    ("Files", [{"url": "https://example.org/a.png", "filename": 0}]),
    ("Files", [{"url": "https://example.org/a.png", "filename": {}}]),
    ("Files", [{"url": "https://example.org/a.png", "filename": "\x00"}]),
    ("Files", [{"id": "att00000000000001"}]),
    ("Files", [{"id": "att00000000000001", "url": "https://example.org/a.png"}]),
    ("Files", {"url": "https://example.org/a.png"}),
    ("Files", 0),
    ("Essay", 5),
    ("Essay", "x" * 100_000),
    ("Code bars", "A234567"),
    ("Code bars", {"type": "upce"}),
    ("Code bars", {"text": 5}),
    ("Code bars", {"text": "a", "type": ""}),
    ("Code bars", {"text": "a", "kind": "upce"}),
    ("Owner", "usr00000000000001"),
    ("Owner", {}),
    ("Owner", {"name": "Ada"}),
    ("Owner", {"id": "rec00000000000001"}),
    ("Owner", {"id": None, "email": None}),
    ("Owner", {"email": "ada"}),
    ("Owner", {"email": 5}),
    ("Owner", {"id": "usr00000000000001", "name": "\x00"}),
    ("Owner", {"id": "usr00000000000001", "role": "owner"}),
    ("Owner", [ADA_KNOWN]),
    ("Team", ADA_KNOWN),
    ("Team", [5]),
    ("Team", ["Ada"]),
]


async def seen_everywhere(base: Base, location: DatabaseLocation, field: str) -> list[object]:
    """Read a cell of every record from the shelf, from the store, and from memory filled anew."""
    await base.shelved()
    on_the_shelf = await base.walk(Query(EVERYTHING))
    in_the_store = await base.walk(Query(EVERYTHING, updated_since="0"))
    async with open_database(location, clock=SystemClock()) as database, opened_base(database) as again:
        await again.shelved()
        loaded = await again.walk(Query(EVERYTHING))
    assert repr(on_the_shelf) == repr(in_the_store) == repr(loaded)
    return [record["fields"].get(field) for record in on_the_shelf]


def of_one_field(rows: list[Any]) -> list[Any]:
    """Group rows by their first item, the field."""
    names = dict.fromkeys(row[0] for row in rows)
    return [pytest.param(name, [row[1:] for row in rows if row[0] == name], id=name) for name in names]


@pytest.mark.parametrize(("field", "values"), of_one_field(TAKEN))
async def test_a_fitting_value_comes_back_from_everywhere(
    base: Base, location: DatabaseLocation, field: str, values: list[tuple[object, object]]
) -> None:
    cells = [(sent, sent if kept is SAME else kept) for sent, kept in values]
    records = [await base.create(EVERYTHING, **{field: sent}) for sent, _ in cells]
    for record, shown, (_, kept) in zip(records, await seen_everywhere(base, location, field), cells, strict=True):
        assert (shown, type(shown)) == (kept, type(kept))
        (change,) = await base.workspace.history(RecordId(record), after=0, count=10)
        assert change.after is not None
        assert change.after[EVERYTHING.field(field).id] == kept


@pytest.mark.parametrize(("field", "values"), of_one_field(TAKEN))
async def test_sending_back_what_was_shown_changes_nothing(
    base: Base, field: str, values: list[tuple[object, object]]
) -> None:
    for sent, _ in values:
        record = await base.create(EVERYTHING, **{field: sent})
        shown = (await base.cells(EVERYTHING, record) or {})[field]
        for value in (shown, sent):
            (written,) = await base.do(Update(EVERYTHING, record, {field: value}))
            assert written.effect is Effected.UNCHANGED


async def test_states_have_one_name_whether_read_from_memory_or_from_the_store(database: Database) -> None:
    async with opened_base(database) as base:
        fields = {field: sent for field, sent, _ in TAKEN} | {"Number": 1e17, "Name": "a"}
        await base.do(Create(EVERYTHING, fields))
        await base.shelved()
        in_memory = [etag(blob) for blob in (await base.workspace.page(Query(EVERYTHING))).records]
    async with opened_base(database, settings=WorkspaceSettings(memory=0)) as base:
        in_the_store = [etag(blob) for blob in (await base.workspace.page(Query(EVERYTHING))).records]
    assert in_memory == in_the_store


@pytest.mark.parametrize(("field", "values"), of_one_field(EMPTY))
async def test_an_empty_value_empties_the_cell(
    base: Base, location: DatabaseLocation, field: str, values: list[tuple[object]]
) -> None:
    project = await base.create(PROJECTS, Code="P-1")
    held: dict[str, Any] = {name: sent for name, sent, _ in TAKEN}
    held |= {"Projects": [project], "Files": [{"url": "https://example.org/a.png"}]}
    for (nothing,) in values:
        record = await base.create(EVERYTHING, **{field: held[field]})
        await base.do(Update(EVERYTHING, record, {field: nothing}))
        _, change = await base.workspace.history(RecordId(record), after=0, count=10)
        assert change.after == {EVERYTHING.field(field).id: None}
    assert await seen_everywhere(base, location, field) == [None] * len(values)


@pytest.mark.parametrize(("field", "values"), of_one_field(REFUSED))
async def test_a_value_that_does_not_fit_is_refused_and_named(
    base: Base, field: str, values: list[tuple[object]]
) -> None:
    for (value,) in values:
        with pytest.raises(InvalidCell) as refusal:
            await base.create(EVERYTHING, Name="a", **{field: value})
        assert refusal.value.field == field
        assert str(refusal.value.hint).startswith("allowed: ")
    assert base.workspace.head.seq == 0


@pytest.mark.parametrize(("field", "value"), [("Stage", "done"), ("Tags", ["red", "Red"])])
async def test_an_unknown_choice_is_refused_with_those_that_are_known(base: Base, field: str, value: object) -> None:
    with pytest.raises(UnknownChoice) as refusal:
        await base.create(EVERYTHING, **{field: value})
    assert refusal.value.facts["allowed"] == list(EVERYTHING.field(field).choices)


# --- made by the store ------------------------------------------------------------------------------------------


async def test_created_and_modified_times_are_the_records_own(base: Base, clock: FakeClock) -> None:
    born = iso(clock.now())
    record = await base.create(EVERYTHING, Name="a")
    await clock.advance(timedelta(minutes=5))
    await base.do(Update(EVERYTHING, record, {"Number": 1}))
    cells = await base.cells(EVERYTHING, record) or {}
    assert (cells["Created"], cells["Modified"]) == (born, iso(clock.now()))


async def test_autonumbers_count_up_and_are_never_given_twice(database: Database) -> None:
    async with opened_base(database) as base:
        await base.do(*(Create(EVERYTHING, {"Name": str(n)}) for n in range(3)))
        await base.do(Delete(EVERYTHING, "2"))
        await base.do(Create(EVERYTHING, {"Name": "3"}))
        with pytest.raises(InvalidCell):
            await base.do(Create(EVERYTHING, {"Name": "x"}), Create(EVERYTHING, {"Files": [{"id": "att0"}]}))
    async with opened_base(database) as base:
        await base.do(Create(EVERYTHING, {"Name": "4"}), Create(EVERYTHING, {"Name": "5"}))
        given = await base.names(Query(EVERYTHING), "Count")
    assert given[:3] == [1, 2, 4]
    assert given == sorted(set(given))
    assert given[-1] == given[-2] + 1


# --- links ------------------------------------------------------------------------------------------------------


async def test_links_must_exist_in_the_linked_table(base: Base) -> None:
    project = await base.create(PROJECTS, Code="P-1")
    stranger = await base.create(EVERYTHING, Name="stranger")
    for missing in ("rec00000000009999", stranger):
        with pytest.raises(LinkTargetMissing) as refusal:
            await base.create(EVERYTHING, Projects=[project, missing])
        assert refusal.value.field == "Projects"
        assert missing in str(refusal.value)


async def test_links_keep_their_order_and_appear_once(base: Base) -> None:
    one, two = await base.create(PROJECTS, Code="P-1"), await base.create(PROJECTS, Code="P-2")
    record = await base.create(EVERYTHING, Projects=[two, one, two])
    assert (await base.cells(EVERYTHING, record) or {})["Projects"] == [two, one]


async def test_a_link_may_name_a_record_of_the_same_request_but_not_one_deleted_before(base: Base) -> None:
    there = RecordId("rec00000000009999")
    link = Create(EVERYTHING, {"Name": "a", "Projects": [there]})
    await base.do(Create(PROJECTS, {"Code": "P"}, record=there), link)
    with pytest.raises(LinkTargetMissing):
        await base.do(Delete(PROJECTS, there), Create(EVERYTHING, {"Projects": [there]}))
    assert (await base.cells(EVERYTHING, "a") or {})["Projects"] == [there]


async def test_deleting_a_record_empties_the_links_to_it_and_tells(base: Base) -> None:
    one, two = await base.create(PROJECTS, Code="P-1"), await base.create(PROJECTS, Code="P-2")
    both = await base.create(EVERYTHING, Name="both", Projects=[one, two])
    only = await base.create(EVERYTHING, Name="only", Projects=[one])
    other = await base.create(EVERYTHING, Name="other", Projects=[two])
    head = base.workspace.head.seq
    await base.do(Delete(PROJECTS, "P-1"))
    assert await base.names(Query(EVERYTHING), "Projects") == [[two], None, [two]]
    changes = await base.workspace.changes(after=head, count=10)
    linked = EVERYTHING.field("Projects").id
    assert [(change.record, change.action, change.after) for change in changes] == [
        (both, Action.UPDATE, {linked: [two]}),
        (only, Action.UPDATE, {linked: None}),
        (one, Action.DELETE, None),
    ]
    assert other not in {change.record for change in changes}


async def test_links_made_and_cut_in_one_request_are_cut(base: Base) -> None:
    one = await base.create(PROJECTS, Code="P-1")
    await base.do(
        Create(EVERYTHING, {"Name": "a", "Projects": [one]}),
        Update(PROJECTS, "P-1", {"Code": "P-2"}),
        Delete(PROJECTS, "P-2"),
    )
    assert "Projects" not in (await base.cells(EVERYTHING, "a") or {})


async def test_a_target_deleted_under_a_key_it_was_just_given_leaves_no_link_behind(base: Base) -> None:
    one, two = await base.create(PROJECTS, Code="P-1"), await base.create(PROJECTS, Code="P-2")
    await base.create(EVERYTHING, Name="a", Projects=[one, two])
    await base.create(EVERYTHING, Name="b", Projects=[one])
    await base.do(
        Update(PROJECTS, "P-2", {"Code": "P-3"}),
        Update(PROJECTS, "P-1", {"Code": "P-2"}),
        Delete(PROJECTS, "P-2"),
    )
    assert await base.names(Query(EVERYTHING), "Projects") == [[two], None]


# --- attachments ------------------------------------------------------------------------------------------------


async def test_attachments_get_an_id_and_keep_it(base: Base) -> None:
    a, b = "https://example.org/files/a.png?size=1", "https://example.org/"
    record = await base.create(EVERYTHING, Files=[{"url": a}, {"url": b, "filename": "b.txt"}])
    first, second = (await base.cells(EVERYTHING, record) or {})["Files"]
    assert (first["url"], first["filename"], second["filename"]) == (a, "a.png", "b.txt")
    assert first["id"] != second["id"]
    assert first["id"].startswith("att")
    await base.do(Update(EVERYTHING, record, {"Files": [{"id": second["id"]}, {"url": a}, first]}))
    kept, added, last = (await base.cells(EVERYTHING, record) or {})["Files"]
    assert (kept, last) == (second, first)
    assert added["id"] not in {first["id"], second["id"]}


async def test_an_attachment_of_another_record_cannot_be_named(base: Base) -> None:
    url = "https://example.org/a.png"
    one = await base.create(EVERYTHING, Name="a", Files=[{"url": url}])
    held = (await base.cells(EVERYTHING, one) or {})["Files"][0]["id"]
    await base.create(EVERYTHING, Name="b", Files=[{"url": url}])
    with pytest.raises(InvalidCell):
        await base.do(Update(EVERYTHING, "b", {"Files": [{"id": held}]}))


async def test_a_record_is_shown_with_its_cells_in_the_tables_order(base: Base) -> None:
    await base.create(EVERYTHING, Ticked=True, Number=1, Name="a")
    (blob,) = (await base.workspace.page(Query(EVERYTHING))).records
    assert list(orjson.loads(blob)["fields"]) == ["Name", "Number", "Ticked", "Created", "Modified", "Count"]


# --- objects ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("memory", [0, 2**29])
async def test_objects_are_compared_and_ordered_by_the_text_that_names_them(database: Database, memory: int) -> None:
    people = {"a": "bob@a.example", "b": "Ada@a.example", "c": "cy@a.example"}
    async with opened_base(database, settings=WorkspaceSettings(memory=memory)) as base:
        for name, email in people.items():
            owner = {"email": email}
            bars = {"text": email[::-1], "type": "upce"}
            await base.do(Create(EVERYTHING, {"Name": name, "Owner": owner, "Team": [owner], "Code bars": bars}))
        await base.create(EVERYTHING, Name="d")
        if memory:
            await base.shelved()
        owner_field, bars_field = EVERYTHING.field("Owner"), EVERYTHING.field("Code bars")
        assert await base.names(Query(EVERYTHING, sort=sort_by(EVERYTHING, "Owner"), page_size=1)) == [*"dbac"]
        assert await base.names(Query(EVERYTHING, sort=sort_by(EVERYTHING, "-Code bars"))) == [*"cabd"]
        assert await base.names(Query(EVERYTHING, equals=(equals(owner_field, "Ada@a.example"),))) == ["b"]
        assert await base.names(Query(EVERYTHING, equals=(equals(bars_field, "elpmaxe.a@yc"),))) == ["c"]
        assert await base.names(Query(EVERYTHING, equals=(equals(owner_field, ""),))) == ["d"]
        for text in ("{Owner}='cy@a.example'", "{Team}='cy@a.example'", "FIND('@yc', {Code bars})"):
            formula = base.workspace.formula(text, EVERYTHING)
            assert await base.names(Query(EVERYTHING, formula=formula)) == ["c"], text
    with pytest.raises(CannotSort):
        sort_by(EVERYTHING, "Team")
    with pytest.raises(CannotFilter):
        equals(EVERYTHING.field("Team"), "Ada@a.example")


async def test_a_link_is_named_by_a_barcode(base: Base) -> None:
    parts = a_table("Parts", None, a_field("Bars", FieldType.BARCODE))
    orders = a_table("Orders", "No", a_field("No", FieldType.SINGLE_LINE_TEXT), link_to(parts))
    for table in (parts, orders):
        await base.workspace.add_table(table, actor=ADA)
    part = await base.create(parts, Bars={"text": "A1"})
    await base.create(orders, No="1", Parts=[part])
    formula = base.workspace.formula("{Parts}='A1'", base.workspace.table("Orders"))
    assert await base.names(Query(base.workspace.table("Orders"), formula=formula), "No") == ["1"]


async def test_what_only_airtable_fills_is_left_out(base: Base) -> None:
    (written,) = await base.do(Create(EVERYTHING, {"Name": "a", "Summary": "b", "Source": "elsewhere"}))
    assert [warning.split(" is ")[0] for warning in written.warnings] == ["Summary", "Source"]
    assert (await base.cells(EVERYTHING, "a") or {}).keys() == {"Name", "Created", "Modified", "Count"}
