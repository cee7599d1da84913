"""A formula as it is written: five shapes of nodes, each with its place in the text.

Named tuples, because a formula is parsed while somebody waits and they are the cheapest things that cannot be changed.
"""

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias


class Literal(NamedTuple):
    """A number or a text that stands in the formula."""

    value: str | float
    start: int
    end: int


class Name(NamedTuple):
    """A field, named in braces or bare."""

    name: str
    start: int
    end: int


class Call(NamedTuple):
    """A function and its arguments; the name's spelling is kept, upper and lower case mean the same."""

    function: str
    arguments: "tuple[Node, ...]"
    start: int
    end: int


class Negation(NamedTuple):
    """The minus before an operand."""

    operand: "Node"
    start: int
    end: int


class Chain(NamedTuple):
    """Operands and the operators of one precedence between them, worked off from the left.

    A chain is one node however long it is, so that ``a & b & …`` a thousand times is wide and not deep.
    """

    operands: "tuple[Node, ...]"
    operators: tuple[str, ...]
    start: int
    end: int


Node: TypeAlias = Literal | Name | Call | Negation | Chain

PRECEDENCE = {"=": 1, "!=": 1, "<": 1, ">": 1, "<=": 1, ">=": 1, "&": 2, "+": 3, "-": 3, "*": 4, "/": 4}
"""How tightly an operator binds; the minus before an operand binds tighter than all of them."""


def names_in(root: Node) -> Iterator[Name]:
    """Yield every name of a field in a formula."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        match node:
            case Name():
                yield node
            case Call():
                waiting += node.arguments
            case Negation():
                waiting.append(node.operand)
            case Chain():
                waiting += node.operands
            case Literal():
                pass


def height(root: Node) -> int:
    """Count the nodes that stand in each other, at the deepest place."""
    tallest = 0
    waiting = [(root, 1)]
    while waiting:
        node, level = waiting.pop()
        tallest = max(tallest, level)
        match node:
            case Call():
                waiting += [(each, level + 1) for each in node.arguments]
            case Negation():
                waiting.append((node.operand, level + 1))
            case Chain():
                waiting += [(each, level + 1) for each in node.operands]
            case _:
                pass
    return tallest
