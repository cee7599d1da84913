"""A query as SQL."""

# ruff: noqa: S608 - every statement is put together from literal texts of this room; values go in as parameters

from collections.abc import Sequence

from airtable_connector.database import Reader, Sql
from airtable_connector.records.query import SORTED_CHARACTERS, Query, Sort, sorts_as_number, sorts_as_text
from airtable_connector.records.schema import FAILING_TYPES, NAMING_MEMBERS, Field, FieldType, Record, storable
from airtable_connector.records.storage.rows import CELLS_POSTGRES, CELLS_SQLITE, COLUMNS, record_from


async def find(reader: Reader, query: Query) -> list[Record]:
    """Answer a question with up to ``page_size + 1`` records; the one too many says that there is a next page."""
    statement = _Statement(query)
    rows = await reader.all(statement.sql(), **statement.values)
    return [record_from(row) for row in rows]


class _Statement:
    """Puts a query into SQL; fragments are literal texts, names and values go in as parameters."""

    def __init__(self, query: Query) -> None:
        self.query = query
        self.values: dict[str, object] = {"table": query.table.id, "count": query.page_size + 1}

    def sql(self) -> Sql:
        return Sql(*(self._text(postgres=postgres) for postgres in (False, True)))

    def _text(self, *, postgres: bool) -> str:
        query = self.query
        conditions = ["table_id = :table"]
        conditions += [self._equals(n, postgres=postgres) for n in range(len(query.equals))]
        if query.text is not None:
            conditions.append(self._contains(query.text, postgres=postgres))
        if query.updated_since is not None:
            self.values["updated_since"] = query.updated_since
            conditions.append("modified_at >= :updated_since")
        keys = [key for n in range(len(query.sort)) for key in self._keys(n, postgres=postgres)]
        conditions += self._beyond(keys)
        order = ", ".join([f"{expression} {direction}" for expression, direction in keys] + ["ordinal"])
        cells = CELLS_POSTGRES if postgres else CELLS_SQLITE
        return f"select {COLUMNS}, {cells} from records where {' and '.join(conditions)} order by {order} limit :count"

    def _cell(self, field: Field) -> str:
        name = f"f{list(self.query.table.fields).index(field)}"
        self.values[name] = field.id
        if field.type in NAMING_MEMBERS:
            return f"cells -> :{name} ->> '{NAMING_MEMBERS[field.type]}'"
        return f"cells ->> :{name}"

    def _value(self, field: Field, *, postgres: bool) -> str:
        """Write a cell that is compared by its value; a computed one that is an object, as errors are, has none."""
        cell = self._cell(field)
        if field.type not in FAILING_TYPES:
            return cell
        name = cell.removeprefix("cells ->> ")
        kind = f"jsonb_typeof(cells -> {name})" if postgres else f"json_type(cells, '$.' || {name})"
        return f"case when {kind} = 'object' then null else {cell} end"

    def _equals(self, number: int, *, postgres: bool) -> str:
        item = self.query.equals[number]
        field, value = item.field, f"e{number}"
        column = _column(field)
        if item.cell is None:
            return f"{column or f'({self._cell(field)})'} is null"
        cell = column or f"({self._value(field, postgres=postgres)})"
        if field.holds is FieldType.CHECKBOX:
            return f"{cell} is not null"
        if isinstance(item.cell, list):
            self.values[value] = str(item.cell[0])
            path = f":f{list(self.query.table.fields).index(field)}"
            if postgres:
                return f"coalesce((cells -> {path}) ? :{value}, false)"
            return f"exists (select 1 from json_each(cells, '$.' || {path}) where json_each.value = :{value})"
        if sorts_as_text(field) or field.type is FieldType.SINGLE_SELECT:
            self.values[value] = str(item.cell)
            return f"{cell} = :{value}"
        self.values[value] = float(item.cell)  # type: ignore[arg-type] # the field holds numbers
        return f"cast({cell} as double precision) = :{value}"

    def _contains(self, text: str, *, postgres: bool) -> str:
        if not storable(text):
            return "1 = 0"
        self.values["q"] = text
        if postgres:
            found = 'strpos(lower(({}) collate "C"), lower(cast(:q as text) collate "C")) > 0'
        else:
            found = "instr(lower({}), lower(:q)) > 0"
        inside = [found.format(self._value(field, postgres=postgres)) for field in self.query.table.text_fields]
        return f"({' or '.join(inside)})" if inside else "1 = 0"

    def _keys(self, number: int, *, postgres: bool) -> list[tuple[str, str]]:
        sort = self.query.sort[number]
        direction = "desc" if sort.descending else "asc"
        present, value = self._sort_expressions(sort, postgres=postgres)
        return [(present, direction), (value, direction)]

    def _sort_expressions(self, sort: Sort, *, postgres: bool) -> tuple[str, str]:
        field = sort.field
        collation = ' collate "C"' if postgres else ""
        column = _column(field)
        if column is not None:
            return "1 + 0", f"{column}{collation}"
        present = f"(case when ({self._cell(field)}) is null then 0 else 1 end)"
        cell = f"({self._value(field, postgres=postgres)})"
        if field.holds is FieldType.CHECKBOX:
            return present, f"(case when {cell} is null then 0 else 1 end)"
        if field.type is FieldType.SINGLE_SELECT:
            return present, self._choice_order(field, cell)
        if sorts_as_text(field):
            return present, f"lower(substr(coalesce({cell}, ''), 1, {SORTED_CHARACTERS}){collation}){collation}"
        return present, f"coalesce(cast({cell} as double precision), 0)"

    def _choice_order(self, field: Field, cell: str) -> str:
        column = list(self.query.table.fields).index(field)
        cases = []
        for n, choice in enumerate(field.choices):
            self.values[f"c{column}_{n}"] = choice
            cases.append(f"when :c{column}_{n} then {n}")
        if not cases:
            return "0 + 0"
        return f"(case when {cell} is null then 0 else (case {cell} {' '.join(cases)} else {len(cases)} end) end)"

    def _beyond(self, keys: Sequence[tuple[str, str]]) -> list[str]:
        """Say "after this position" for keys of mixed directions: a chain of "greater, or equal and ..."."""
        after = self.query.after
        if after is None:
            return []
        self.values["ordinal"] = after.ordinal
        condition = "ordinal > :ordinal"
        for n in reversed(range(len(keys))):
            expression, direction = keys[n]
            is_number = n % 2 == 1 and sorts_as_number(self.query.sort[n // 2].field)
            self.values[f"k{n}"] = float(after.keys[n]) if is_number else after.keys[n]
            beyond = ">" if direction == "asc" else "<"
            condition = f"({expression} {beyond} :k{n} or ({expression} = :k{n} and {condition}))"
        return [condition]


def _column(field: Field) -> str | None:
    """Name the column of a fact of the record; other fields have cells."""
    if not field.is_fact:
        return None
    return "created_at" if field.type is FieldType.CREATED_TIME else "modified_at"
