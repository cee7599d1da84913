"""The connector dies after each statement and each call of one write, and begins anew: the write counts once.

Time is simulated and everything has one order, so that the n-th moment is the same one each time. What a process of its
own does when it is killed at its commits is in `test_outbox_crashes`.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from tests.postgres import shared_server
from tests.world.airtable import KEYED, PLAIN
from tests.world.world import World

from airtable_connector.database import PostgresServer
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import Actor, Create, Delete, Operation, Table, Update

pytestmark = [
    # a killed process does not close its connections
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ADA = Actor(5, "00000000-0000-4000-8000-0000000000aa")
BEGINNING_S = 10.0
LONGEST_S = 30.0
MOST = 2_000


class LastMoment:
    """Counts the moments after which the store or Airtable is another, and keeps the connector in the ``at``-th.

    To die after a statement that only reads is to die before the next one that writes: nothing outlives it.
    """

    def __init__(self, at: int, *, calls_and_commits_only: bool) -> None:
        self._left = at
        self._only_ends = calls_and_commits_only
        self.armed = False
        self.reached: str | None = None

    async def __call__(self, what: str, /, *, after: bool) -> None:
        if not self.armed:
            return
        if self._left == 0:
            await asyncio.Event().wait()  # nothing goes on after the last moment
        if not after or not self._changes(what):
            return
        self._left -= 1
        if self._left == 0:
            self.reached = what
            asyncio.get_running_loop().stop()
            await asyncio.Event().wait()

    def _changes(self, what: str) -> bool:
        is_statement = " " in what
        return not (is_statement and (self._only_ends or what.startswith("select ")))


def creation(world: World, table: Table) -> tuple[Operation, ...]:
    return (Create(here(world, table), {"Name": "new", "Ours": "one"}),)


def change(world: World, table: Table) -> tuple[Operation, ...]:
    return (Update(here(world, table), present(world, table, "old"), {"Ours": "two", "Both": "three"}),)


def removal(world: World, table: Table) -> tuple[Operation, ...]:
    return (Delete(here(world, table), present(world, table, "old")),)


OLD = {"old": {"Name": "old", "Theirs": "t"}, "doomed": {"Name": "doomed"}}
CHANGED = {"old": {"Name": "old", "Theirs": "t", "Ours": "two", "Both": "three"}, "doomed": {"Name": "doomed"}}
NEW = {"new": {"Name": "new", "Ours": "one"}}

WRITES: dict[str, tuple[Callable[[World, Table], tuple[Operation, ...]], dict[str, Any]]] = {
    "create": (creation, {**OLD, **NEW}),
    "update": (change, CHANGED),
    "delete": (removal, {"doomed": OLD["doomed"]}),
}


def here(world: World, table: Table) -> Table:
    return world.life.workspace.table(table.name)


def present(world: World, table: Table, name: str) -> str:
    ours, _ = world.both()
    return next(record for record, cells in ours[table.name].items() if cells["Name"] == name)


def stored(world: World, table: Table) -> dict[str, Any]:
    """Return what Airtable has, by name, after making sure that it has no name twice and we show the same."""
    ours, theirs = world.both()
    assert ours == theirs
    records = [
        {name: cell for name, cell in each.items() if name != "CONNECTOR_KEY"} for each in theirs[table.name].values()
    ]
    named = {each["Name"]: each for each in records}
    assert len(named) == len(records)
    return named


@pytest.fixture(params=["sqlite", "postgres"])
def new_server(request: pytest.FixtureRequest) -> Callable[[], PostgresServer | None]:
    return lambda: None if request.param == "sqlite" else PostgresServer(Secret(shared_server().new_database()))


@pytest.mark.parametrize(
    ("write", "table"),
    [("create", PLAIN), ("create", KEYED), ("update", PLAIN), ("delete", PLAIN)],
    ids=["create", "create by a key", "update", "delete"],
)
def test_whichever_statement_or_call_is_the_last_the_write_counts_once(
    new_server: Callable[[], PostgresServer | None], table: Table, write: str
) -> None:
    at = next(at for at in range(1, MOST) if not counts_once(at, new_server(), table, write))
    assert at > 5


def counts_once(at: int, server: PostgresServer | None, table: Table, write: str) -> bool:
    """Let the ``at``-th moment be the last, and look at what comes of the write; False when it came to its end."""
    operations, wanted = WRITES[write]
    moment = LastMoment(at, calls_and_commits_only=server is not None)
    with closing(World(1, server=server, on_statement=moment)) as world:
        world.airtable.on_call = moment
        world.do(world.airtable.edit(*(Create(table, cells) for cells in OLD.values())))
        world.loop.run_for(BEGINNING_S)
        if not dies(world, moment, operations(world, table)):
            assert stored(world, table) == wanted
            return False
        world.kill()
        world.settle()
        found = stored(world, table)
        assert found == wanted or (found == OLD and not world.acknowledged), moment.reached
        assert not world.airtable.violations
        return True


def dies(world: World, moment: LastMoment, operations: tuple[Operation, ...]) -> bool:
    """Let a caller write, and the connector work until that is settled; True when it has died before."""
    moment.armed = True
    told = world.call(ADA, *operations, wait=LONGEST_S)
    told.add_done_callback(lambda _task: world.loop.stop())
    world.loop.run_forever()
    moment.armed = False
    return moment.reached is not None
