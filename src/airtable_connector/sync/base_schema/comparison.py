"""What a base lacks of what is wanted, decided without asking anybody. Nothing here awaits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

from airtable_connector.sync.base_schema.creatable import PRIMARY, SETTABLE, in_the_page, settable_option
from airtable_connector.sync.base_schema.definitions import LINK, BaseSchema, FieldDefinition, Linked, TableDefinition


@dataclass(frozen=True)
class NewTable:
    """The base has no such table; it can be made with these fields."""

    kind: ClassVar[str] = "new-table"

    table: str
    fields: Sequence[FieldDefinition]
    description: str

    @property
    def name(self) -> str:
        """What tells it from every other step."""
        return f"table {self.table}"

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        fields = [{"name": field.name, "type": field.type} for field in self.fields]
        return {"kind": self.kind, "table": self.table, "fields": fields}


@dataclass(frozen=True)
class NewField:
    """A table has no such field; it can be made, a link as soon as the table that it leads to is there."""

    kind: ClassVar[str] = "new-field"

    table: str
    field: FieldDefinition

    @property
    def name(self) -> str:
        """What tells it from every other step."""
        return f"field {self.table}.{self.field.name}"

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        return {"kind": self.kind, "table": self.table, "field": self.field.name, "type": self.field.type}


@dataclass(frozen=True)
class NewChoices:
    """A select field lacks choices; they can be added behind those that it has."""

    kind: ClassVar[str] = "new-choices"

    table: str
    field: str
    choices: Sequence[str]

    @property
    def name(self) -> str:
        """What tells it from every other step."""
        return f"choices of {self.table}.{self.field}"

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        return {"kind": self.kind, "table": self.table, "field": self.field, "choices": list(self.choices)}


@dataclass(frozen=True)
class ByHand:
    """Something is missing that Airtable's API does not make. ``do`` says what a person does in Airtable's page."""

    kind: ClassVar[str] = "by-hand"

    table: str
    field: str | None
    do: str

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        return {"kind": self.kind, "table": self.table, "field": self.field, "do": self.do}


@dataclass(frozen=True)
class Differs:
    """Something is there and is not as it is wanted; it is left as it is.

    ``matters`` says whether writes or reads of those who rely on it can fail for it.
    """

    kind: ClassVar[str] = "differs"

    table: str
    field: str | None
    what: str
    wanted: str
    found: str
    matters: bool

    def document(self) -> dict[str, Any]:
        """Describe it as JSON."""
        place = {"kind": self.kind, "table": self.table, "field": self.field}
        return {**place, "what": self.what, "wanted": self.wanted, "found": self.found, "matters": self.matters}


Step: TypeAlias = NewTable | NewField | NewChoices
Finding: TypeAlias = Step | ByHand | Differs


@dataclass(frozen=True)
class Plan:
    """What a comparison has found: first what can be made, in the order in which it can."""

    findings: Sequence[Finding]

    @property
    def steps(self) -> Sequence[Step]:
        """What can be made."""
        return [each for each in self.findings if not isinstance(each, ByHand | Differs)]

    @property
    def for_people(self) -> Sequence[ByHand | Differs]:
        """What only people can put right."""
        return [
            each for each in self.findings if isinstance(each, ByHand) or (isinstance(each, Differs) and each.matters)
        ]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing, and nothing differs that matters."""
        return not self.steps and not self.for_people


def compare(wanted: BaseSchema, present: BaseSchema) -> Plan:
    """Find what a base lacks, and what in it is not as it is wanted. What it has besides is nobody's business."""
    return Plan(sorted(_Comparison(wanted, present).findings(), key=_order))


def is_ready(step: Step, present: BaseSchema) -> bool:
    """Tell whether the tables are there that a step needs."""
    match step:
        case NewTable() | NewChoices():
            return True
        case NewField(table, field):
            linked = field.linked
            return present.table(table) is not None and (linked is None or present.table(linked.table) is not None)


