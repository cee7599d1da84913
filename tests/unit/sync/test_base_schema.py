import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
from tests.fakes import FakeClock, SpyObserver

from airtable_connector.airtable import (
    CloudDenied,
    CloudField,
    CloudOutcomeUnknown,
    CloudTable,
    CloudUnavailable,
    Done,
    NotDone,
    Outcome,
    Refused,
    Unknown,
    Why,
)
from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records import STANDARD_TABLES
from airtable_connector.sync.base_schema import (
    BaseSchema,
    CloudSchema,
    Plan,
    SchemaChanged,
    SchemaFileRefused,
    compare,
    read_schema,
    read_target,
    standard_target,
)

TEXT = {"name": "Name", "type": "singleLineText"}


def base(*tables: dict[str, Any]) -> BaseSchema:
    return read_schema([{"id": f"tbl{table['name']}", **table} for table in tables])


def table(name: str, *fields: dict[str, Any]) -> dict[str, Any]:
    numbered = [{"id": f"fld{name}{field['name']}", **field} for field in fields]
    return {"id": f"tbl{name}", "name": name, "fields": numbered}


def link(name: str, to: str, inverse: str | None = None) -> dict[str, Any]:
    options = {"linkedTableId": f"tbl{to}"} | ({} if inverse is None else {"inverseLinkFieldId": f"fld{to}{inverse}"})
    return {"name": name, "type": "multipleRecordLinks", "options": options}


def select(name: str, *choices: str) -> dict[str, Any]:
    return {"name": name, "type": "singleSelect", "options": {"choices": [{"name": choice} for choice in choices]}}


def found(plan: Plan) -> list[dict[str, Any]]:
    return [finding.document() for finding in plan.findings]


# --- comparing --------------------------------------------------------------------------------------------------


def test_a_base_that_has_what_is_wanted_lacks_nothing() -> None:
    wanted = standard_target()
    plan = compare(wanted, wanted)
    assert plan.findings == []
    assert plan.complete


def test_an_empty_base_lacks_every_table_and_what_only_people_make() -> None:
    plan = compare(standard_target(), BaseSchema([]))
    assert [step.name for step in plan.steps] == [f"table {each.name}" for each in STANDARD_TABLES]
    (by_hand,) = plan.for_people
    assert (by_hand.table, by_hand.field) == ("Heartbeats", "Timestamp")
    assert not plan.complete


def test_what_a_base_has_besides_is_nobodys_business() -> None:
    wanted = base(table("A", TEXT, select("S", "x")))
    present = base(table("B", TEXT), table("A", TEXT, select("S", "y", "x"), {"name": "n", "type": "number"}))
    assert compare(wanted, present).findings == []


def test_names_in_another_letter_case_are_found_and_told() -> None:
    wanted = base(table("Teams", TEXT, link("Lead", "People")), table("People", TEXT))
    present = base(table("TEAMS", {**TEXT, "name": "NAME"}, link("Lead", "people")), table("people", TEXT))
    plan = compare(wanted, present)
    assert [(each["field"], each["what"], each["matters"]) for each in found(plan)] == [
        (None, "name", False),
        ("Name", "name", True),
        (None, "name", False),
    ]


def test_of_two_names_that_fit_the_equal_one_is_meant() -> None:
    present = base(table("a", {"name": "x", "type": "number"}), table("A", TEXT))
    assert compare(base(table("A", TEXT)), present).findings == []


def test_a_link_that_leads_elsewhere_matters() -> None:
    tables = (table("People", TEXT), table("Crews", TEXT))
    wanted = base(*tables, table("Teams", TEXT, link("Lead", "People")))
    present = base(*tables, table("Teams", TEXT, link("Lead", "Crews")))
    plan = compare(wanted, present)
    assert [(each["wanted"], each["found"], each["matters"]) for each in found(plan)] == [("People", "Crews", True)]


def test_a_link_comes_after_the_table_that_it_leads_to() -> None:
    wanted = base(table("Teams", TEXT, link("Lead", "People"), {"name": "n", "type": "number"}), table("People", TEXT))
    names = [step.name for step in compare(wanted, BaseSchema([])).steps]
    assert names == ["table Teams", "table People", "field Teams.Lead"]


def test_the_two_ends_of_a_link_are_made_once() -> None:
    people, teams = table("People", TEXT, link("Teams", "Teams", "Members")), table("Teams", TEXT)
    teams["fields"].append({"id": "fldTeamsMembers", **link("Members", "People", "Teams")})
    wanted = base(teams, people)
    plan = compare(wanted, base(table("Teams", TEXT), table("People", TEXT)))
    assert [step.name for step in plan.steps] == ["field Teams.Members"]
    assert [(each.table, each.field) for each in plan.for_people] == [("People", "Teams")]

    other_name = link("Crews", "Teams", "Members")
    back = table("Teams", TEXT, link("Members", "People", "Crews"))
    assert [
        (each["field"], each["found"]) for each in found(compare(wanted, base(back, table("People", TEXT, other_name))))
    ] == [("Teams", "Crews")]


