"""Callers write, calls are lost and looked at, in any order: the decisions of the outbox make each write count once."""

import dataclasses
import itertools
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from tests.factories.intents import AGE, NAME, NOON, TABLE, intent

from airtable_connector.airtable import CloudRecord, Done, Merged, NotDone, Refused, Unknown, Why
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.sync.outbox.fates import (
    Again,
    Answered,
    Fate,
    Gone,
    Lost,
    Overtaken,
    Stored,
    TurnedDown,
    after_call,
    looked_at_create,
    looked_at_deletion,
    looked_at_update,
)
from airtable_connector.sync.outbox.intents import CreationKey, Element, Intent, Kind, State, by_target, numbered
from airtable_connector.sync.outbox.planning import Call, Known, plan

KEY = FieldId("fldKey")
CELLS = st.dictionaries(st.sampled_from([NAME, AGE]), st.sampled_from(["a", "b", None]), min_size=1)


class Cloud:
    """Airtable, as far as calls that write go."""

    def __init__(self) -> None:
        self.records: dict[RecordId, dict[FieldId, Any]] = {}
        self.made = 0

    def do(self, call: Call, key: CreationKey | None) -> Answered:
        if call.kind is Kind.DELETE:
            missing = [each.target for each in call.elements if each.target not in self.records]
            if missing:
                return Refused(404, "NOT_FOUND", "", missing[0])
            for each in call.elements:
                del self.records[each.target]
            return Done(frozenset(each.target for each in call.elements))
        found = [self._write(each, key) for each in call.elements]
        return Done(Merged(found, frozenset())) if call.upsert else Done(found)

    def _write(self, element: Element, key: CreationKey | None) -> CloudRecord:
        written: dict[FieldId, Any] = dict(element.cells)
        target = element.target
        if element.kind is Kind.CREATE:
            if key is not None:
                written[KEY] = element.first.record
            target = next((name for name, cells in self.records.items() if key and cells[KEY] == written[KEY]), None)  # type: ignore[assignment]
            if target is None:
                self.made += 1
                target = RecordId(f"recThere{self.made:09d}")
                self.records[target] = {}
        cells = {**self.records[target], **written}
        self.records[target] = {name: cell for name, cell in cells.items() if cell is not None}
        return self.record(target)

    def record(self, name: RecordId) -> CloudRecord:
        return CloudRecord(name, NOON + timedelta(seconds=int(name[8:])), self.records[name])


