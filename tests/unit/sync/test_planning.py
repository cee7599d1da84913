"""Which intents travel in the next call."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories.intents import AGE, NAME, OTHER_TABLE, TABLE, intent, rec

from airtable_connector.sync.outbox.intents import ALONE, CreationKey, Element, Intent, Kind, by_target
from airtable_connector.sync.outbox.planning import Call, Known, Plan, plan

MINTED = CreationKey(NAME, minted=True)
OWN = CreationKey(NAME, minted=False)


def known(intents: Sequence[Intent], key: CreationKey | None = None, **more: object) -> Known:
    return Known(by_target(intents), {TABLE: key, OTHER_TABLE: key}, **more)  # type: ignore[arg-type]


def planned(*intents: Intent, key: CreationKey | None = None, **more: object) -> Plan:
    return plan(intents, known(intents, key, **more))


def call_of(*intents: Intent, **more: object) -> Call:
    found = planned(*intents, **more).call  # type: ignore[arg-type]
    assert found is not None
    return found


def test_writes_of_several_records_travel_together_but_no_more_than_ten() -> None:
    intents = [intent(f"r{number}") for number in range(12)]
    assert call_of(*intents).numbers == [each.number for each in intents[:10]]


def test_a_call_has_one_table_and_one_kind() -> None:
    first, other = intent("a"), intent("b", Kind.DELETE)
    elsewhere, fitting = intent("c", table=OTHER_TABLE), intent("d")
    assert call_of(first, other, elsewhere, fitting).numbers == [first.number, fitting.number]


def test_waiting_writes_of_one_record_are_merged_into_one_element() -> None:
    one, two = intent("a", Kind.CREATE, {NAME: "x", AGE: 1}), intent("a", cells={NAME: "y"})
    (element,) = call_of(one, two).elements
    assert (element.kind, element.cells) == (Kind.CREATE, {NAME: "y", AGE: 1})


def test_a_deletion_swallows_the_updates_before_it_and_nothing_after_it() -> None:
    one, two, back = intent("a"), intent("a", Kind.DELETE), intent("a", Kind.CREATE)
    call = call_of(one, two, back)
    assert (call.kind, call.numbers) == (Kind.DELETE, [one.number, two.number])


def test_what_was_made_and_deleted_before_airtable_heard_of_it_is_not_sent() -> None:
    one, two = intent("a", Kind.CREATE), intent("a", Kind.DELETE)
    decided = planned(one, two)
    assert (decided.call, [element.numbers for element in decided.needless]) == (None, [[one.number, two.number]])


def test_nothing_of_a_record_is_sent_while_something_of_it_is_under_way() -> None:
    assert planned(intent("a", call="cal1"), intent("a")).call is None


def test_a_link_to_a_new_record_waits_until_airtable_has_it() -> None:
    one, two = intent("a"), intent("b")
    links = {one.number: frozenset({rec("new")})}
    assert call_of(one, two, linked=links, unborn=frozenset({rec("new")})).numbers == [two.number]
    assert call_of(one, two, linked=links).numbers == [one.number, two.number]


def test_a_create_does_not_wait_for_what_a_later_update_of_it_links_to() -> None:
    one, two = intent("a", Kind.CREATE), intent("a")
    call = call_of(one, two, linked={two.number: frozenset({rec("new")})}, unborn=frozenset({rec("new")}))
    assert call.numbers == [one.number]


@pytest.mark.parametrize(("key", "upsert"), [(None, False), (MINTED, True), (OWN, True)])
def test_a_create_is_an_upsert_where_a_field_finds_it_again(key: CreationKey | None, upsert: bool) -> None:  # noqa: FBT001
    assert call_of(intent("a", Kind.CREATE), key=key).upsert is upsert


def test_creates_with_and_without_a_key_go_in_calls_of_their_own() -> None:
    one, two = intent("a", Kind.CREATE, {NAME: "x"}), intent("b", Kind.CREATE, {AGE: 1})
    assert call_of(one, two, key=OWN).numbers == [one.number]


def test_a_key_that_is_given_free_is_taken_only_after_that() -> None:
    gone = intent("a", Kind.DELETE, key_before="k")
    new = intent("b", Kind.CREATE, key_after="k")
    assert call_of(new, gone, key=OWN, rivals=[gone, new]).numbers == [gone.number]
    assert call_of(new, key=OWN, rivals=[new]).numbers == [new.number]


def test_two_records_of_one_key_do_not_travel_together() -> None:
    one, two = intent("a", key_before="k", key_after="l"), intent("b", key_before="m", key_after="k")
    assert call_of(one, two, key=OWN).numbers == [one.number]


def test_a_create_without_a_key_waits_while_a_search_could_take_it_for_another() -> None:
    lost = Element((intent("a", Kind.CREATE, {NAME: "x"}, call="cal1"),))
    same, other = intent("b", Kind.CREATE, {NAME: "x", AGE: 1}), intent("c", Kind.CREATE, {NAME: "y"})
    assert call_of(same, other, searched_for=[lost]).numbers == [other.number]
    assert call_of(same, other, key=MINTED, searched_for=[lost]).numbers == [same.number, other.number]


def test_after_a_refusal_that_named_nobody_calls_are_smaller() -> None:
    intents = [intent(f"r{number}", most=3) for number in range(5)]
    assert len(call_of(*intents).elements) == 3
    assert len(call_of(intent("x"), *intents).elements) == 3


def test_an_intent_that_is_to_go_alone_is_not_merged() -> None:
    one, two, three = intent("a", most=ALONE), intent("a", most=ALONE), intent("b")
    assert call_of(one, two, three).numbers == [one.number]


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.sampled_from(Kind), st.sampled_from([ALONE, 1, 3, 10]), st.booleans()),
        max_size=30,
    )
)
def test_no_record_is_twice_in_a_call_and_none_is_overtaken(drawn: list[tuple[int, Kind, int, bool]]) -> None:
    intents = [
        intent(f"r{record}", kind, most=most, call="cal1" if under_way else None)
        for record, kind, most, under_way in drawn
    ]
    groups = by_target(intents)
    decided = planned(*intents)
    sent = [] if decided.call is None else list(decided.call.elements)
    assert len(sent) <= min([element.most for element in sent], default=10)
    assert len({element.target for element in [*sent, *decided.needless]}) == len([*sent, *decided.needless])
    for element in [*sent, *decided.needless]:
        group = groups[element.target]
        assert list(element.intents) == group[: len(element.intents)]
        assert all(each.call is None for each in group)
    if decided.call is None and not decided.needless:
        assert all(any(each.call for each in group) for group in groups.values())
