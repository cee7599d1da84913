"""AND, OR, IF and their like. IF and SWITCH evaluate only what they choose; AND and OR evaluate everything."""

from collections.abc import Callable, Sequence

from airtable_connector.records.formula.functions.spec import Example, Function, Section
from airtable_connector.records.formula.values import CellError, Failed, Kind, Value, equal, unite

Thunk = Callable[[], Value]


def _and(*truths: bool) -> bool:
    return all(truths)


def _or(*truths: bool) -> bool:
    return any(truths)


def _xor(*truths: bool) -> bool:
    return sum(truths) % 2 == 1


def _not(truth: bool) -> bool:  # noqa: FBT001 - the argument is the operand
    return not truth


def _if(condition: Thunk, then: Thunk, otherwise: Thunk = lambda: None) -> Value:
    return then() if condition() else otherwise()


def _switch(subject: Thunk, *cases: Thunk) -> Value:
    wanted = subject()
    for place in range(0, len(cases) - 1, 2):
        if equal(wanted, cases[place]()):
            return cases[place + 1]()
    return cases[-1]() if len(cases) % 2 else None


def _switch_kind(kinds: Sequence[Kind]) -> Kind:
    results = kinds[2::2]
    return unite(results if len(kinds) % 2 else [*results, kinds[-1]])


def _blank() -> None:
    return None


def _true() -> bool:
    return True


def _false() -> bool:
    return False


def _error(_message: str = "") -> Value:
    raise Failed(CellError.ASKED_FOR)


def _is_error(value: Thunk) -> bool:
    try:
        value()
    except Failed:
        return True
    return False


_LOGIC = Section.LOGIC
_TRUTH = Kind.BOOLEAN

LOGIC = (
    Function(
        "AND", _LOGIC, (_TRUTH,), _TRUTH, _and, "True when every argument is.", Example("AND(1, 2 > 1)", "1"),
        rest=_TRUTH, never_fails=True, junction="and",
    ),
    Function(
        "OR", _LOGIC, (_TRUTH,), _TRUTH, _or, "True when an argument is.", Example("OR(0, 2 > 1)", "1"), rest=_TRUTH,
        never_fails=True, junction="or",
    ),
    Function(
        "XOR", _LOGIC, (_TRUTH,), _TRUTH, _xor, "True when an odd number of arguments is.",
        Example("XOR(1, 1, 1)", "1"), rest=_TRUTH, never_fails=True,
    ),
    Function(
        "NOT", _LOGIC, (_TRUTH,), _TRUTH, _not, "True when the argument is not.", Example("NOT(0)", "1"),
        code={1: "(not {0})"}, never_fails=True,
    ),
    Function(
        "IF", _LOGIC, (_TRUTH, Kind.ANY, Kind.ANY), lambda kinds: unite(kinds[1:]), _if,
        "The second argument when the first is true, else the third, else blank.", Example('IF(1 > 2, "a", "b")', "b"),
        optional=1, may_be_blank=True, lazy=True, code={2: "({1} if {0} else None)", 3: "({1} if {0} else {2})"},
        never_fails=True,
    ),
    Function(
        "SWITCH", _LOGIC, (Kind.ANY, Kind.ANY, Kind.ANY), _switch_kind, _switch,
        "The result beside the first pattern that equals the first argument, else the last argument when it "
        "stands alone.", Example('SWITCH("b", "a", 1, "b", 2, 3)', "2"), rest=Kind.ANY, may_be_blank=True, lazy=True,
    ),
    Function(
        "BLANK", _LOGIC, (), Kind.BLANK, _blank, "Nothing.", Example("BLANK() & 1", "1"), may_be_blank=True,
        never_fails=True,
    ),
    Function("TRUE", _LOGIC, (), _TRUTH, _true, "True.", Example("TRUE()", "1"), never_fails=True),
    Function("FALSE", _LOGIC, (), _TRUTH, _false, "False.", Example("FALSE()", "0"), never_fails=True),
    Function(
        "ERROR", _LOGIC, (Kind.TEXT,), Kind.BLANK, _error, "An error; its text is for the formula's reader.",
        Example("ISERROR(ERROR())", "1"), optional=1,
    ),
    Function(
        "ISERROR", _LOGIC, (Kind.ANY,), _TRUTH, _is_error, "True when the argument is an error.",
        Example('ISERROR(YEAR("x"))', "1"), lazy=True,
        differs="Infinity and NaN are no errors; Airtable does not document it.", never_fails=True,
    ),
)  # fmt: skip
