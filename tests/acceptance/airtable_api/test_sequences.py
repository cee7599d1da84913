"""Random sequences of record operations, compared after each step with a dictionary that does the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.acceptance.airtable_api.conftest import Wire

Fields: TypeAlias = dict[str, Any]
RUNS = count(1)

CELLS = {
    "Project": st.sampled_from(["", "a", "B", "ä\n😀", "it's"]),
    "Developer Name": st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), max_size=20),
    "Status": st.sampled_from(["Pending", "Pass", "Fail", None]),
    "Score": st.integers(-5, 5) | st.floats(-1e6, 1e6) | st.none(),
    "Started At": st.sampled_from(["2026-01-31T12:00:00.000Z", "2024-02-29T23:59:59.999Z", None]),
}
NUMBERS = st.integers(0, 1_000)
FIELDS = st.fixed_dictionaries({}, optional=CELLS)
MANY = st.lists(FIELDS, min_size=1, max_size=10)
CHANGES = st.lists(st.tuples(NUMBERS, FIELDS), min_size=1, max_size=10)
OPERATIONS = st.one_of(
    st.tuples(st.just("create"), FIELDS),
    st.tuples(st.just("create_many"), MANY),
    st.tuples(st.just("update"), NUMBERS, FIELDS),
    st.tuples(st.just("replace"), NUMBERS, FIELDS),
    st.tuples(st.just("update_many"), CHANGES),
    st.tuples(st.just("replace_many"), CHANGES),
    st.tuples(st.just("upsert"), MANY, st.booleans()),
    st.tuples(st.just("destroy"), NUMBERS),
    st.tuples(st.just("destroy_many"), st.lists(NUMBERS, min_size=1, max_size=10)),
    st.tuples(st.just("refused"), MANY),
)


@dataclass
class Model:
    """What Airtable would hold: the records of one run, in the order of their creation, without empty cells."""

    wire: Wire
    tag: str
    records: dict[str, Fields] = field(default_factory=dict)

    @property
    def path(self) -> str:
        return self.wire.path("Submissions")

    def send(self, method: str, path: str, **more: Any) -> Any:
        status, body = self.wire.ask(method, path, **more)
        assert status == 200, body
        return body

    def chosen(self, number: int) -> str | None:
        ids = list(self.records)
        return ids[number % len(ids)] if ids else None

    def marked(self, fields: Fields) -> Fields:
        return {**fields, "Token": self.tag}

    def took(self, shown: Any, expected: Fields) -> None:
        assert shown["fields"] == expected
        self.records[shown["id"]] = expected

    def create(self, fields: Fields) -> None:
        sent = self.marked(fields)
        self.took(self.send("POST", self.path, json={"fields": sent}), kept(sent))

    def create_many(self, many: list[Fields]) -> None:
        sent = [self.marked(fields) for fields in many]
        body = self.send("POST", self.path, json={"records": [{"fields": fields} for fields in sent]})
        for shown, fields in zip(body["records"], sent, strict=True):
            self.took(shown, kept(fields))

    def update(self, number: int, fields: Fields) -> None:
        if (record := self.chosen(number)) is not None:
            shown = self.send("PATCH", f"{self.path}/{record}", json={"fields": fields})
            self.took(shown, kept({**self.records[record], **fields}))

    def replace(self, number: int, fields: Fields) -> None:
        if (record := self.chosen(number)) is not None:
            sent = self.marked(fields)
            self.took(self.send("PUT", f"{self.path}/{record}", json={"fields": sent}), kept(sent))

    def update_many(self, changes: list[tuple[int, Fields]]) -> None:
        self._change_many("PATCH", changes, lambda held, fields: {**held, **fields})

    def replace_many(self, changes: list[tuple[int, Fields]]) -> None:
        marked = [(number, self.marked(fields)) for number, fields in changes]
        self._change_many("PUT", marked, lambda _held, fields: fields)

    def _change_many(
        self, method: str, changes: list[tuple[int, Fields]], changed: Callable[[Fields, Fields], Fields]
    ) -> None:
        by_record = {record: fields for number, fields in changes if (record := self.chosen(number)) is not None}
        if not by_record:
            return
        sent = [{"id": record, "fields": fields} for record, fields in by_record.items()]
        body = self.send(method, self.path, json={"records": sent})
        assert [shown["id"] for shown in body["records"]] == list(by_record)
        for shown in body["records"]:
            self.took(shown, kept(changed(self.records[shown["id"]], by_record[shown["id"]])))

    def upsert(self, many: list[Fields], replacing: bool) -> None:  # noqa: FBT001 - drawn
        """Merge on the run and a name that at most one of its records and one of the request has."""
        named = {f"{self.tag}-{number % 4}": fields for number, fields in enumerate(many)}
        sent = [{"fields": {**self.marked(fields), "Submission ID": name}} for name, fields in named.items()]
        merge = {"fieldsToMergeOn": ["Submission ID", "Token"]}
        body = self.send("PUT" if replacing else "PATCH", self.path, json={"performUpsert": merge, "records": sent})
        known = {held.get("Submission ID"): record for record, held in self.records.items()}
        created, updated = [], []
        for shown, item in zip(body["records"], sent, strict=True):
            record = known.get(item["fields"]["Submission ID"])
            (created if record is None else updated).append(shown["id"])
            held = {} if replacing or record is None else self.records[record]
            assert record in {None, shown["id"]}
            self.took(shown, kept({**held, **item["fields"]}))
        assert (body["createdRecords"], body["updatedRecords"]) == (created, updated)

    def destroy(self, number: int) -> None:
        if (record := self.chosen(number)) is not None:
            assert self.send("DELETE", f"{self.path}/{record}") == {"id": record, "deleted": True}
            del self.records[record]

    def destroy_many(self, numbers: list[int]) -> None:
        gone = list(dict.fromkeys(record for number in numbers if (record := self.chosen(number)) is not None))
        if gone:
            body = self.send("DELETE", self.path, params=[("records[]", record) for record in gone])
            assert body == {"records": [{"id": record, "deleted": True} for record in gone]}
            for record in gone:
                del self.records[record]

    def refused(self, many: list[Fields]) -> None:
        """A batch of which one record cannot be changes nothing."""
        sent = [{"fields": self.marked(fields)} for fields in many]
        sent[-1]["fields"] = {**sent[-1]["fields"], "Score": "many"}
        assert self.wire.refused("POST", self.path, json={"records": sent})[:2] == (422, "INVALID_VALUE_FOR_COLUMN")

    def listed(self, **parameters: Any) -> list[tuple[str, Fields]]:
        found, offset = [], {}
        while True:
            asked = {"filterByFormula": f"{{Token}}='{self.tag}'", "pageSize": 7, **parameters, **offset}
            body = self.send("GET", self.path, params=asked)
            found += [(record["id"], record["fields"]) for record in body["records"]]
            if "offset" not in body:
                return found
            offset = {"offset": body["offset"]}

    def compare(self) -> None:
        assert self.listed() == list(self.records.items())
        scored = self.listed(**{"sort[0][field]": "Score", "sort[0][direction]": "desc"})
        order = sorted(self.records.items(), key=lambda item: item[1].get("Score", float("-inf")), reverse=True)
        assert scored == order


def kept(fields: Fields) -> Fields:
    """Leave out what Airtable does not show: empty cells."""
    return {name: cell for name, cell in fields.items() if cell not in (None, "")}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=st.lists(OPERATIONS, min_size=1, max_size=12))
def test_the_base_holds_what_a_dictionary_would(wire: Wire, operations: list[tuple[Any, ...]]) -> None:
    model = Model(wire, f"run-{next(RUNS)}")
    for name, *arguments in operations:
        getattr(model, name)(*arguments)
        model.compare()
