"""Computing what follows from a request: in its records, and in those that read them over links.

What a request touches is computed with it, up to a bound. What lies beyond is asked for as a recomputation, a row in
the same transaction, and done afterwards in portions.
"""

import dataclasses
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from airtable_connector.database import Transaction
from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import FieldId, RecordId
from airtable_connector.records import storage
from airtable_connector.records.computing.plan import Plan, Via
from airtable_connector.records.computing.rules import Edit, Node, Rule
from airtable_connector.records.draft import Draft
from airtable_connector.records.feed import Action
from airtable_connector.records.preparing import link_targets
from airtable_connector.records.requests import Actor, Effected, Written
from airtable_connector.records.schema import Cell, FieldType, Record
from airtable_connector.records.storage import Recomputation

REQUESTS_IN_FULL: Final = 10
"""Requests of one transaction that may touch as many records as one may; those after them leave theirs for later."""

MOST_LINKED: Final = 5_000
"""Linked records that several records may read together; where they would read more, they follow in small portions."""

EDITS_LOOKED_AT: Final = 50
"""The last entries of a record's history, in which is looked who changed it when a field asks that for all records."""

HISTORICAL_TYPES: Final = frozenset({FieldType.CREATED_BY, FieldType.LAST_MODIFIED_BY, FieldType.LAST_MODIFIED_TIME})
"""Types whose cells follow from what somebody did, not from what the records hold."""

LONGEST_HOLD: Final = 0.002
"""Seconds that computing holds the event loop before others get a turn."""


