"""Random formulas over `EVERYTHING`, and random cells for what they read."""

from functools import cache
from typing import Any

from hypothesis import strategies as st
from tests.factories.records import EVERYTHING

from airtable_connector.records.formula import FUNCTIONS, Fact, Function, Kind
from airtable_connector.records.formula.inputs import kind_of
from airtable_connector.records.schema import FieldType

LINKED = {f"rec0000000000000{number}": name for number, name in enumerate(("Ada", "Grace, Hopper", "", "12"))}

TEXTS = st.sampled_from(
    [
        *[
            "",
            "a",
            "Active",
            "1",
            "0",
            "-2.5",
            " 7 ",
            "2024-01-31",
            "2024-02-29T23:59:59.999Z",
            "1/2/2024",
            "a, b",
            "ß",
        ],
        *[
            "日本語",
            "day",
            "months",
            "YYYY-MM-DD",
            "LL",
            "[a-z]+",
            "(a",
            "Europe/Berlin",
            "de",
            "x" * 300,
            "\\d+",
            "true",
        ],
    ]
)
NUMBERS = st.sampled_from([0, 1, 2, 3, -1, 0.5, -2.5, 7, 1e-7, 12345678901234, 1e21, 2**53, 0.1])
DAYS = st.sampled_from(["2024-01-31", "2024-02-29", "2026-11-25", "0001-01-01", "9999-12-31"])
MOMENTS = st.sampled_from(["2024-01-31T00:00:00.000Z", "2026-11-25T12:30:15.123Z", "1969-12-31T23:59:59.999Z"])

PEOPLE = st.sampled_from(["Ada", "a", "1"]).map(lambda name: {"id": "usr00000000000001", "name": name})

CELLS: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.RATING: st.integers(1, 5),
    FieldType.DURATION: NUMBERS,
    FieldType.AUTO_NUMBER: st.integers(1, 9),
    FieldType.CHECKBOX: st.just(True),  # noqa: FBT003 - a cell
    FieldType.SINGLE_SELECT: st.sampled_from(["Waiting", "Active", "Done"]),
    FieldType.MULTIPLE_SELECTS: st.lists(st.sampled_from(["red", "green", "blue"]), min_size=1, unique=True),
    FieldType.DATE: DAYS,
    FieldType.DATE_TIME: MOMENTS,
    FieldType.MULTIPLE_RECORD_LINKS: st.lists(st.sampled_from(sorted(LINKED)), min_size=1, unique=True),
    FieldType.MULTIPLE_ATTACHMENTS: st.lists(
        st.just({"id": "att1", "url": "https://a.example/b.png", "filename": "b.png"}), min_size=1, max_size=2
    ),
    FieldType.BARCODE: st.builds(lambda text: {"text": text}, TEXTS.filter(bool)),
    FieldType.SINGLE_COLLABORATOR: PEOPLE,
    FieldType.MULTIPLE_COLLABORATORS: st.lists(PEOPLE, min_size=1, max_size=2),
}