def test_a_link_within_a_table_is_made() -> None:
    wanted = base(table("People", TEXT, link("Boss", "People", "Boss")))
    assert [step.name for step in compare(wanted, base(table("People", TEXT))).steps] == ["field People.Boss"]


def test_a_table_whose_first_field_cannot_be_made_is_for_people() -> None:
    number = {"name": "No", "type": "autoNumber"}
    plan = compare(base({**table("Bills", TEXT, number), "primaryFieldId": "fldBillsNo"}), BaseSchema([]))
    assert plan.steps == []
    (by_hand,) = found(plan)
    assert "first field No of type Autonumber" in by_hand["do"]


def test_a_type_that_is_not_known_yet_is_for_people() -> None:
    plan = compare(base(table("A", TEXT, {"name": "New", "type": "hologram"})), base(table("A", TEXT)))
    assert [each["kind"] for each in found(plan)] == ["by-hand"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "not JSON"),
        (b"{}", "the whole is an object and no list"),
        (b"[1]", r"\[0\] is a number and no object"),
        (b'[{"fields": []}]', r"\[0\].name is null and no text"),
        (b'[{"name": "A", "fields": []}]', r"\[0\].fields is empty"),
        (b'[{"name": "A", "fields": [{"name": " ", "type": "url"}]}]', r"\[0\].fields\[0\].name is empty"),
        (b'[{"name": "A", "fields": [{"name": "x"}]}]', r"\[0\].fields\[0\].type is null"),
        (b'[{"name": "A", "fields": [{"name": "x", "type": "singleSelect"}]}]', "options.choices is null"),
        (b'[{"name": "A", "fields": [{"name": "x", "type": "url", "options": 1}]}]', "options is a number"),
        (b'[{"name": "A", "description": 1, "fields": [{"name": "x", "type": "url"}]}]', "description is a number"),
        (json.dumps([table("A", TEXT), table("a", TEXT)]).encode(), "the file has the name 'a' more than once"),
        (json.dumps([table("A", TEXT, {**TEXT, "name": "NAME"})]).encode(), "has the name 'name' more than once"),
        (json.dumps([table("A", TEXT, link("L", "B"))]).encode(), "leads to no table of the file"),
        (b" " * (16 * 1024 * 1024 + 1), "longer than"),
    ],
)
def test_a_file_that_is_no_schema_is_refused_with_the_place(text: bytes, words: str) -> None:
    with pytest.raises(SchemaFileRefused, match=words):
        read_target(text)


def test_the_tables_of_an_embedded_base_are_such_a_file() -> None:
    shown = json.dumps([each.definition() for each in STANDARD_TABLES]).encode()
    assert read_target(shown) == standard_target()


def test_a_file_that_has_the_key_field_is_wanted_as_it_is() -> None:
    target = read_target(json.dumps([table("A", TEXT, {**TEXT, "name": "Connector_Key"}), table("B", TEXT)]).encode())
    assert [[field.name for field in each.fields] for each in target.tables] == [
        ["Name", "Connector_Key"],
        ["Name", "CONNECTOR_KEY"],
    ]


# --- applying ---------------------------------------------------------------------------------------------------


class OddCloud:
    """A base with one table, at which making a field goes as the test says; everything else is not expected."""

    def __init__(self, *outcomes: Outcome[CloudField], effect_at: int | None = None) -> None:
        self.outcomes = list(outcomes)
        self.effect_at = effect_at
        self.asked = 0
        self.looks: list[Outcome[Sequence[CloudTable]]] = []

    async def schema(self, **_lane: Any) -> Outcome[Sequence[CloudTable]]:
        if self.looks:
            return self.looks.pop(0)
        fields = [TEXT] if self.effect_at is None or self.asked < self.effect_at else [TEXT, {**TEXT, "name": "New"}]
        return Done([CloudTable(TableId("tblA"), "A", table("A", *fields))])

    async def create_field(self, _table: TableId, _definition: Mapping[str, Any], **_lane: Any) -> Outcome[CloudField]:
        self.asked += 1
        return self.outcomes.pop(0)

    async def create_table(self, *_: Any, **_lane: Any) -> Outcome[CloudTable]:
        raise AssertionError

    async def update_field(self, *_: Any, **_lane: Any) -> Outcome[CloudField]:
        raise AssertionError


