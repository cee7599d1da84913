"""From a formula's text to its nodes: one regular expression for the words, precedence climbing for their order.

The language is that of Airtable's formula fields and ``filterByFormula``. Comments are taken as in Airtable's editor.
A backslash before a letter that it does not escape stays, for regular expressions are full of such pairs.
"""

import re
from typing import NamedTuple

from airtable_connector.records.formula.errors import FormulaSyntax, FormulaTooLarge, Span
from airtable_connector.records.formula.syntax import PRECEDENCE, Call, Chain, Literal, Name, Negation, Node, height
from airtable_connector.records.schema import storable

LONGEST_FORMULA = 30_000
"""Characters; a filter in an address has at most half of that."""

MOST_NODES = 5_000
"""Literals, names, calls and chains; a thousand comparisons have three thousand."""

MOST_NESTED = 100
"""Nodes inside each other; a chain of operators is one however long it is."""

LARGEST_LITERAL = 40
"""Characters in a number; more digits than a float can tell apart are a mistake or an attack."""

_WORDS = re.compile(
    r"""
    (?P<space>(?:\s|/\*.*?\*/|//[^\n]*)+)
  | (?P<number>\d+(?:\.\d+)?|\.\d+)
  | (?P<text>"(?:[^"\\\n\r]|\\[^\n\r])*"|'(?:[^'\\\n\r]|\\[^\n\r])*')
  | (?P<field>\{(?:[^}\\]|\\.)*\})
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<operator>!=|<=|>=|[=<>&+\-*/])
  | (?P<mark>[(),])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", '"': '"', "'": "'", "\\": "\\"}

_HINTS = {
    "“": 'write straight quotes: "…"',
    "”": 'write straight quotes: "…"',
    "\u2018": "write straight quotes: '…'",
    "\u2019": "write straight quotes: '…'",
    "^": "write POWER(a, b)",
    "%": "write MOD(a, b)",
    "!": "write NOT(a), or != between two values",
    "|": "write OR(a, b)",
    "{": "close the field's name with a brace; a brace in the name is written \\}",
    '"': "close the text with the same quote; a line break in it is written \\n",
    "'": "close the text with the same quote; a line break in it is written \\n",
}


class _Word(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


def parse(text: str) -> Node:
    """Read a formula.

    Raises:
        FormulaSyntax: it is none; the error points at the first place that does not fit.
        FormulaTooLarge: it is longer, deeper or has more parts than is taken.
    """
    if len(text) > LONGEST_FORMULA:
        raise FormulaTooLarge(
            f"a formula has at most {LONGEST_FORMULA} characters, this one {len(text)}",
            source=text,
            span=Span(LONGEST_FORMULA, LONGEST_FORMULA + 1),
        )
    if not storable(text):
        raise FormulaSyntax("a NUL or half of a character is no part of a formula", source=text, span=Span(0, 1))
    return _Parser(text, _words(text)).formula()


def _words(source: str) -> list[_Word]:
    words: list[_Word] = []
    place, end = 0, len(source)
    match_at = _WORDS.match
    while place < end:
        found = match_at(source, place)
        if found is None:
            raise _not_a_word(source, place)
        kind = found.lastgroup
        assert kind is not None
        start, place = place, found.end()
        if kind != "space":
            words.append(_Word(kind, found[0], start, place))
    words.append(_Word("end", "", end, end))
    return words


def _not_a_word(source: str, place: int) -> FormulaSyntax:
    letter = source[place]
    said = {"{": "this field's name does not end", '"': "this text does not end", "'": "this text does not end"}
    return FormulaSyntax(
        said.get(letter, f"{letter!r} means nothing here"),
        source=source,
        span=Span(place, place + 1),
        hint=_HINTS.get(letter),
    )


def _unescape(body: str) -> str:
    if "\\" not in body:
        return body
    return _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[0]), body)


class _Parser:
    """Walks over the words once, never back."""

    def __init__(self, source: str, words: list[_Word]) -> None:
        self._source = source
        self._words = words
        self._at = 0
        self._depth = 0
        self._nodes = 0

    def formula(self) -> Node:
        node = self._expression(1)
        word = self._words[self._at]
        if word.kind != "end":
            raise self._unexpected(word, "an operator or the end")
        # so few nodes cannot stand so deep
        if self._nodes > MOST_NESTED and height(node) > MOST_NESTED:
            raise self._too_large(f"more than {MOST_NESTED} parts stand in each other")
        return node

    def _expression(self, loosest: int) -> Node:
        """Read operands and the operators between them that bind at least as tightly as ``loosest``."""
        self._depth += 1
        if self._depth > MOST_NESTED:
            raise self._too_large(f"expressions stand more than {MOST_NESTED} deep in each other")
        node, whole = self._operand(), True
        while True:
            word = self._words[self._at]
            precedence = PRECEDENCE.get(word.text, 0) if word.kind == "operator" else 0
            if precedence < loosest or not precedence:
                self._depth -= 1
                return node
            self._at += 1
            right = self._expression(precedence + 1) if precedence < 4 else self._operand()
            # what stands in parentheses is whole: 1-(2-3) is no chain of three
            if not whole and isinstance(node, Chain) and PRECEDENCE[node.operators[0]] == precedence:
                node = self._longer(node, word.text, right)
            else:
                node = self._counted(Chain((node, right), (word.text,), node.start, right.end))
            whole = False

    def _longer(self, chain: Chain, operator: str, right: Node) -> Chain:
        operands, operators = [*chain.operands, right], [*chain.operators, operator]
        precedence = PRECEDENCE[operator]
        # a long chain is taken in one go, for copying it operand by operand would be quadratic
        while (word := self._words[self._at]).kind == "operator" and PRECEDENCE[word.text] == precedence:
            self._at += 1
            operands.append(self._expression(precedence + 1) if precedence < 4 else self._operand())
            operators.append(word.text)
        return Chain(tuple(operands), tuple(operators), chain.start, operands[-1].end)

    def _operand(self) -> Node:
        minuses = []
        while (word := self._words[self._at]).text == "-" and word.kind == "operator":
            minuses.append(word)
            self._at += 1
        node = self._primary(word)
        if len(minuses) > MOST_NESTED:
            raise self._too_large(f"more than {MOST_NESTED} minuses stand before an operand")
        for minus in reversed(minuses):
            node = self._counted(Negation(node, minus.start, node.end))
        return node

    def _primary(self, word: _Word) -> Node:
        self._at += 1
        match word.kind:
            case "number":
                return self._counted(Literal(self._number(word), word.start, word.end))
            case "text":
                return self._counted(Literal(_unescape(word.text[1:-1]), word.start, word.end))
            case "field":
                return self._counted(Name(word.text[1:-1].replace("\\}", "}"), word.start, word.end))
            case "name":
                if self._words[self._at].text == "(":
                    return self._call(word)
                return self._counted(Name(word.text, word.start, word.end))
            case "mark" if word.text == "(":
                node = self._expression(1)
                self._close(word)
                return node
            case _:
                raise self._unexpected(word, "a value")

    def _call(self, name: _Word) -> Node:
        opened = self._words[self._at]
        self._at += 1
        arguments: list[Node] = []
        if self._words[self._at].text != ")":
            arguments.append(self._expression(1))
            while self._words[self._at].text == ",":
                self._at += 1
                arguments.append(self._expression(1))
        end = self._close(opened)
        return self._counted(Call(name.text, tuple(arguments), name.start, end))

    def _close(self, opened: _Word) -> int:
        word = self._words[self._at]
        if word.text != ")" or word.kind != "mark":
            raise self._unexpected(word, f"')' for the '(' at {opened.start + 1}")
        self._at += 1
        return word.end

    def _number(self, word: _Word) -> float:
        if len(word.text) > LARGEST_LITERAL:
            raise FormulaSyntax(
                f"a number has at most {LARGEST_LITERAL} characters",
                source=self._source,
                span=Span(word.start, word.end),
            )
        return float(word.text)

    def _counted(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise self._too_large(f"the formula has more than {MOST_NODES} parts")
        return node

    def _too_large(self, message: str) -> FormulaTooLarge:
        word = self._words[self._at]
        return FormulaTooLarge(message, source=self._source, span=Span(word.start, max(word.end, word.start + 1)))

    def _unexpected(self, word: _Word, wanted: str) -> FormulaSyntax:
        found = "the formula's end" if word.kind == "end" else repr(word.text[:20])
        return FormulaSyntax(
            f"expected {wanted} before {found}",
            source=self._source,
            span=Span(word.start, max(word.end, word.start + 1)),
            hint='a text stands in quotes: "…"' if word.kind == "name" else None,
        )
