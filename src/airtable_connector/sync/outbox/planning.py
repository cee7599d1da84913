"""Which intents travel in the next call, decided without a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from airtable_connector.kernel.ids import RecordId, TableId
from airtable_connector.sync.outbox.intents import ALONE, MOST_TOGETHER, CreationKey, Element, Intent, Kind


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the candidates.

    ``open`` has all open intents of the candidates' records. ``linked`` are the records that an intent's link cells
    name, by its number; ``unborn`` those of them that Airtable has given no id yet. ``rivals`` are open intents that
    take or give free a value of a table's own key. ``searched_for`` are creates without a key whose records are being
    searched for at this moment.
    """

    open: Mapping[RecordId, Sequence[Intent]]
    keys: Mapping[TableId, CreationKey | None]
    linked: Mapping[int, frozenset[RecordId]] = field(default_factory=dict)
    unborn: frozenset[RecordId] = frozenset()
    rivals: Sequence[Intent] = ()
    searched_for: Sequence[Element] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """Elements of one table and kind, no two of one record or key. With ``upsert`` creates are found by the key."""

    table: TableId
    kind: Kind
    upsert: bool
    elements: Sequence[Element]

    @property
    def numbers(self) -> list[int]:
        """The numbers of all its intents."""
        return [number for element in self.elements for number in element.numbers]


@dataclass(frozen=True, slots=True)
class Plan:
    """The next call, if anything can be sent, and elements that Airtable need not hear of."""

    call: Call | None
    needless: Sequence[Element] = ()


def plan(candidates: Sequence[Intent], known: Known) -> Plan:
    """Choose what the next call carries: what the first candidate that can be sent needs, and what goes with it.

    An intent never overtakes an earlier one of its record, nor one that holds the same value of the table's key.
    """
    needless: list[Element] = []
    chosen: list[Element] = []
    route: tuple[TableId, Kind, bool] | None = None
    limit, keys, seen = MOST_TOGETHER, frozenset[str](), set[RecordId]()
    for candidate in candidates:
        if candidate.target in seen:
            continue
        seen.add(candidate.target)
        element = next_element(known.open.get(candidate.target, ()), known)
        if element is None:
            continue
        if element.cancels_itself:
            needless.append(element)
            continue
        way = _route(element, known)
        if route is None:
            route = way
        room = min(limit, element.most)
        if way != route or len(chosen) >= room or element.keys & keys:
            continue
        chosen.append(element)
        limit, keys = room, keys | element.keys
        if len(chosen) == limit:
            break
    return Plan(None if route is None else Call(*route, chosen), needless)


def next_element(intents: Sequence[Intent], known: Known) -> Element | None:
    """Merge a record's open intents, as far as they can travel together now; None when it must wait."""
    if not intents or any(intent.call is not None for intent in intents):
        return None
    merged: list[Intent] = []
    for intent in intents:
        if merged and not _continues(merged[-1], intent):
            break
        if known.linked.get(intent.number, frozenset()) & known.unborn:
            break
        merged.append(intent)
        if intent.most == ALONE:
            break
    if not merged:
        return None
    element = Element(tuple(merged))
    return None if _behind_a_rival(element, known) or _mistakable(element, known) else element


def _continues(last: Intent, intent: Intent) -> bool:
    return last.kind is not Kind.DELETE and intent.kind is not Kind.CREATE and intent.most != ALONE


def _route(element: Element, known: Known) -> tuple[TableId, Kind, bool]:
    upsert = element.kind is Kind.CREATE and element.key(known.keys.get(element.table)) is not None
    return element.table, element.kind, upsert


def _behind_a_rival(element: Element, known: Known) -> bool:
    """Tell whether another record's earlier intent holds a key that this one needs.

    An upsert would else find the record that is about to give the key free.
    """
    return any(
        rival.table == element.table
        and rival.target != element.target
        and rival.number < element.intents[-1].number
        and rival.keys & element.keys
        for rival in known.rivals
    )


def _mistakable(element: Element, known: Known) -> bool:
    """Tell whether the search for another create's record could find this one's and claim it."""
    if element.kind is not Kind.CREATE or element.key(known.keys.get(element.table)) is not None:
        return False
    return any(
        other.table == element.table and all(element.cells.get(name) == value for name, value in other.cells.items())
        for other in known.searched_for
    )
