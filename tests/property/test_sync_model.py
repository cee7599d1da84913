"""Callers, people in Airtable, faults of every kind, and a connector that dies at any await: what holds all the same.

One seed decides everything; a failed run prints the command that runs the same examples again.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from tests.postgres import shared_server
from tests.world.airtable import PEOPLE, TABLES, Fault, Troubles, changes
from tests.world.world import World, forget_the_dead

from airtable_connector.database import PostgresServer
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import Action, Actor, Change, Create, Delete, Operation, Update

pytestmark = [
    # a killed process does not close its connections
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SEED = "SYNC_MODEL_SEED"
SHRINK = "SYNC_MODEL_SHRINK"
EXAMPLES = "SYNC_MODEL_EXAMPLES"
USUAL_SEED = 2_026
USUAL_EXAMPLES = {"sqlite": 60, "postgres": 6}
STEPS = 25

ADA, BOB = Actor(5, "00000000-0000-4000-8000-0000000000aa"), Actor(6, "00000000-0000-4000-8000-0000000000bb")
TWIN = "twin"
BEGINNING_S = 10.0

WRITES = ["make", "make", "make two alike", "change", "change", "change one, both", "drop", "many"]
FAULTS = [each for each in Fault if each is not Fault.NONE]
actors = st.sampled_from([ADA, BOB])
tables = st.sampled_from([each.name for each in TABLES])
numbers = st.integers(0, 1_000)
spans = st.sampled_from([1.0, 4.0, 20.0, 130.0])
moments = st.sampled_from([0.0, 0.05, 0.3, 1.0, 4.0])
rounds = st.integers(1, 60)


class Sync(RuleBasedStateMachine):
    """Draws what happens, and when the connector dies."""

    def __init__(self, new_world: Callable[[int], World]) -> None:
        super().__init__()
        self.new_world = new_world
        self.values = itertools.count(1)
        self.world: World | None = None

    @initialize(drawn=st.integers(0, 2**32))
    def begin(self, drawn: int) -> None:
        self.world = self.new_world(drawn)
        self.world.loop.run_for(BEGINNING_S)
        assert len(self.world.life.workspace.tables) == len(TABLES)
        self.world.airtable.troubles = Troubles(dict.fromkeys(FAULTS, 0.04))

    # callers and people

    @rule(kind=st.sampled_from(WRITES), table=tables, number=numbers, actor=actors, then=moments)
    def callers_write(self, kind: str, table: str, number: int, actor: Actor, then: float) -> None:
        record = self._shown(table, number)
        match kind:
            case "make":
                self._call(actor, self._creation(table))
            case "make two alike":  # of two callers, and nobody can tell them apart
                self._call(ADA, Create(self._here(table), {"Name": TWIN}))
                self._call(BOB, Create(self._here(table), {"Name": TWIN}))
            case "change" if record:
                self._call(actor, self._update(table, record, both=bool(number % 2)))
            case "change one, both" if record:
                self._call(ADA, self._update(table, record, both=True))
                self._call(BOB, self._update(table, record, both=True))
            case "drop" if record:
                self._call(actor, Delete(self._here(table), record))
            case "many":
                updates = [self._update(table, record, both=False)] if record else []
                self._call(actor, *(self._creation(table) for _ in range(2 + number % 12)), *updates)
        self._world.loop.run_for(then)

    @rule(kind=st.sampled_from(["make", "change", "change", "drop"]), table=tables, number=numbers)
    def people_edit(self, kind: str, table: str, number: int) -> None:
        name, there = self._stored(table, number), self._there(table)
        if kind == "make" or name is None:
            self._people(Create(there, {"Name": self._new("p"), "Theirs": self._new("t")}))
        elif kind == "change":
            cells = {"Theirs": self._new("t"), **({"Both": self._new("b")} if number % 2 else {})}
            self._people(Update(there, name, cells))
        elif self._world.do(self._world.airtable.records(there))[name].get("Name") != TWIN:
            self._people(Delete(there, name))

    # what goes wrong

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3), slowest=st.sampled_from([0.3, 3.0, 40.0]))
    def trouble(self, faults: list[Fault], slowest: float) -> None:
        self._world.airtable.troubles = Troubles(dict.fromkeys(faults, 0.25), slowest)

    @rule()
    def lose_hooks(self) -> None:
        self._world.do(self._world.airtable.lose_hooks())

    @rule(after=rounds)
    def kill(self, after: int) -> None:
        self._world.kill(after_rounds=after)

    @rule()
    def stop(self) -> None:
        self._world.stop()

    @rule(seconds=spans)
    def pass_time(self, seconds: float) -> None:
        self._world.loop.run_for(seconds)

    # what must hold at every moment, and in the end

    @invariant()
    def airtable_is_asked_as_it_allows(self) -> None:
        if self.world is not None:
            assert not self.world.airtable.violations
            assert self.world.life.failure is None
            assert not self.world.bugs()
            assert not self.world.loop.failures

    @invariant()
    def what_was_final_stays_so(self) -> None:
        if self.world is not None:
            self.world.look_at_receipts()
            assert not self.world.broken_promises

    @invariant()
    def what_callers_wrote_is_seen_at_once(self) -> None:
        if self.world is not None:
            written = History(self.world).written()
            here, _ = self.world.both()
            now = History(self.world).written()  # some may have written while this looked
            for record, values in written.items():
                for table in TABLES:
                    if record in here[table.name]:
                        assert here[table.name][record].get("Ours") in now[record][len(values) - 1 :], (record, values)

    def teardown(self) -> None:
        try:
            if self.world is not None:
                self._check_the_end(self.world)
        finally:
            if self.world is not None:
                self.world.close()
            self.world = None
            forget_the_dead()

    def _check_the_end(self, world: World) -> None:
        world.settle()
        self.airtable_is_asked_as_it_allows()
        self.what_was_final_stays_so()
        assert all(receipt.final for receipt in world.receipts.values())
        here, there = world.both()
        assert here == there
        history = History(world)
        history.check_that_nothing_is_lost()
        history.check_that_nothing_is_doubled(there)
        history.check_that_order_is_kept(there)

    # drawing

    @property
    def _world(self) -> World:
        assert self.world is not None
        return self.world

    def _here(self, name: str) -> Any:
        return self._world.life.workspace.table(name)

    def _there(self, name: str) -> Any:
        return next(each for each in TABLES if each.name == name)

    def _new(self, letter: str) -> str:
        return f"{letter}{next(self.values)}"

    def _creation(self, table: str) -> Create:
        return Create(self._here(table), {"Name": self._new("n"), "Ours": self._new("v")})

    def _update(self, table: str, record: str, *, both: bool) -> Update:
        cells = {"Ours": self._new("v"), **({"Both": self._new("b")} if both else {})}
        return Update(self._here(table), record, cells)

    def _call(self, actor: Actor, *operations: Operation) -> None:
        self._world.call(actor, *operations)

    def _people(self, operation: Operation) -> None:
        self._world.do(self._world.airtable.edit(operation))

    def _shown(self, table: str, number: int) -> str | None:
        """Choose a record that callers see: by the id that it has now, or by one that it had."""
        here, _ = self._world.both()
        former = [
            each.record.id
            for write in self._world.acknowledged
            for each in write.done.written
            if each.record is not None and each.table is not None and each.table.name == table
        ]
        found = [*here[table], *former[-3:]]
        return found[number % len(found)] if found else None

    def _stored(self, table: str, number: int) -> str | None:
        found = list(self._world.do(self._world.airtable.records(self._there(table))))
        return found[number % len(found)] if found else None


class History:
    """What callers have written, as our feed has it, against what became of it at Airtable."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.ours = [
            each for each in world.here(changes(world.life.workspace)) if each.actor in {ADA.droplet, BOB.droplet}
        ]
        self.theirs = world.do(changes(world.airtable.workspace))
        self.by_people = [each for each in self.theirs if each.actor == PEOPLE.droplet]
        self.real = world.real_ids()
        self.names = {table.id: table.field("Name").id for table in TABLES}
        self.cells = {table.id: table.field("Ours").id for table in TABLES}

    def written(self) -> dict[RecordId, list[Any]]:
        """Return the values that callers gave to the cell that only they write, by record, in the feed's order."""
        found: dict[RecordId, list[Any]] = {}
        for each in self.ours:
            value = self._cell(each, self.cells)
            if value is not None:
                found.setdefault(self._now(each), []).append(value)
        return found

    def check_that_nothing_is_lost(self) -> None:
        """Each acknowledged write is in the feed, which is what is sent."""
        entries = {each.seq for each in self.ours}
        for write in self.world.acknowledged:
            assert set(range(write.done.first, write.done.seq + 1)) <= entries

    def check_that_nothing_is_doubled(self, there: dict[str, Any]) -> None:
        """As many records of a name were made there as here, but those that were deleted before they went up.

        One that people deleted before it was known that it was there is made once more: nobody can know that of it.
        """
        wanted, made = self._created(self.ours), self._created(self.theirs)
        dropped, dropped_there = self._dropped(self.ours), self._dropped(self.by_people)
        for key, count in wanted.items():
            assert made[key] <= count + dropped_there[key], (key, count, made[key])
            assert made[key] + dropped[key] >= count, (key, count, made[key])
        for (table, name), count in made.items():
            assert (table, name) in wanted or str(name).startswith("p"), (table, name, count)

    def check_that_order_is_kept(self, there: dict[str, Any]) -> None:
        """The values that callers gave a cell were there in the order of the feed, and the last of them stays."""
        written = self.written()
        were: dict[Any, list[Any]] = {}
        for each in self.theirs:
            value = self._cell(each, self.cells)
            if value is not None:
                were.setdefault(each.record, []).append(value)
        deleted = {each.record for each in self.theirs if each.action is Action.DELETE}
        for record, values in were.items():
            known = written.get(record, [])
            # one that was deleted before its create was known to have made it is known by what was written to it later
            places = [known.index(value) for value in values if value in known or record not in deleted]
            assert places == sorted(places), (record, known, values)
        for table in TABLES:
            for record, cells in there[table.name].items():
                if record in written:
                    assert cells.get("Ours") == written[record][-1], (record, written[record], cells)

    def _created(self, entries: list[Change]) -> Counter[Any]:
        made = [each for each in entries if each.action is Action.CREATE]
        return Counter((each.table, (each.after or {}).get(self.names[each.table])) for each in made)

    def _dropped(self, entries: list[Change]) -> Counter[Any]:
        dropped = [each for each in entries if each.action is Action.DELETE]
        return Counter((each.table, (each.before or {}).get(self.names[each.table])) for each in dropped)

    def _cell(self, change: Change, fields: dict[Any, Any]) -> Any:
        return (change.after or {}).get(fields[change.table])

    def _now(self, change: Change) -> RecordId:
        return self.real.get(change.record, change.record)


@pytest.fixture(params=["sqlite", "postgres"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


def test_whatever_happens_each_write_counts_once_and_both_sides_have_the_same(kind: str) -> None:
    drawn = int(os.environ.get(SEED) or USUAL_SEED)
    examples = int(os.environ.get(EXAMPLES) or USUAL_EXAMPLES[kind])
    print(f"make replay SEED={drawn} EXAMPLES={examples} STORE={kind}")  # noqa: T201 - pytest shows it when the test fails

    def new_world(number: int) -> World:
        server = PostgresServer(Secret(shared_server().new_database())) if kind == "postgres" else None
        return World(number, server=server)

    @seed(drawn)
    @settings(
        max_examples=examples,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if SHRINK in os.environ else [Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    class Drawn(Sync):
        def __init__(self) -> None:
            super().__init__(new_world)

    run_state_machine_as_test(Drawn)
