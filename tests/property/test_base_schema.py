"""Whatever a base has and whichever answers are lost: what can be made is made once, and what was there stays."""

import asyncio
import copy
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.airtable import CloudField, CloudTable, Done, Outcome, Refused, Unknown
from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.sync.base_schema import CloudSchema, compare, read_schema

TABLES = ("A", "B", "C")
NAMES = ("x", "y", "Y")
FIRST = {"id": "fldName", "name": "Name", "type": "singleLineText"}
LOST_BEFORE, LOST_AFTER = "before", "after"


class PretendAirtable:
    """A base in memory that keeps names unique, makes the inverses of links, and loses the answers that are drawn."""

    def __init__(self, tables: Sequence[Mapping[str, Any]], losses: list[str | None]) -> None:
        self.tables: list[dict[str, Any]] = copy.deepcopy([dict(table) for table in tables])
        self.losses = losses
        self.made: list[str] = []
        self._ids = 0

    def _id(self, prefix: str) -> str:
        self._ids += 1
        return f"{prefix}New{self._ids}"

    async def schema(self, **_lane: Any) -> Outcome[Sequence[CloudTable]]:
        return Done([self._told(table) for table in copy.deepcopy(self.tables)])

    async def create_table(self, definition: Mapping[str, Any], **_lane: Any) -> Outcome[CloudTable]:
        loss = self._loss()
        if loss is LOST_BEFORE:
            return Unknown("lost")
        if definition["name"].casefold() in {table["name"].casefold() for table in self.tables}:
            return Refused(422, "DUPLICATE_TABLE_NAME", "")
        fields = [{**field, "id": self._id("fld")} for field in definition["fields"]]
        self.tables.append({**definition, "id": self._id("tbl"), "fields": fields})
        self.made.append(definition["name"])
        return Unknown("lost") if loss else Done(self._told(self.tables[-1]))

    async def create_field(self, table: TableId, definition: Mapping[str, Any], **_lane: Any) -> Outcome[CloudField]:
        loss = self._loss()
        if loss is LOST_BEFORE:
            return Unknown("lost")
        holder = self._table(table)
        if definition["name"].casefold() in self._names(holder):
            return Refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "")
        made = copy.deepcopy({**definition, "id": self._id("fld")})
        holder["fields"].append(made)
        self.made.append(f"{holder['name']}.{definition['name']}")
        if made["type"] == "multipleRecordLinks" and made["options"]["linkedTableId"] != table:
            self._add_inverse(holder, made)
        return Unknown("lost") if loss else Done(CloudField(FieldId(made["id"]), made["name"], made))

    async def update_field(
        self, table: TableId, field: FieldId, change: Mapping[str, Any], **_lane: Any
    ) -> Outcome[CloudField]:
        loss = self._loss()
        if loss is LOST_BEFORE:
            return Unknown("lost")
        (found,) = [each for each in self._table(table)["fields"] if each["id"] == field]
        found["options"]["choices"] = [{"id": self._id("sel"), **each} for each in change["options"]["choices"]]
        return Unknown("lost") if loss else Done(CloudField(field, found["name"], found))

    def _add_inverse(self, holder: dict[str, Any], made: dict[str, Any]) -> None:
        linked = self._table(made["options"]["linkedTableId"])
        name, number = holder["name"], 2
        while name.casefold() in self._names(linked):
            name, number = f"{holder['name']} {number}", number + 1
        back = {"linkedTableId": holder["id"], "inverseLinkFieldId": made["id"]}
        inverse = {"id": self._id("fld"), "name": name, "type": "multipleRecordLinks", "options": back}
        linked["fields"].append(inverse)
        made["options"]["inverseLinkFieldId"] = inverse["id"]

    def _loss(self) -> str | None:
        return self.losses.pop() if self.losses else None

    def _table(self, wanted: str) -> dict[str, Any]:
        (found,) = [table for table in self.tables if table["id"] == wanted]
        return found

    @staticmethod
    def _names(table: Mapping[str, Any]) -> set[str]:
        return {field["name"].casefold() for field in table["fields"]}

    @staticmethod
    def _told(table: Mapping[str, Any]) -> CloudTable:
        return CloudTable(TableId(table["id"]), table["name"], table)


@st.composite
def schemas(draw: st.DrawFn, prefix: str) -> list[dict[str, Any]]:
    """Draw tables of few names, so that two schemas have much in common; ids differ, as they do between bases."""
    tables = []
    present = draw(st.lists(st.sampled_from(TABLES), unique=True, min_size=1, max_size=3))
    for name in present:
        others = draw(st.lists(st.sampled_from(NAMES), unique_by=str.casefold, max_size=3))
        fields = [{"id": f"fld{prefix}{name}{each}", "name": each, **draw(kinds(prefix, present))} for each in others]
        tables.append(
            {"id": f"tbl{prefix}{name}", "name": name, "primaryFieldId": "fldName", "fields": [FIRST, *fields]}
        )
    return tables


def kinds(prefix: str, tables: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    choices = st.lists(st.sampled_from("abc"), unique=True, min_size=1).map(
        lambda names: [{"id": f"sel{prefix}{name}", "name": name} for name in names]
    )
    return st.one_of(
        st.sampled_from([{"type": "number", "options": {"precision": 0}}, {"type": "url"}, {"type": "createdTime"}]),
        choices.map(lambda found: {"type": "singleSelect", "options": {"choices": found}}),
        st.sampled_from(tables).map(
            lambda name: {"type": "multipleRecordLinks", "options": {"linkedTableId": f"tbl{prefix}{name}"}}
        ),
    )


# never three in a row, after which a step is given up
LOSSES = st.lists(st.sampled_from([None, LOST_BEFORE, LOST_AFTER]), max_size=6).map(
    lambda drawn: [each for loss in drawn for each in (loss, None)]
)


@settings(deadline=None, derandomize=True, database=None, max_examples=200)
@given(schemas("W"), schemas("P"), LOSSES)
def test_what_can_be_made_is_made_once_and_what_was_there_stays(
    wanted: list[dict[str, Any]], present: list[dict[str, Any]], losses: list[str | None]
) -> None:
    cloud, target = PretendAirtable(present, losses), read_schema(wanted)
    planned = compare(target, read_schema(present))
    applied = asyncio.run(CloudSchema(cloud, clock=UnhurriedClock(), observer=SpyObserver()).apply(target))

    assert {step.name for step in planned.steps} == {step.name for step in applied.made}
    assert applied.left.steps == []
    assert [each for each in applied.left.findings if each in planned.findings] == list(applied.left.findings)
    assert len(set(cloud.made)) == len(cloud.made)
    for before, after in zip(present, cloud.tables, strict=False):
        for old, new in zip(before["fields"], after["fields"], strict=False):
            choices = old.get("options", {}).get("choices", [])
            assert choices == new.get("options", {}).get("choices", [])[: len(choices)]
            assert (old["id"], old["name"], old["type"]) == (new["id"], new["name"], new["type"])


class UnhurriedClock(FakeClock):
    """A clock on which rests are over at once."""

    async def sleep(self, _rest: Any) -> None:
        return
