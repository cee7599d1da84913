"""What becomes of an intent after its call, or after a look."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from tests.factories.intents import AGE, NAME, NOON, TABLE, intent, rec

from airtable_connector.airtable import CloudRecord, Done, Merged, NotDone, Refused, Unknown, Why
from airtable_connector.kernel.ids import FieldId
from airtable_connector.records import Cell
from airtable_connector.sync.outbox.fates import (
    Again,
    Answered,
    Fate,
    Gone,
    Lost,
    Overtaken,
    Stored,
    TurnedDown,
    after_call,
    is_about_us,
    likely,
    looked_at_create,
    looked_at_deletion,
    looked_at_update,
)
from airtable_connector.sync.outbox.intents import ALONE, Element, Intent, Kind
from airtable_connector.sync.outbox.planning import Call


def a_call(*groups: Sequence[Intent]) -> Call:
    elements = [Element(tuple(group)) for group in groups]
    return Call(TABLE, elements[0].kind, upsert=False, elements=elements)


def fates(call: Call, outcome: Answered) -> list[Fate]:
    return [fate for _, fate in after_call(call, outcome)]


def cloud(name: str, *, minutes: int = 0) -> CloudRecord:
    return CloudRecord(rec(name), NOON + timedelta(minutes=minutes), {NAME: name})


UPDATES = a_call([intent("a")], [intent("b")], [intent("c")])


def test_what_was_answered_belongs_to_what_was_sent_in_its_order() -> None:
    answer = [cloud("a"), cloud("b"), cloud("c")]
    assert fates(UPDATES, Done(answer)) == [Stored(each) for each in answer]
    assert fates(UPDATES, Done(Merged(answer, frozenset()))) == [Stored(each) for each in answer]


def test_a_deletion_that_was_not_confirmed_is_sent_again() -> None:
    call = a_call([intent("a", Kind.DELETE)], [intent("b", Kind.DELETE)])
    assert fates(call, Done(frozenset({rec("b")}))) == [Again(), Gone()]


@pytest.mark.parametrize(
    ("outcome", "fate"),
    [
        (NotDone(Why.UNREACHED), Again()),
        (Unknown("it broke off"), Lost()),
        (Refused(401, "AUTHENTICATION_REQUIRED", ""), Again()),
        (Refused(403, "NOT_AUTHORIZED", ""), Again()),
        (Refused(404, "NOT_FOUND", ""), Again()),
        (Refused(422, "INVALID_VALUE_FOR_COLUMN", ""), Again(1)),
    ],
)
def test_an_outcome_that_names_nobody_is_for_all(outcome: Answered, fate: Fate) -> None:
    assert fates(UPDATES, outcome) == [fate] * 3


def test_a_refusal_about_our_key_or_an_address_is_no_records_fault() -> None:
    assert is_about_us(Refused(402, "PAYMENT", ""))
    assert is_about_us(Refused(404, "TABLE_NOT_FOUND", ""))
    assert not is_about_us(Refused(404, "NOT_FOUND", "", rec("a")))
    assert not is_about_us(Done(frozenset()))


def test_the_one_that_is_named_is_turned_down_and_the_others_go_again() -> None:
    refusal = Refused(422, "INVALID_VALUE", "no", rec("b"))
    assert fates(UPDATES, refusal) == [Again(), TurnedDown("INVALID_VALUE: no"), Again()]


def test_a_record_that_only_a_link_names_points_at_who_links_to_it() -> None:
    call = a_call([intent("a")], [intent("b", cells={NAME: [rec("gone")]})])
    refusal = Refused(422, "ROW_DOES_NOT_EXIST", "", rec("gone"))
    assert fates(call, refusal) == [Again(), TurnedDown("ROW_DOES_NOT_EXIST")]


def test_merged_writes_that_are_refused_are_sent_one_by_one() -> None:
    assert fates(a_call([intent("a"), intent("a")]), Refused(422, "INVALID_VALUE", "")) == [Again(ALONE)]


@pytest.mark.parametrize("kind", ["NOT_FOUND", "ROW_DOES_NOT_EXIST"])
def test_a_deletion_of_what_is_gone_is_done(kind: str) -> None:
    call = a_call([intent("a", Kind.DELETE)], [intent("b"), intent("b", Kind.DELETE)])
    assert fates(call, Refused(404, kind, "", rec("b"))) == [Again(), Gone()]


def test_a_look_at_a_deletion_sees_whether_the_record_is_there() -> None:
    assert (looked_at_deletion(None), looked_at_deletion(cloud("a"))) == (Gone(), Again())


def test_a_look_at_an_update_compares_what_was_written() -> None:
    element = Element((intent("a", cells={NAME: "x", AGE: None}),))
    found = cloud("a")
    assert looked_at_update(element, found, {NAME: "x"}) == Stored(found)
    assert looked_at_update(element, found, {NAME: "x", AGE: 7}) == Again()
    assert isinstance(looked_at_update(element, None, {}), Overtaken)


def test_a_look_at_a_create_claims_the_oldest_that_may_be_it() -> None:
    assert looked_at_create([cloud("b", minutes=2), cloud("c", minutes=1)]) == Stored(cloud("c", minutes=1))
    assert looked_at_create([]) == Again()


ONE, TWO = rec("one"), rec("two")


def a_create(**more: Cell) -> Element:
    return Element((intent("a", Kind.CREATE, {FieldId(name): cell for name, cell in more.items()}),))


def cells(**more: Cell) -> dict[FieldId, Cell]:
    return {FieldId(name): cell for name, cell in more.items()}


def test_a_create_may_have_made_what_holds_its_cells_and_the_fewest_others() -> None:
    there = {ONE: cells(name="x", age=1), TWO: cells(name="x")}
    assert likely(a_create(name="x"), there, uncompared=()) == [TWO]
    assert likely(a_create(age=1), there, uncompared=()) == [ONE]
    assert likely(a_create(name="y"), there, uncompared=()) == []


def test_cells_that_airtable_spells_in_its_own_way_are_not_compared() -> None:
    there = {ONE: cells(name="x", files=[{"id": "att1"}]), TWO: cells(name="y", files=[{"id": "att2"}])}
    assert likely(a_create(name="x", files=[{"url": "u"}]), there, uncompared={FieldId("files")}) == [ONE]


def test_a_create_that_wrote_nothing_made_only_what_is_empty() -> None:
    assert likely(a_create(), {ONE: cells(name="x"), TWO: {}}, uncompared=()) == [TWO]
    assert likely(a_create(), {ONE: cells(name="x")}, uncompared=()) == []
