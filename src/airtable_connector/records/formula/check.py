"""From nodes to a checked tree: every name is known, every call has arguments that can work.

Refused is only what would be an error in every record; what depends on the record is left to the record.
"""

from dataclasses import dataclass, field

from airtable_connector.records.formula import patterns
from airtable_connector.records.formula.errors import (
    FormulaRefused,
    Span,
    UnknownFieldNames,
    UnknownFunctionNames,
)
from airtable_connector.records.formula.functions import FUNCTIONS, Function, zone_named
from airtable_connector.records.formula.inputs import Fact, Input, kind_of, source_of
from airtable_connector.records.formula.locales import LOCALES, locale_named
from airtable_connector.records.formula.syntax import Call, Chain, Literal, Name, Negation, Node
from airtable_connector.records.formula.tree import Apply, Constant, Negate, Operate, Part, Read, kind_of_part
from airtable_connector.records.formula.values import Kind
from airtable_connector.records.schema import Field, Table

_NEVER_DATES = frozenset({Kind.NUMBER, Kind.BOOLEAN})


@dataclass(frozen=True)
class Checked:
    """A formula's tree and what it reads."""

    root: Part
    fields: tuple[Field, ...]
    inputs: tuple[Input, ...]
    reads_time: bool


def check(source: str, node: Node, table: Table) -> Checked:
    """Resolve the names of a formula against a table.

    Raises:
        UnknownFieldNames, UnknownFunctionNames: the error holds all of them.
        FormulaRefused: a call has too few or too many arguments, or one that never works.
    """
    checker = _Checker(source, table)
    root = checker.part(node)
    checker.refuse_unknown()
    return Checked(root, tuple(checker.fields.values()), tuple(checker.inputs.values()), checker.reads_time)


def find_field(table: Table, name: str) -> Field | None:
    """Find the field that a formula names as tables do, else by the one name that differs in case only."""
    exact = table.find_field(name)
    if exact is not None:
        return exact
    folded = name.casefold()
    alike = [each for each in table.fields if each.name.casefold() == folded]
    return alike[0] if len(alike) == 1 else None


@dataclass
class _Checker:
    source: str
    table: Table
    reads_time: bool = False
    fields: dict[str, Field] = field(default_factory=dict)
    inputs: dict[str, Input] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    unknown_fields: dict[str, Span] = field(default_factory=dict)
    unknown_functions: dict[str, Span] = field(default_factory=dict)

    def part(self, node: Node) -> Part:
        span = Span(node.start, node.end)
        match node:
            case Literal():
                return Constant(node.value, Kind.TEXT if isinstance(node.value, str) else Kind.NUMBER, span)
            case Name():
                return self._field(node, span)
            case Call():
                return self._call(node, span)
            case Negation():
                return Negate(self.part(node.operand), span)
            case Chain():
                return Operate(tuple([self.part(operand) for operand in node.operands]), node.operators, span)

    def refuse_unknown(self) -> None:
        if self.unknown_fields:
            names = list(self.unknown_fields)
            raise UnknownFieldNames(names, self.table.by_name, source=self.source, span=self.unknown_fields[names[0]])
        if self.unknown_functions:
            names = list(self.unknown_functions)
            raise UnknownFunctionNames(names, FUNCTIONS, source=self.source, span=self.unknown_functions[names[0]])

    def _field(self, node: Name, span: Span) -> Part:
        found = find_field(self.table, node.name)
        if found is None:
            self.unknown_fields.setdefault(node.name, span)
            return Constant(None, Kind.BLANK, span)
        self.fields.setdefault(found.id, found)
        return self._read(source_of(found), span)

    def _read(self, source: Input, span: Span) -> Read:
        key = source if isinstance(source, Fact) else source.id
        self.inputs.setdefault(key, source)
        place = self.places.setdefault(key, len(self.places))
        return Read(place, source, kind_of(source), not isinstance(source, Fact), span)

    def _call(self, node: Call, span: Span) -> Part:
        function = FUNCTIONS.get(node.function.upper())
        if function is None:
            self.unknown_functions.setdefault(node.function, Span(node.start, node.start + len(node.function)))
            for argument in node.arguments:
                self.part(argument)
            return Constant(None, Kind.BLANK, span)
        self._count_arguments(function, node, span)
        arguments = tuple([self.part(argument) for argument in node.arguments])
        if function.fact is not None:
            return self._read(function.fact, span)
        self.reads_time = self.reads_time or function.reads_time
        self._refuse_what_never_works(function, arguments)
        return Apply(function, arguments, function.result([kind_of_part(each) for each in arguments]), span)

    def _count_arguments(self, function: Function, node: Call, span: Span) -> None:
        count, least, most = len(node.arguments), function.least, function.most
        if count < least or (most is not None and count > most):
            wanted = f"at least {least}" if most is None else f"{least}" if least == most else f"{least} to {most}"
            raise FormulaRefused(
                f"{function.name} takes {wanted} argument{'' if wanted.endswith('1') else 's'}, not {count}",
                source=self.source,
                span=span,
                hint=f"{function.about} Example: {function.example.formula}",
            )

    def _refuse_what_never_works(self, function: Function, arguments: tuple[Part, ...]) -> None:
        for place, argument in enumerate(arguments):
            if function.wants(place) is Kind.DATE and kind_of_part(argument) in _NEVER_DATES:
                raise self._refused(
                    argument, f"{function.name} takes a date here, and this is a {kind_of_part(argument)}"
                )
        if len(arguments) < 2 or not isinstance(arguments[1], Constant) or not isinstance(arguments[1].value, str):
            return
        text = arguments[1].value
        if function.name.startswith("REGEX_") and not patterns.usable(text):
            raise self._refused(
                arguments[1],
                "this regular expression cannot be used",
                "RE2's syntax, without look-around and back-references; "
                f"at most {patterns.LONGEST_PATTERN} characters and moderate repetitions",
            )
        if function.name == "SET_TIMEZONE" and zone_named(text) is None:
            raise self._refused(arguments[1], "there is no such time zone", "IANA names, such as Europe/Berlin")
        if function.name == "SET_LOCALE" and locale_named(text) is None:
            raise self._refused(arguments[1], "this locale is not known", f"known: {', '.join(LOCALES)}")

    def _refused(self, part: Part, message: str, hint: str | None = None) -> FormulaRefused:
        return FormulaRefused(message, source=self.source, span=part.span, hint=hint)