def cell_of(source: Any) -> st.SearchStrategy[Any]:
    if isinstance(source, Fact):
        return st.just("rec00000000000009") if source is Fact.RECORD_ID else MOMENTS
    filled = CELLS.get(source.type, NUMBERS if kind_of(source) is Kind.NUMBER else TEXTS.filter(bool))
    return st.none() | filled


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def call_of(function: Function, inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    most = function.most if function.most is not None else len(function.takes) + 2
    arguments = st.lists(inner, min_size=function.least, max_size=most)
    return arguments.map(lambda given: f"{function.name}({', '.join(given)})")


LEAVES = st.one_of(
    st.sampled_from([f"{{{field.name}}}" for field in EVERYTHING.fields]),
    TEXTS.map(quoted),
    st.sampled_from(["0", "1", "2.5", ".5", "100000", "1000000000000000000000"]),
    st.sampled_from(["RECORD_ID()", "CREATED_TIME()", "LAST_MODIFIED_TIME()", "NOW()", "TODAY()", "BLANK()", "TRUE()"]),
)
OPERATORS = st.sampled_from(["=", "!=", "<", ">", "<=", ">=", "&", "+", "-", "*", "/"])


def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    chain = st.tuples(inner, st.lists(st.tuples(OPERATORS, inner), min_size=1, max_size=3))
    return st.one_of(
        st.sampled_from(list(FUNCTIONS.values())).flatmap(lambda function: call_of(function, inner)),
        chain.map(lambda parts: parts[0] + "".join(f" {operator} {operand}" for operator, operand in parts[1])),
        inner.map(lambda text: f"({text})"),
        inner.map(lambda text: f"-{text}"),
    )


ANYTHING = st.recursive(LEAVES, larger, max_leaves=12)
"""Formulas that hardly ever make sense."""

FIELDS_OF_A_KIND = {
    kind: [f"{{{field.name}}}" for field in EVERYTHING.fields if kind_of(field) is kind]
    for kind in (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.DATE, Kind.ARRAY)
}
CONSTANTS = {
    Kind.TEXT: st.sampled_from(['"Active"', '"a"', '"A"', '""', '"Done"', '"1"']),
    Kind.NUMBER: st.sampled_from(["0", "1", "2", "3", "0.5"]),
    Kind.BOOLEAN: st.sampled_from(["TRUE()", "FALSE()", "ERROR()"]),
    Kind.DATE: st.sampled_from(['"2024-01-31"', 'DATETIME_PARSE("2026-11-25")', "CREATED_TIME()", "NOW()"]),
    Kind.ARRAY: st.sampled_from(["{Tags}"]),
}


@cache
def sensible(kind: Kind, depth: int) -> st.SearchStrategy[str]:
    """Formulas whose arguments are of the kinds that are wanted."""
    if kind in {Kind.ANY, Kind.BLANK}:
        return st.sampled_from([Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN]).flatmap(lambda some: sensible(some, depth))
    leaves = st.sampled_from(FIELDS_OF_A_KIND[kind]) | CONSTANTS[kind]
    if depth == 0:
        return leaves
    given = [each for each in FUNCTIONS.values() if each.gives is kind and each.fact is None]
    calls = st.sampled_from(given).flatmap(lambda function: sensible_call(function, depth - 1))
    one = sensible(kind, depth - 1)
    choice = st.tuples(sensible(Kind.BOOLEAN, depth - 1), one, one).map(lambda parts: "IF({}, {}, {})".format(*parts))
    more: list[st.SearchStrategy[str]] = [leaves, calls, calls, choice]
    if kind is Kind.TEXT:
        more.append(st.tuples(one, one).map(" & ".join))
    if kind is Kind.NUMBER:
        more.append(st.tuples(one, st.sampled_from("+-*/"), one).map(lambda parts: "({} {} {})".format(*parts)))
    if kind is Kind.BOOLEAN:
        more += [conditions(each, depth - 1) for each in (Kind.TEXT, Kind.NUMBER, Kind.DATE)] * 2
        more.append(st.lists(one, min_size=2, max_size=4).map(lambda parts: f"AND({', '.join(parts)})"))
        more.append(st.lists(one, min_size=2, max_size=4).map(lambda parts: f"OR({', '.join(parts)})"))
    return st.one_of(more)


def sensible_call(function: Function, depth: int) -> st.SearchStrategy[str]:
    most = function.most if function.most is not None else len(function.takes) + 1
    counts = st.integers(function.least, most)
    arguments = counts.flatmap(
        lambda count: st.tuples(*[sensible(function.wants(place), depth) for place in range(count)])
    )
    return arguments.map(lambda parts: f"{function.name}({', '.join(parts)})")


def conditions(kind: Kind, depth: int) -> st.SearchStrategy[str]:
    comparison = st.sampled_from(["=", "!=", "<", ">", "<=", ">="])
    sides = sensible(kind, depth) | CONSTANTS[kind] | st.just("BLANK()")
    return st.tuples(sensible(kind, depth), comparison, sides).map(lambda parts: "{} {} {}".format(*parts))


MEMBERSHIPS = st.lists(
    st.tuples(st.sampled_from(["{Stage}", "{Name}"]), st.sampled_from(["Active", "Done", "a"])), min_size=1, max_size=3
).map(lambda pairs: f"OR({', '.join(f'{field} = {quoted(text)}' for field, text in pairs)})")
FILTERS = st.lists(MEMBERSHIPS | sensible(Kind.BOOLEAN, 1), min_size=1, max_size=3).map(
    lambda parts: f"AND({', '.join(parts)})"
)
FORMULAS = st.one_of(
    ANYTHING, FILTERS, FILTERS, *[sensible(kind, 2) for kind in (Kind.TEXT, Kind.NUMBER, Kind.BOOLEAN, Kind.BOOLEAN)]
)