class Settling:
    """The computing of one transaction.

    Args:
        portion: how many records beside its own a request may touch, and a recomputation does at a time.
        postponed: called when something is left to be recomputed later.
    """

    def __init__(
        self,
        tx: Transaction,
        draft: Draft,
        plan: Plan,
        *,
        portion: int,
        now: datetime,
        clock: Clock,
        postponed: Callable[[], object],
    ) -> None:
        self._tx = tx
        self._draft = draft
        self._plan = plan
        self._portion = portion
        self._now = now
        self._clock = clock
        self._postponed = postponed
        self._gained: dict[tuple[FieldId, str], set[str]] = {}
        """Which records were given a link, which the index in the store does not show yet."""
        self._touched = 0

    async def settle(self, actor: Actor, written: Sequence[Written]) -> tuple[Written, ...]:
        """Compute what follows from the draft's present request, and return its outcome with the computed cells."""
        round_ = _Round(self._draft, self._now, actor)
        for change in self._draft.changes:
            record = self._draft.find(change.record)
            if change.after is None or record is None or record.table != change.table:
                continue
            if record.table not in self._plan.concerned:
                continue
            self._note_links(record, change.after)
            round_.edited(record, change.after, creates=change.action is Action.CREATE)
        room = min(self._portion, self._portion * REQUESTS_IN_FULL - self._touched)
        for node, ids in self._changed_by(round_).items():
            await self._spread(round_, node, ids, room)
        await self._compute(round_, room)
        self._touched += len(round_.touched)
        return tuple(self._now_written(item) for item in written)

    async def recompute(self, wanted: Recomputation) -> None:
        """Do one portion of a recomputation, as a request of its own."""
        actor = Actor(wanted.actor, wanted.cause)
        page = await self._page(wanted)
        round_ = _Round(self._draft, self._now, actor)
        rules = [rule for name in wanted.fields if (rule := self._plan.rules.get(Node(wanted.table, name)))]
        portion = _affordable(rules, page)
        round_.due(rules, [record.id for record in portion])
        if any(rule.field.type in HISTORICAL_TYPES for rule in rules):
            for record in portion:
                round_.past[record.id] = await self._past(record)
        # first, for what is computed now may ask for this very recomputation once more
        await self._go_on(wanted, portion, ended=len(portion) == len(page) < self._portion)
        await self._compute(round_, self._portion)

    def _changed_by(self, round_: "_Round") -> Mapping[Node, Sequence[str]]:
        """Return what somebody changed, and say that new records are due whole."""
        changed: dict[Node, list[str]] = {}
        for record_id, edit in round_.changed.items():
            record = round_.record(record_id)
            assert record is not None
            if edit.creates:
                round_.due(self._plan.of_table.get(record.table, ()), [record_id])
            for name in (*edit.fields, *self._plan.moved.get(record.table, ())):
                changed.setdefault(Node(record.table, name), []).append(record_id)
        return changed

    # portions

    async def _page(self, wanted: Recomputation) -> list[Record]:
        if wanted.link is None or wanted.target is None:
            page = await storage.records_after(self._tx, wanted.table, wanted.after, self._portion)
            page = [record for record in page if record.ordinal <= wanted.through]
        else:
            page = await storage.records_referring_after(
                self._tx,
                wanted.link,
                wanted.target,
                after=wanted.after,
                through=wanted.through,
                count=self._portion,
            )
        self._draft.learn(page)
        return page

    async def _past(self, record: Record) -> list[Edit]:
        """Ask the feed what somebody changed in a record; of a long history the last changes and the first."""
        computed = {rule.node.field for rule in self._plan.of_table.get(record.table, ())}
        edits = []
        for change in await storage.last_changes(self._tx, record.id, EDITS_LOOKED_AT):
            # of an entry that has lost its content nobody knows what was changed
            fields = frozenset((change.after or {}).keys() - computed)
            creates = change.action is Action.CREATE
            if creates or fields:
                edits.append(Edit(change.actor, change.at, fields, creates))
        return edits

    async def _go_on(self, wanted: Recomputation, portion: Sequence[Record], *, ended: bool) -> None:
        turn = self._draft.head.seq
        if not ended:
            left = dataclasses.replace(wanted, after=portion[-1].ordinal)
            await storage.keep_recomputation(self._tx, left, turn=turn)
        elif wanted.again:
            left = dataclasses.replace(wanted, after=0, through=wanted.again, again=0)
            await storage.keep_recomputation(self._tx, left, turn=turn)
        else:
            await storage.end_recomputation(self._tx, wanted)

    # one round

    async def _compute(self, round_: "_Round", room: int) -> None:
        until = self._clock.monotonic() + LONGEST_HOLD
        while (due := round_.next()) is not None:
            rule, ids = due
            await self._load(round_, rule, ids)
            changed = []
            for record_id in ids:
                if round_.computed(rule, record_id):
                    changed.append(record_id)
                if self._clock.monotonic() >= until:
                    await self._clock.sleep(timedelta(0))
                    until = self._clock.monotonic() + LONGEST_HOLD
            await self._spread(round_, rule.node, changed, room)
        round_.put_down()

    async def _load(self, round_: "_Round", rule: Rule, ids: Iterable[str]) -> None:
        """Load the records that a rule computes, and those that it reads over links."""
        await self._learn(ids)
        linked: set[str] = set()
        for record_id in ids if rule.links else ():
            record = round_.record(record_id)
            if record is not None:
                linked.update(target for link in rule.links for target in link_targets(record.cells.get(link)))
        await self._learn(linked)

    async def _learn(self, ids: Iterable[str]) -> None:
        missing = [record_id for record_id in ids if not self._draft.knows(record_id)]
        if missing:
            self._draft.learn(await storage.records_by_id(self._tx, missing))

    async def _spread(self, round_: "_Round", node: Node, changed: Sequence[str], room: int) -> None:
        """Say what is due because a node changed in some records."""
        if not changed:
            return
        round_.due(self._plan.own.get(node, ()), changed)
        for via in self._plan.via.get(node, ()):
            referring = await self._referring(round_, via, changed, room)
            if referring is None:
                await self._postpone(via, changed, round_.actor)
            else:
                round_.due(via.rules, referring)
                round_.touched.update(each for each in referring if each not in round_.changed)

    async def _referring(self, round_: "_Round", via: Via, targets: Sequence[str], room: int) -> list[str] | None:
        """Return the records that link to some others, or None when they are more than there is room for."""
        stored = [target for target in targets if not self._draft.is_new(target)]
        found: list[str] = []
        if stored:
            # its own records need no room, and one that links to several of them has several links
            most = (max(room, 0) + len(round_.changed)) * len(stored)
            records = await storage.few_referring(self._tx, via.link, stored, most=min(most, MOST_LINKED))
            if records is None:
                return None
            self._draft.learn(records)
            found += [record.id for record in records]
        for target in targets:
            found += self._gained.get((via.link, target), ())
        found = list(dict.fromkeys(found))
        if len(round_.touched.union(found) - round_.changed.keys()) > room:
            return None
        await self._learn(found)
        links = {each: self._links(each, via) for each in found}
        wanted = set(targets)
        referring = [each for each in found if not wanted.isdisjoint(links[each])]
        too_many = len(referring) > 1 and sum(len(links[each]) for each in referring) > MOST_LINKED
        return None if too_many else referring

    def _links(self, record_id: str, via: Via) -> list[str]:
        record = self._draft.find(record_id)
        return [] if record is None or record.table != via.table else link_targets(record.cells.get(via.link))

    async def _postpone(self, via: Via, targets: Iterable[str], actor: Actor) -> None:
        fields = tuple(rule.node.field for rule in via.rules)
        for target in targets:
            wanted = Recomputation(via.table, via.link, RecordId(target), fields, actor.droplet, actor.cause)
            await storage.request_recomputation(self._tx, wanted, turn=self._draft.head.seq)
        self._postponed()

    def _note_links(self, record: Record, after: Mapping[str, Cell | None]) -> None:
        for linked in self._plan.links.get(record.table, ()):
            for target in link_targets(after.get(linked)):
                self._gained.setdefault((linked, target), set()).add(record.id)

    def _now_written(self, item: Written) -> Written:
        """Return an operation's outcome with the record as the request leaves it, unless a later one changed it."""
        record = None if item.record is None else self._draft.find(item.record.id)
        if item.record is None or record is None:
            return item
        still = record.changed == item.record.changed or item.effect is Effected.UNCHANGED
        return dataclasses.replace(item, record=record) if still else item