class HurriedClock(FakeClock):
    """A clock on which rests are over at once, and are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.rested = timedelta(0)

    async def sleep(self, rest: timedelta) -> None:
        self.rested += rest


MADE = Done(CloudField(FieldId("fldANew"), "New", {}))
TAKEN = Refused(422, "DUPLICATE_OR_EMPTY_FIELD_NAME", "taken")
WANTED = base(table("A", TEXT, {**TEXT, "name": "New"}))


def schema_at(cloud: OddCloud, observer: SpyObserver | None = None, clock: HurriedClock | None = None) -> CloudSchema:
    return CloudSchema(cloud, clock=clock or HurriedClock(), observer=observer or SpyObserver())


@pytest.mark.anyio
async def test_a_step_that_was_at_work_when_it_was_looked_for_is_not_made_twice() -> None:
    cloud, observer = OddCloud(Unknown("lost"), TAKEN, effect_at=2), SpyObserver()
    applied = await schema_at(cloud, observer).apply(WANTED)
    assert [step.name for step in applied.made] == ["field A.New"]
    assert (applied.refused, applied.left.complete) == ([], True)
    assert [type(fact) for fact in observer.facts] == [SchemaChanged]


@pytest.mark.anyio
@pytest.mark.parametrize("outcome", [TAKEN, NotDone(Why.UNREACHED)])
async def test_what_somebody_else_made_meanwhile_is_there_and_not_by_us(outcome: Outcome[CloudField]) -> None:
    applied = await schema_at(OddCloud(outcome, effect_at=1)).apply(WANTED)
    assert (applied.made, applied.refused, applied.left.complete) == ([], [], True)


@pytest.mark.anyio
async def test_a_link_waits_for_its_table_until_somebody_has_made_it() -> None:
    bills = {**table("Bills", {"name": "No", "type": "autoNumber"}), "primaryFieldId": "fldBillsNo"}
    cloud = OddCloud()
    applied = await schema_at(cloud).apply(base(table("A", TEXT, link("Bill", "Bills")), bills))
    assert [step.name for step in applied.left.steps] == ["field A.Bill"]
    assert [each.table for each in applied.left.for_people] == ["Bills"]
    assert (applied.made, applied.refused, cloud.asked) == ([], [], 0)


@pytest.mark.anyio
async def test_an_effect_that_never_shows_is_told_as_refused() -> None:
    cloud = OddCloud(MADE, MADE, MADE)
    applied = await schema_at(cloud).apply(WANTED)
    assert [refusal.type for refusal in applied.refused] == ["NO_EFFECT"]
    assert (applied.made, cloud.asked) == ([], 3)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("outcome", "error", "asked"),
    [
        (lambda: Unknown("lost"), CloudOutcomeUnknown, 3),
        (lambda: NotDone(Why.UNREACHED), CloudUnavailable, 3),
        (lambda: NotDone(Why.RETRIABLE, pause=timedelta(minutes=10)), CloudUnavailable, 1),
        (lambda: Refused(403, "INVALID_PERMISSIONS", ""), CloudDenied, 1),
    ],
)
async def test_a_step_that_does_not_succeed_ends_it(
    outcome: Callable[[], Outcome[CloudField]], error: type[Exception], asked: int
) -> None:
    cloud = OddCloud(*(outcome() for _ in range(3)))
    with pytest.raises(error):
        await schema_at(cloud).apply(WANTED)
    assert cloud.asked == asked


@pytest.mark.anyio
async def test_the_pause_that_airtable_asks_for_is_kept() -> None:
    clock = HurriedClock()
    cloud = OddCloud(NotDone(Why.RETRIABLE, pause=timedelta(seconds=7)), MADE, effect_at=2)
    assert (await schema_at(cloud, clock=clock).apply(WANTED)).left.complete
    assert clock.rested == timedelta(seconds=7)


@pytest.mark.anyio
async def test_a_look_that_fails_is_repeated_and_not_for_ever() -> None:
    failed = NotDone(Why.READING_FAILED)
    cloud = OddCloud()
    cloud.looks = [failed, failed]
    assert [each.name for each in (await schema_at(cloud).read()).tables] == ["A"]
    cloud.looks = [failed] * 3
    with pytest.raises(CloudUnavailable):
        await schema_at(cloud).read()


@pytest.mark.anyio
async def test_a_schema_that_is_none_is_not_taken_for_an_empty_one() -> None:
    cloud = OddCloud()
    cloud.looks = [Done([CloudTable(TableId("tblA"), "A", {"name": "A"})])]
    with pytest.raises(CloudUnavailable, match="malformed"):
        await schema_at(cloud).read()
