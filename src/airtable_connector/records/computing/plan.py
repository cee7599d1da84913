"""What a base computes: its tables with the derived parts of their definitions, and a rule for each computed field.

What a definition says about validity and results is worked out here and never believed: it depends on other fields.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple

from airtable_connector.kernel.errors import ConnectorError
from airtable_connector.kernel.ids import FieldId, TableId
from airtable_connector.records.computing import rules
from airtable_connector.records.computing.errors import CircularFields
from airtable_connector.records.computing.graph import Order, arrange
from airtable_connector.records.computing.rules import MODIFIED, Compute, Named, Node, Rule
from airtable_connector.records.formula import (
    Fact,
    Formula,
    FormulaError,
    Kind,
    UnknownFieldNames,
    compile_formula,
    fields_named,
    with_field_ids,
)
from airtable_connector.records.requests import Actor
from airtable_connector.records.schema import Field, FieldType, Table
from airtable_connector.records.storage import Recomputation

VALUES: Final = "values"
"""The name under which a rollup's formula reads what was collected."""

LABEL: Final = "Open URL"
"""What stands on a button when nobody has said otherwise."""

_RESULTS: Final[Mapping[Kind, Mapping[str, Any]]] = {
    Kind.TEXT: {"type": "singleLineText"},
    Kind.NUMBER: {"type": "number", "options": {"precision": 8}},
    Kind.BOOLEAN: {"type": "checkbox", "options": {"icon": "check", "color": "greenBright"}},
    Kind.DATE: {"type": "dateTime"},
    Kind.ARRAY: {"type": "multipleLookupValues", "options": {"isValid": True}},
    Kind.BLANK: {"type": "singleLineText"},
    Kind.ANY: {"type": "singleLineText"},
}
"""The type of the cells of a formula whose result is of a kind; results of several kinds are written as texts."""


class Need(NamedTuple):
    """What a field is computed from: a field of its record, or one of the records that a link leads to."""

    node: Node
    via: FieldId | None = None


class Via(NamedTuple):
    """Rules that read a node of the records that ``link`` leads to; ``table`` holds the link."""

    table: TableId
    link: FieldId
    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class Plan:
    """The rules of a base, and what they follow from."""

    tables: tuple[Table, ...]
    """The tables, with ``isValid``, ``referencedFieldIds`` and ``result`` as they are."""
    rules: Mapping[Node, Rule]
    own: Mapping[Node, tuple[Rule, ...]]
    """The rules that read a node of their own record."""
    via: Mapping[Node, tuple[Via, ...]]
    """The rules that read a node of linked records."""
    moved: Mapping[TableId, tuple[str, ...]]
    """What changes in a record of the table with every change by somebody."""
    links: Mapping[TableId, tuple[FieldId, ...]]
    """The link fields of a table that rules read over."""
    by_time: Mapping[TableId, tuple[FieldId, ...]]
    """The computed fields of each table whose cells change with the passing of time."""
    refusals: tuple[ConnectorError, ...]
    """Why these definitions are not taken, if they are not; a missing field is no reason."""

    @cached_property
    def concerned(self) -> AbstractSet[TableId]:
        """The tables that compute or are read by those that do; nothing follows from what happens in others."""
        return {*self.of_table, *(node.table for node in self.via)}

    @cached_property
    def of_table(self) -> Mapping[TableId, Sequence[Rule]]:
        """The rules of each table."""
        found: dict[TableId, list[Rule]] = {}
        for rule in self.rules.values():
            found.setdefault(rule.node.table, []).append(rule)
        return found