def _affordable(rules: Iterable[Rule], page: Sequence[Record]) -> Sequence[Record]:
    """Return the first records of a page, at least one, whose linked records are not too many."""
    links = {link for rule in rules for link in rule.links}
    cost = 0
    for number, record in enumerate(page):
        cost += sum(len(link_targets(record.cells.get(link))) for link in links)
        if cost > MOST_LINKED and number:
            return page[:number]
    return page


@dataclass
class _Round:
    """What is due for one request, and what was computed; the surroundings that rules look at."""

    draft: Draft
    now: datetime
    actor: Actor
    changed: dict[str, Edit] = field(default_factory=dict)
    touched: set[str] = field(default_factory=set)
    past: dict[str, list[Edit]] = field(default_factory=dict)
    _due: dict[int, tuple[Rule, dict[str, None]]] = field(default_factory=dict)
    _ranks: list[int] = field(default_factory=list)
    _working: dict[str, Record] = field(default_factory=dict)
    _results: dict[str, dict[str, Cell | None]] = field(default_factory=dict)

    def edited(self, record: Record, after: Mapping[str, Any], *, creates: bool) -> None:
        """Take note of a change that somebody made."""
        known = self.changed.get(record.id)
        fields = after.keys() if known is None else known.fields | after.keys()
        created = creates or (known is not None and known.creates)
        self.changed[record.id] = Edit(self.actor.droplet, iso(self.now), frozenset(fields), created)

    def due(self, rules: Iterable[Rule], ids: Iterable[str]) -> None:
        """Say that rules are to be computed for some records; each is computed once."""
        for rule in rules:
            if rule.rank not in self._due:
                self._due[rule.rank] = (rule, {})
                heapq.heappush(self._ranks, rule.rank)
            self._due[rule.rank][1].update(dict.fromkeys(ids))

    def next(self) -> tuple[Rule, list[str]] | None:
        """Return the first rule that is due, and its records; what it reads is computed already."""
        if not self._ranks:
            return None
        rule, ids = self._due.pop(heapq.heappop(self._ranks))
        return rule, list(ids)

    def computed(self, rule: Rule, record_id: str) -> bool:
        """Compute a cell, and tell whether it changed."""
        record = self._own(record_id)
        if record is None or record.table != rule.node.table:
            return False
        name = rule.node.field
        cell, held = rule.compute(record, self), record.cells.get(name)
        if same(cell, held):
            return False
        cells: dict[str, Cell] = record.cells  # type: ignore[assignment] # `_own` made it a dictionary of our own
        if cell is None:
            del cells[name]
        else:
            cells[name] = cell
        self._results.setdefault(record_id, {})[name] = cell
        return True

    def put_down(self) -> None:
        """Put what was computed into the draft."""
        for record_id, cells in self._results.items():
            record = self.draft.find(record_id)
            assert record is not None
            self.draft.compute(self.actor, record, cells)

    def record(self, record_id: str) -> Record | None:
        """Return a record with what was computed so far."""
        return self._working.get(record_id) or self.draft.find(record_id)

    def _own(self, record_id: str) -> Record | None:
        record = self._working.get(record_id)
        if record is None and (found := self.draft.find(record_id)) is not None:
            record = self._working[record_id] = dataclasses.replace(found, cells=dict(found.cells))
        return record

    # what rules ask

    def linked(self, record: Record, link: FieldId) -> list[Record]:
        """Return the records that a record links to, in the order of its links."""
        found = [self.record(target) for target in link_targets(record.cells.get(link))]
        return [each for each in found if each is not None]

    def edits(self, record: Record) -> Sequence[Edit]:
        """Return what somebody changed, the last first: what this computation follows, or what the feed tells."""
        edit = self.changed.get(record.id)
        return self.past.get(record.id, ()) if edit is None else (edit,)


def same(one: Cell | None, other: Cell | None) -> bool:
    """Tell whether two cells are the same JSON; to Python 1 and true are equal."""
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other and isinstance(one, bool) is isinstance(other, bool)
