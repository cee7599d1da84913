"""The order of computed fields, without any field."""

from itertools import pairwise
from random import Random

import pytest

from airtable_connector.records.computing.graph import arrange


def test_what_is_needed_comes_first() -> None:
    order = arrange({"total": ["cost", "tax"], "tax": ["cost", "rate"], "cost": ["hours"]})
    assert order.nodes == ("cost", "tax", "total")
    assert order.circles == {}


def test_a_node_that_needs_itself_is_a_circle() -> None:
    assert arrange({"a": ["a"]}).circles == {"a": ("a", "a")}


def test_each_node_of_a_circle_is_told_its_way_round() -> None:
    circles = arrange({"a": ["b"], "b": ["c"], "c": ["a"], "d": ["a"]}).circles
    assert circles == {"a": ("a", "b", "c", "a"), "b": ("b", "c", "a", "b"), "c": ("c", "a", "b", "c")}


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    order = arrange({number: [number + 1] for number in range(50_000)})
    assert order.nodes[0] == 49_999
    assert order.nodes[-1] == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_graphs_without_circles_are_put_in_order(seed: int) -> None:
    dice = Random(seed)
    nodes = list(range(30))
    dice.shuffle(nodes)
    needs = {node: dice.sample(nodes[:place], min(place, dice.randint(0, 4))) for place, node in enumerate(nodes)}
    shuffled = dict(dice.sample(list(needs.items()), len(needs)))
    order = arrange(shuffled)
    places = {node: place for place, node in enumerate(order.nodes)}
    assert order.circles == {}
    assert all(places[below] < places[node] for node, belows in needs.items() for below in belows)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_circle_is_found(seed: int) -> None:
    dice = Random(seed)
    needs = {node: dice.sample(range(node), min(node, dice.randint(0, 3))) for node in range(30)}
    first, last = sorted(dice.sample(range(30), 2))
    needs[last] = [*needs[last], first]
    needs[first] = [*needs[first], last]
    circles = arrange(needs).circles
    assert circles
    for node, way in circles.items():
        assert way[0] == way[-1] == node
        assert all(below in needs[above] for above, below in pairwise(way))