def _order(finding: Finding) -> int:
    match finding:
        case NewTable():
            return 0
        case NewField(_, field):
            return 2 if field.type == LINK else 1
        case NewChoices():
            return 3
        case ByHand():
            return 4
        case Differs():
            return 5


@dataclass(frozen=True)
class _Comparison:
    wanted: BaseSchema
    present: BaseSchema

    def findings(self) -> Iterator[Finding]:
        for table in self.wanted.tables:
            found = self.present.table(table.name)
            if found is None:
                yield from self._of_missing_table(table)
                continue
            if found.name != table.name:
                yield Differs(table.name, None, "name", table.name, found.name, matters=False)
            for field in table.fields:
                here = found.field(field.name)
                yield from self._of_missing(field, table) if here is None else _of_present(field, here, table.name)

    def _of_missing_table(self, table: TableDefinition) -> Iterator[Finding]:
        primary = table.fields[0]
        if primary.type not in PRIMARY:
            kind = in_the_page(primary.type)
            do = f"make the table {table.name} with the first field {primary.name} of type {kind}, then apply again"
            yield ByHand(table.name, None, do)
            return
        at_once = [field for field in table.fields if field.type in SETTABLE and field.type != LINK]
        yield NewTable(table.name, at_once, table.description)
        for field in table.fields:
            if field not in at_once:
                yield from self._of_missing(field, table)

    def _of_missing(self, field: FieldDefinition, table: TableDefinition) -> Iterator[Finding]:
        if field.type not in SETTABLE:
            do = f"add the field {field.name} of type {in_the_page(field.type)} to the table {table.name}"
            yield ByHand(table.name, field.name, do)
            return
        other = self._other_end(field, self.present)
        if other is not None and other.linked is not None and other.linked.inverse is not None:
            # it is there as the inverse of another link; made once more, both would be double
            yield Differs(table.name, field.name, "name", field.name, other.linked.inverse, matters=True)
        elif field.linked is not None and other is None and self._comes_with_inverse(field, field.linked, table):
            maker = f"{field.linked.table}.{field.linked.inverse}"
            do = f"rename the field that the link {maker} makes in the table {table.name} to {field.name}"
            yield ByHand(table.name, field.name, do)
        else:
            yield NewField(table.name, field)

    def _comes_with_inverse(self, field: FieldDefinition, linked: Linked, table: TableDefinition) -> bool:
        """Tell whether another link that is wanted, and made before this one, makes both."""
        order = [(each.name, known.name) for each in self.wanted.tables for known in each.fields]
        maker = (linked.table, linked.inverse)
        return any(each == maker for each in order[: order.index((table.name, field.name))])

    @staticmethod
    def _other_end(field: FieldDefinition, base: BaseSchema) -> FieldDefinition | None:
        if field.linked is None or field.linked.inverse is None:
            return None
        linked = base.table(field.linked.table)
        return None if linked is None else linked.field(field.linked.inverse)


def _of_present(field: FieldDefinition, here: FieldDefinition, table: str) -> Iterator[Finding]:
    if here.name != field.name:
        yield Differs(table, field.name, "name", field.name, here.name, matters=True)
    if here.type != field.type:
        yield Differs(table, field.name, "type", field.type, here.type, matters=True)
        return
    lacking = [name for name in field.choices if name not in here.choices]
    if lacking:
        yield NewChoices(table, field.name, lacking)
    if field.linked and here.linked and field.linked.table.casefold() != here.linked.table.casefold():
        yield Differs(table, field.name, "linked table", field.linked.table, here.linked.table, matters=True)
    for option in SETTABLE.get(field.type, ()):
        if option == "choices" or not (option in field.options and option in here.options):
            continue
        one, other = (settable_option(field.type, option, each.options) for each in (field, here))
        if one != other:
            yield Differs(table, field.name, option, _text(one), _text(other), matters=False)


def _text(option: Any) -> str:
    return str(option["name"] if isinstance(option, dict) else option)