def recomputations(
    before: Iterable[Table], after: Plan, actor: Actor, *, rewritten: Iterable[Node] = ()
) -> list[Recomputation]:
    """Say what must be computed anew in all records after a change of the schema, on behalf of an actor.

    That is each computed field that is new or defined otherwise, and all that read ``rewritten`` fields, whose cells
    the change has written anew. What depends on those follows by itself.
    """
    known = {Node(table.id, each.id): each for table in before for each in table.fields}
    due: dict[TableId, dict[str, None]] = {}
    for node, rule in after.rules.items():
        held = known.get(node)
        if held is None or (held.type, held.options) != (rule.field.type, rule.field.options):
            due.setdefault(node.table, {})[node.field] = None
    for node in rewritten:
        readers = [*after.own.get(node, ()), *(rule for via in after.via.get(node, ()) for rule in via.rules)]
        for rule in readers:
            due.setdefault(rule.node.table, {})[rule.node.field] = None
    return [
        Recomputation(table, None, None, tuple(fields), actor.droplet, actor.cause) for table, fields in due.items()
    ]


def with_ids(table: Table) -> Table:
    """Return the table with the fields in its formulas named by id, so that they survive their renaming.

    Raises:
        FormulaSyntax, FormulaTooLarge: a formula cannot be read.
    """
    texts = {FieldType.FORMULA: "formula", FieldType.BUTTON: "url"}
    fields = []
    for each in table.fields:
        option = texts.get(each.type)
        text = None if option is None else each.options.get(option)
        if option is not None and text is not None:
            options = {**each.options, option: with_field_ids(text, table)}
            fields.append(dataclasses.replace(each, options=options))
        else:
            fields.append(each)
    return dataclasses.replace(table, fields=tuple(fields))


def plan_for(tables: Iterable[Table]) -> Plan:
    """Work out what tables compute. Definitions that cannot work give errors in cells, and are told in ``refusals``."""
    planner = _Planner({table.id: table for table in tables})
    return planner.plan()


