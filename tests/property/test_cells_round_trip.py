"""What a field of any type is given comes back as its type says: from memory, from the store, and in history."""

import asyncio
from datetime import UTC
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.factories.records import EVERYTHING, Base, opened_base

from airtable_connector.database import SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import Create, FieldType, Query, Update, WorkspaceSettings

TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), min_size=1, max_size=40)
NUMBER = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False).filter(lambda n: n % 1 != 0)
PERSON = st.builds(
    lambda number, name, email: {"id": f"usr{number:014}", "name": name, **({"email": email} if email else {})},
    st.integers(0, 9),
    TEXT,
    st.none() | TEXT.map(lambda text: f"{text[:20]}@a.example"),
)


def same(values: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, Any]]:
    """Values that come back as they were sent."""
    return values.map(lambda value: (value, value))


def without_doubles(people: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({person["id"]: person for person in people}.values())


GIVEN_AND_KEPT: dict[FieldType, st.SearchStrategy[tuple[Any, Any]]] = {
    FieldType.MULTILINE_TEXT: same(TEXT),
    FieldType.URL: same(TEXT),
    FieldType.EMAIL: same(TEXT),
    FieldType.PHONE_NUMBER: same(TEXT),
    FieldType.NUMBER: same(NUMBER),
    FieldType.PERCENT: same(NUMBER),
    FieldType.CURRENCY: same(NUMBER),
    FieldType.DURATION: same(NUMBER),
    FieldType.RATING: same(st.integers(1, 5)),
    FieldType.CHECKBOX: st.sampled_from([(True, True), (False, None)]),
    FieldType.SINGLE_SELECT: same(st.sampled_from(["Waiting", "Active", "Done"])),
    FieldType.MULTIPLE_SELECTS: st.lists(st.sampled_from(["red", "green", "blue"]), min_size=1, max_size=5).map(
        lambda names: (names, list(dict.fromkeys(names)))
    ),
    FieldType.DATE: same(st.dates().map(str)),
    FieldType.DATE_TIME: st.datetimes(timezones=st.just(UTC)).map(lambda moment: (moment.isoformat(), iso(moment))),
    FieldType.RICH_TEXT: TEXT.filter(lambda text: "* " not in text).map(
        lambda text: (text, text.removesuffix("\n") + "\n")
    ),
    FieldType.BARCODE: same(
        st.builds(
            lambda text, kind: {"text": text, **({"type": kind} if kind else {})}, TEXT, st.sampled_from(["", "upce"])
        )
    ),
    FieldType.SINGLE_COLLABORATOR: same(PERSON),
    FieldType.MULTIPLE_COLLABORATORS: st.lists(PERSON, min_size=1, max_size=4).map(
        lambda people: (people, without_doubles(people))
    ),
}


async def seen_everywhere(base: Base, kind: FieldType, drawn: list[tuple[Any, Any]]) -> None:
    field = next(each for each in EVERYTHING.fields if each.type is kind)
    written = await base.do(*[Create(EVERYTHING, {field.name: sent}) for sent, _ in drawn])
    kept = [each for _, each in drawn]
    records = [RecordId(each.record.id) for each in written if each.record is not None]
    in_memory = [orjson.loads(await base.workspace.get(EVERYTHING, each) or b"")["fields"] for each in records]
    assert [cells.get(field.name) for cells in in_memory] == kept
    found = {record["id"]: record["fields"] for record in await base.walk(Query(EVERYTHING, updated_since="0"))}
    assert [found[each].get(field.name) for each in records] == kept
    for record, cell in zip(records, kept, strict=True):
        (change,) = await base.workspace.history(record, after=0, count=5)
        assert (change.after or {}).get(field.id) == cell
    # sending back what was shown is no change
    again = await base.do(
        *[Update(EVERYTHING, each, {field.name: cell}) for each, cell in zip(records, kept, strict=True)]
    )
    assert {each.effect for each in again} == {"unchanged"}


def test_every_type_that_is_written_is_tried() -> None:
    apart = {FieldType.SINGLE_LINE_TEXT, FieldType.MULTIPLE_RECORD_LINKS, FieldType.MULTIPLE_ATTACHMENTS}
    written = {field.type for field in EVERYTHING.fields if not field.computed}
    assert written - apart == GIVEN_AND_KEPT.keys()


@pytest.mark.parametrize("kind", GIVEN_AND_KEPT)
def test_what_is_given_comes_back(kind: FieldType, tmp_path: Path) -> None:
    async def run(drawn: list[tuple[Any, Any]], memory: int) -> None:
        place = SqliteFile(tmp_path / "records.db")
        async with (
            open_database(place, clock=SystemClock()) as database,
            opened_base(database, settings=WorkspaceSettings(memory=memory)) as base,
        ):
            if memory:
                await base.shelved()
            await seen_everywhere(base, kind, drawn)

    @settings(deadline=None, derandomize=True, database=None, max_examples=8)
    @given(st.lists(GIVEN_AND_KEPT[kind], min_size=1, max_size=30), st.sampled_from([0, 2**29]))
    def tried(drawn: list[tuple[Any, Any]], memory: int) -> None:
        asyncio.run(run(drawn, memory))

    tried()
