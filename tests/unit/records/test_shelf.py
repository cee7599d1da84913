"""A shelf shows a table's records in the order of creation, whatever comes and goes."""

import dataclasses

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from airtable_connector.kernel.ids import RecordId
from airtable_connector.records import SPRINTS, Record
from airtable_connector.records.cache import Put, Remove, Shelf


def a_record(number: int, *, ordinal: int | None = None, name: str = "") -> Record:
    at = "2026-01-05T12:00:00.000Z"
    cells = {SPRINTS.field("Name").id: name} if name else {}
    return Record(ordinal or number, RecordId(f"rec{number:014d}"), SPRINTS.id, None, at, at, number, cells)


def shown(shelf: Shelf, size: int = 3) -> list[str]:
    found: list[str] = []
    after: int | None = 0
    while after is not None:
        blobs, after = shelf.page(after, size)
        found += [orjson.loads(blob)["id"] for blob in blobs]
    return found


def test_memory_grows_and_shrinks_with_what_is_held() -> None:
    shelf = Shelf(SPRINTS)
    sizes = [shelf.memory]
    for effect in (Put(a_record(1)), Put(a_record(1, name="x" * 500)), Put(a_record(2)), Remove(a_record(1).id)):
        shelf.take(1, [effect])
        sizes.append(shelf.memory)
    assert sizes[0] == 0
    assert sizes[1] < sizes[2] - 500 < sizes[3] - 600
    assert sizes[4] < sizes[3] - 500


def test_the_version_never_goes_back() -> None:
    shelf = Shelf(SPRINTS)
    shelf.take(5, [])
    shelf.take(3, [Put(a_record(1))])
    assert shelf.version == 5


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=60), st.integers(1, 5))
def test_records_come_and_go_and_the_order_stays(steps: list[tuple[bool, int]], size: int) -> None:
    shelf, model, ordinal = Shelf(SPRINTS), dict[str, Record](), 0
    for put, number in steps:
        record = a_record(number)
        if put and record.id not in model:
            ordinal += 1
            record = dataclasses.replace(record, ordinal=ordinal)
        effect = Put(model.get(record.id, record)) if put else Remove(record.id)
        if put:
            model[record.id] = model.get(record.id, record)
        else:
            model.pop(record.id, None)
        shelf.take(1, [effect])
        assert len(shelf) == len(model)
        assert shown(shelf, size) == sorted(model, key=lambda one: model[one].ordinal)


def test_records_may_arrive_out_of_their_order() -> None:
    shelf = Shelf(SPRINTS)
    shelf.take(1, [Put(a_record(number)) for number in (5, 1, 3, 4, 2)])
    assert shown(shelf) == [a_record(number).id for number in (1, 2, 3, 4, 5)]