class Outgoing(RuleBasedStateMachine):
    @initialize(keyed=st.booleans())
    def begin(self, keyed: bool) -> None:  # noqa: FBT001
        self.key = CreationKey(KEY, minted=True) if keyed else None
        self.cloud = Cloud()
        self.open: list[Intent] = []
        self.wanted: dict[RecordId, dict[FieldId, Any]] = {}
        self.real: dict[RecordId, RecordId] = {}
        self.numbers = itertools.count(1)
        self.calls = itertools.count(1)

    # callers

    @rule(cells=CELLS)
    def create(self, cells: dict[FieldId, Any]) -> None:
        number = next(self.numbers)
        filled = {name: cell for name, cell in cells.items() if cell is not None}
        self._wish(f"n{number}", Kind.CREATE, filled, number)

    @rule(cells=CELLS, data=st.data())
    def update(self, cells: dict[FieldId, Any], data: st.DataObject) -> None:
        if self.wanted:
            record = data.draw(st.sampled_from(sorted(self.wanted)))
            self._wish(record[3:], Kind.UPDATE, cells, next(self.numbers))

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        if self.wanted:
            record = data.draw(st.sampled_from(sorted(self.wanted)))
            self._wish(record[3:], Kind.DELETE, {}, next(self.numbers))

    def _wish(self, name: str, kind: Kind, cells: dict[FieldId, Any], number: int) -> None:
        made = intent(name, kind, cells, number=numbered(number))
        if kind is Kind.DELETE:
            del self.wanted[made.record]
        else:
            merged = {**self.wanted.get(made.record, {}), **cells}
            self.wanted[made.record] = {field: cell for field, cell in merged.items() if cell is not None}
        target = made.record if kind is Kind.CREATE else self.real.get(made.record, made.record)
        self.open.append(dataclasses.replace(made, target=target))

    # calls

    @rule(fault=st.sampled_from(["none", "none", "lost before", "lost after", "not done", "nameless"]))
    def send(self, fault: str) -> None:
        waiting = [each for each in self.open if each.call is None]
        decided = plan(waiting, Known(by_target(self.open), {TABLE: self.key}))
        for element in decided.needless:
            self._end(element)
        call = decided.call
        if call is None:
            return
        self._change(call.numbers, call=f"cal{next(self.calls)}", state=State.SENDING)
        self._apply(after_call(call, self._outcome(call, fault)))

    def _outcome(self, call: Call, fault: str) -> Answered:
        match fault:
            case "lost before":
                return Unknown("it broke off")
            case "lost after":
                self.cloud.do(call, self.key)
                return Unknown("it broke off")
            case "not done":
                return NotDone(Why.UNREACHED)
            case "nameless" if sum(len(each.intents) for each in call.elements) > 1:
                return Refused(422, "INVALID_REQUEST", "")
            case _:
                return self.cloud.do(call, self.key)

    @rule(data=st.data())
    def look(self, data: st.DataObject) -> None:
        calls = sorted({each.call for each in self.open if each.call is not None})
        if calls:
            self._look(data.draw(st.sampled_from(calls)))

    def _look(self, call: str) -> None:
        groups = by_target(each for each in self.open if each.call == call).values()
        for element in sorted((Element(tuple(group)) for group in groups), key=lambda each: -len(each.cells)):
            self._apply([(element, self._seen(element))])

    def _seen(self, element: Element) -> Fate:
        found = self.cloud.record(element.target) if element.target in self.cloud.records else None
        if element.kind is Kind.DELETE:
            return looked_at_deletion(found)
        if element.kind is Kind.UPDATE:
            return looked_at_update(element, found, {} if found is None else found.cells)  # type: ignore[arg-type]
        if self.key is not None:
            fits = [name for name, cells in self.cloud.records.items() if cells[KEY] == element.first.record]
        else:
            filled = {name: cell for name, cell in element.cells.items() if cell is not None}
            free = self.cloud.records.keys() - self.real.values()
            # the search itself also claims records with more cells; what keeps it from mistakes needs its own calls
            fits = [name for name in free if self.cloud.records[name] == filled]
        return looked_at_create(map(self.cloud.record, fits))

    def _apply(self, fates: Sequence[tuple[Element, Fate]]) -> None:
        for element, fate in fates:
            match fate:
                case Stored(record):
                    self._end(element)
                    if element.kind is Kind.CREATE:
                        self.real[element.first.record] = record.id
                        later = [each.number for each in self.open if each.target == element.first.record]
                        self._change(later, target=record.id)
                case Gone():
                    self._end(element)
                case Again(most):
                    change = {} if most is None else {"most": most}
                    self._change(element.numbers, call=None, state=State.WAITING, **change)
                case Lost():
                    self._change(element.numbers, state=State.UNKNOWN)
                case TurnedDown() | Overtaken():
                    raise AssertionError(fate)

    def _change(self, numbers: Sequence[int], **change: Any) -> None:
        self.open = [dataclasses.replace(each, **change) if each.number in numbers else each for each in self.open]

    def _end(self, element: Element) -> None:
        self.open = [each for each in self.open if each.number not in element.numbers]

    def teardown(self) -> None:
        for _ in range(1_000):
            if not getattr(self, "open", ()):
                break
            for call in {each.call for each in self.open if each.call is not None}:
                self._look(call)
            self.send("none")
        else:
            raise AssertionError(self.open)
        if hasattr(self, "cloud"):
            stored = {
                name: {field: cell for field, cell in cells.items() if field != KEY}
                for name, cells in self.cloud.records.items()
            }
            assert stored == {self.real[record]: cells for record, cells in self.wanted.items()}


TestOutgoing = Outgoing.TestCase
TestOutgoing.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
