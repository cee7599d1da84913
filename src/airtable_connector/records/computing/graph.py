"""Which field is computed from which: the order to compute in, and the circles that have none.

Nothing here knows what a field is; a node is whatever can be put into a dictionary.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

N = TypeVar("N", bound=Hashable)


@dataclass(frozen=True)
class Order(Generic[N]):
    """Nodes in an order in which each comes after those that it depends on.

    ``circles`` holds, for each node that depends on itself, one way round: it begins and ends with that node. Such
    nodes, and those that depend on them, stand somewhere in the order.
    """

    nodes: tuple[N, ...]
    circles: Mapping[N, tuple[N, ...]]


def arrange(needs: Mapping[N, Iterable[N]]) -> Order[N]:
    """Put nodes in order by what each needs; what is needed and has no needs of its own is left out."""
    nodes: list[N] = []
    circles: dict[N, tuple[N, ...]] = {}
    done: set[N] = set()
    for root in needs:
        if root not in done:
            _visit(root, needs, done, nodes, circles)
    return Order(tuple(nodes), circles)


def _visit(
    root: N, needs: Mapping[N, Iterable[N]], done: set[N], nodes: list[N], circles: dict[N, tuple[N, ...]]
) -> None:
    """Go down from a node, deepest first; a long chain of fields must not exhaust Python's own stack."""
    path = {root: None}
    waiting = [(root, iter(needs[root]))]
    while waiting:
        node, rest = waiting[-1]
        below = next((each for each in rest if each in needs and each not in done), None)
        if below is None:
            waiting.pop()
            path.pop(node)
            done.add(node)
            nodes.append(node)
        elif below in path:
            members = list(path)
            members = members[members.index(below) :]
            for place, member in enumerate(members):
                circles.setdefault(member, (*members[place:], *members[:place], member))
        else:
            path[below] = None
            waiting.append((below, iter(needs[below])))