@dataclass
class _Planner:
    tables: dict[TableId, Table]
    rules: dict[Node, Rule] = field(default_factory=dict)
    needs: dict[Node, list[Need]] = field(default_factory=dict)
    refusals: list[ConnectorError] = field(default_factory=list)

    def plan(self) -> Plan:
        order = self._order()
        for rank, node in enumerate(order.nodes):
            self._derive(node, rank, circular=node in order.circles)
        own: dict[Node, list[Rule]] = {}
        via: dict[Node, dict[tuple[TableId, FieldId], list[Rule]]] = {}
        for node, rule in self.rules.items():
            for need in self.needs[node]:
                if need.via is None:
                    own.setdefault(need.node, []).append(rule)
                else:
                    via.setdefault(need.node, {}).setdefault((node.table, need.via), []).append(rule)
        return Plan(
            tuple(self.tables.values()),
            self.rules,
            {node: tuple(dict.fromkeys(found)) for node, found in own.items()},
            {
                node: tuple(Via(table, link, tuple(dict.fromkeys(found))) for (table, link), found in groups.items())
                for node, groups in via.items()
            },
            {table.id: tuple(_moved(table)) for table in self.tables.values()},
            {table.id: tuple(self._links_read(table)) for table in self.tables.values()},
            {table.id: tuple(self._read_by_clock(table)) for table in self.tables.values()},
            tuple(self.refusals),
        )

    def _order(self) -> Order[Node]:
        """Put the computed fields in order by what their definitions name, right or wrong."""
        below = {}
        for table in self.tables.values():
            for each in table.derived_fields:
                node = Node(table.id, each.id)
                try:
                    self.needs[node] = list(self._named_by(table, each))
                except FormulaError:
                    # its derivation comes to the same error
                    self.needs[node] = []
                below[node] = [need.node for need in self.needs[node]]
        order = arrange(below)
        for circle in order.circles.values():
            self.refusals.append(CircularFields([self._name(node) for node in circle]))
        return order

    def _named_by(self, table: Table, each: Field) -> Iterator[Need]:
        match each.type:
            case FieldType.FORMULA:
                yield from self._read_by(each.options["formula"], table)
            case FieldType.BUTTON if each.options.get("url") is not None:
                yield from self._read_by(each.options["url"], table)
            case FieldType.ROLLUP | FieldType.MULTIPLE_LOOKUP_VALUES | FieldType.COUNT:
                link = each.options["recordLinkFieldId"]
                yield Need(Node(table.id, link))
                found = self._looked_at(table, each)
                if found is not None:
                    linked, looked_at = found
                    yield Need(Node(linked.id, looked_at.id), link)
            case FieldType.LAST_MODIFIED_BY | FieldType.LAST_MODIFIED_TIME:
                yield Need(Node(table.id, MODIFIED))
            case _:
                pass

    def _read_by(self, text: str, table: Table) -> Iterator[Need]:
        for each in fields_named(text, table):
            yield Need(Node(table.id, each.id))
        for link, primary in self._names(fields_named(text, table)):
            yield Need(Node(self._linked(table, link), primary.id), link)

    def _names(self, fields: Iterable[Field]) -> list[Named]:
        links = [each for each in fields if each.type is FieldType.MULTIPLE_RECORD_LINKS]
        tables = [(each, self.tables.get(each.options["linkedTableId"])) for each in links]
        return [Named(each.id, table.primary_field) for each, table in tables if table is not None]

    def _linked(self, table: Table, link: str) -> TableId:
        return TableId(table.by_id[link].options["linkedTableId"])

    def _looked_at(self, table: Table, each: Field) -> tuple[Table, Field] | None:
        """Return the field that a rollup or a lookup looks at, and its table; None when there is none."""
        link = table.by_id.get(each.options["recordLinkFieldId"])
        if link is None or link.type is not FieldType.MULTIPLE_RECORD_LINKS:
            return None
        linked = self.tables.get(link.options["linkedTableId"])
        looked_at = None if linked is None else linked.by_id.get(each.options.get("fieldIdInLinkedTable", ""))
        return None if linked is None or looked_at is None else (linked, looked_at)

    def _name(self, node: Node) -> str:
        table = self.tables[node.table]
        return f"{table.name}.{table.by_id[node.field].name}"

    def _links_read(self, table: Table) -> Iterator[FieldId]:
        read = {need.via for node, needs in self.needs.items() if node.table == table.id for need in needs}
        return (linked.id for linked in table.link_fields if linked.id in read)

    def _read_by_clock(self, table: Table) -> Iterator[FieldId]:
        return (rule.field.id for node, rule in self.rules.items() if node.table == table.id and rule.reads_time)

    # one field after the other, each after those that it reads

    def _derive(self, node: Node, rank: int, *, circular: bool) -> None:
        table = self.tables[node.table]
        each = table.by_id[node.field]
        try:
            made = None if circular else self._made(node, table, each)
        except UnknownFieldNames:
            made = None
        except FormulaError as refusal:
            self.refusals.append(refusal)
            made = None
        if made is None:
            self.needs[node] = []
            in_list = each.type is FieldType.MULTIPLE_LOOKUP_VALUES
            made = _Made({"isValid": False, "result": None}, rules.broken_lookup if in_list else rules.broken)
        described = self._describe(table, each, made.options)
        self.rules[node] = Rule(node, rank, described, made.links, made.compute, made.reads_time)

    def _describe(self, table: Table, each: Field, derived: Mapping[str, Any]) -> Field:
        """Put the derived options into the field, and the field into its table."""
        told = {name for name in ("isValid", "result", "referencedFieldIds") if name in derived}
        if not told:
            return each
        described = dataclasses.replace(each, options={**each.options, **derived})
        if described != each:
            fields = tuple(described if known.id == each.id else known for known in table.fields)
            self.tables[table.id] = dataclasses.replace(table, fields=fields)
        return described

    def _made(self, node: Node, table: Table, each: Field) -> "_Made | None":
        match each.type:
            case FieldType.FORMULA:
                return self._formula(node, table, each)
            case FieldType.BUTTON:
                return self._button(node, table, each)
            case FieldType.ROLLUP:
                return self._rollup(table, each)
            case FieldType.MULTIPLE_LOOKUP_VALUES:
                return self._lookup(table, each)
            case FieldType.COUNT:
                return self._count(table, each)
            case FieldType.CREATED_BY:
                return _Made({}, rules.signed(each, by_creator=True))
            case FieldType.LAST_MODIFIED_BY:
                return _Made({}, rules.signed(each, by_creator=False))
            case _:
                return _Made({}, rules.dated(each))

    def _formula(self, node: Node, table: Table, each: Field) -> "_Made":
        formula = self._compiled(node, each.options["formula"], table)
        named = self._names(formula.fields)
        options = {
            "isValid": True,
            "referencedFieldIds": [known.id for known in formula.fields],
            "result": dict(_RESULTS[formula.result]),
        }
        return _Made(options, rules.evaluated(formula, named), rules.needed_links(named), formula.reads_time)

    def _button(self, node: Node, table: Table, each: Field) -> "_Made":
        label = str(each.options.get("label") or LABEL)
        if each.options.get("url") is None:
            return _Made({}, rules.labelled(label, None, ()))
        formula = self._compiled(node, each.options["url"], table)
        named = self._names(formula.fields)
        compute = rules.labelled(label, formula, named)
        return _Made({}, compute, rules.needed_links(named), formula.reads_time)

    def _compiled(self, node: Node, text: str, table: Table) -> Formula:
        formula = compile_formula(text, table)
        if Fact.MODIFIED in formula.inputs:
            self.needs[node].append(Need(Node(table.id, MODIFIED)))
        return formula

    def _rollup(self, table: Table, each: Field) -> "_Made | None":
        found = self._looked_at(table, each)
        if found is None:
            return None
        _, looked_at = found
        link = FieldId(each.options["recordLinkFieldId"])
        values = Field(FieldId(VALUES), VALUES, FieldType.MULTIPLE_LOOKUP_VALUES, _lookup_options(each, looked_at))
        formula = compile_formula(each.options["formula"], Table(TableId(VALUES), each.name, (values,)))
        options = {"isValid": True, "referencedFieldIds": [], "result": dict(_RESULTS[formula.result])}
        compute = rules.aggregated(formula, link, looked_at)
        return _Made(options, compute, frozenset({link}), formula.reads_time)

    def _lookup(self, table: Table, each: Field) -> "_Made | None":
        found = self._looked_at(table, each)
        if found is None:
            return None
        _, looked_at = found
        link = FieldId(each.options["recordLinkFieldId"])
        options = {"isValid": True, "result": _lookup_options(each, looked_at)["result"]}
        return _Made(options, rules.looked_up(link, looked_at), frozenset({link}))

    def _count(self, table: Table, each: Field) -> "_Made | None":
        link = table.by_id.get(each.options["recordLinkFieldId"])
        if link is None or link.type is not FieldType.MULTIPLE_RECORD_LINKS:
            return None
        return _Made({"isValid": True}, rules.counted(link.id))


class _Made(NamedTuple):
    options: Mapping[str, Any]
    compute: Compute
    links: frozenset[FieldId] = frozenset()
    reads_time: bool = False


def _lookup_options(each: Field, looked_at: Field) -> dict[str, Any]:
    """Return the options of a lookup: the items are what the looked-up field's cells, or their items, are."""
    result = looked_at.options.get("result")
    if looked_at.type is looked_at.holds and looked_at.type is not FieldType.MULTIPLE_LOOKUP_VALUES:
        result = {"type": str(looked_at.type)}
        if looked_at.options:
            result["options"] = dict(looked_at.options)
    return {
        "recordLinkFieldId": each.options["recordLinkFieldId"],
        "fieldIdInLinkedTable": each.options["fieldIdInLinkedTable"],
        "result": result or {"type": str(looked_at.holds)},
    }


def _moved(table: Table) -> Iterator[str]:
    yield MODIFIED
    for each in table.fields:
        if each.is_fact and each.type is FieldType.LAST_MODIFIED_TIME:
            yield each.id
