"""What every room relies on, whichever database is behind the port."""

import asyncio
import resource
import stat
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path

import apsw
import asyncpg
import pytest

from airtable_connector.database import (
    CommitUnknown,
    Database,
    DatabaseLocation,
    MalformedDatabaseUrl,
    PostgresServer,
    Sql,
    SqliteFile,
    StoreUnavailable,
    Transaction,
    open_database,
)
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret

MAKE_WORDS = Sql(
    sqlite="create table words (n integer primary key, word text, weight real, raw blob)",
    postgres="create table words (n bigint primary key, word text, weight double precision, raw bytea)",
)
ADD = "insert into words (n, word, weight, raw) values (:n, :word, :weight, :raw)"
COUNT = "select count(*) from words"
IMPATIENT = timedelta(milliseconds=150)
SOON = 5  # seconds, far more than needed


@pytest.fixture
async def words(database: Database) -> Database:
    """A database with an empty table of words."""
    async with database.transaction() as tx:
        await tx.run(MAKE_WORDS)
    return database


async def add(tx: Transaction, n: int, *, raw: bytes | None = None) -> None:
    await tx.run(ADD, n=n, word=f"word {n}", weight=n / 2, raw=raw)


async def added(database: Database, n: int) -> None:
    async with database.transaction() as tx:
        await add(tx, n)


async def count(database: Database) -> int:
    async with database.reading() as reader:
        row = await reader.one(COUNT)
    assert row is not None
    return int(row[0])


async def make_words(location: DatabaseLocation) -> None:
    """Make the table of words by hand, for tests that open the database themselves."""
    async with open_database(location, clock=SystemClock()) as database, database.transaction() as tx:
        await tx.run(MAKE_WORDS)


@contextmanager
def sqlite_lock(path: Path) -> Iterator[None]:
    other = apsw.Connection(str(path))  # another SQLite library in this process would not see our locks
    try:
        other.execute("begin immediate")
        yield
        other.execute("rollback")
    finally:
        other.close()


@asynccontextmanager
async def postgres_lock(url: Secret) -> AsyncIterator[None]:
    other = await asyncpg.connect(url.reveal())
    try:
        await other.execute("begin")
        await other.execute("lock table words in exclusive mode")
        yield
        await other.execute("rollback")
    finally:
        await other.close()


async def lock(stack: AsyncExitStack, location: DatabaseLocation) -> None:
    """Keep writers out through a connection that is not ours, until the stack is closed."""
    if isinstance(location, SqliteFile):
        stack.enter_context(sqlite_lock(location.path))
    else:
        await stack.enter_async_context(postgres_lock(location.url))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file beyond ``size`` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# Transactions


@pytest.mark.anyio
async def test_what_is_committed_is_seen_by_readers(words: Database) -> None:
    await added(words, 1)

    assert await count(words) == 1


@pytest.mark.anyio
async def test_what_was_committed_is_there_after_opening_again(location: DatabaseLocation) -> None:
    async with open_database(location, clock=SystemClock()) as database, database.transaction() as tx:
        await tx.run(MAKE_WORDS)
        await add(tx, 1)

    async with open_database(location, clock=SystemClock()) as database:
        assert await count(database) == 1


@pytest.mark.anyio
async def test_an_exception_inside_rolls_back_and_is_passed_on(words: Database) -> None:
    async def hesitate() -> None:
        async with words.transaction() as tx:
            await add(tx, 1)
            raise LookupError("changed my mind")

    with pytest.raises(LookupError, match="changed my mind"):
        await hesitate()

    assert await count(words) == 0
    await added(words, 2)
    assert await count(words) == 1


@pytest.mark.anyio
async def test_a_reader_sees_nothing_of_an_open_transaction_which_sees_itself(words: Database) -> None:
    async with words.transaction() as tx:
        await add(tx, 1)
        assert await tx.one(COUNT) == (1,)
        assert await count(words) == 0


@pytest.mark.anyio
async def test_transactions_of_one_process_take_turns(words: Database) -> None:
    async def increment() -> None:
        async with words.transaction() as tx:
            row = await tx.one("select n from words")
            assert row is not None
            await asyncio.sleep(0)
            await tx.run("update words set n = :next", next=row[0] + 1)

    await added(words, 0)
    await asyncio.gather(*(increment() for _ in range(20)))

    async with words.reading() as reader:
        assert await reader.one("select n from words") == (20,)


@pytest.mark.anyio
async def test_a_failed_statement_dooms_its_transaction_even_when_the_error_is_swallowed(words: Database) -> None:
    await added(words, 1)

    async def swallow() -> None:
        async with words.transaction() as tx:
            await add(tx, 2)
            with pytest.raises(Exception, match=r"(?i)unique"):
                await add(tx, 1)

    with pytest.raises(Exception, match=r"(?i)unique"):
        await swallow()

    assert await count(words) == 1


@pytest.mark.anyio
async def test_a_constraint_that_fails_at_commit_leaves_a_working_writer(words: Database) -> None:
    async with words.transaction() as tx:
        await tx.run("create table notes (n bigint references words (n) deferrable initially deferred)")

    async def write_note() -> None:
        async with words.transaction() as tx:
            await add(tx, 1)
            await tx.run("insert into notes (n) values (99)")

    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await write_note()

    assert await count(words) == 0
    await added(words, 2)


@pytest.mark.anyio
async def test_a_transaction_that_is_over_takes_no_more_statements(words: Database) -> None:
    async with words.transaction() as tx:
        await add(tx, 1)

    with pytest.raises(RuntimeError, match="over"):
        await add(tx, 2)
    assert await count(words) == 1


@pytest.mark.anyio
async def test_cancelling_in_the_middle_rolls_back_and_the_next_transaction_works(words: Database) -> None:
    inside = asyncio.Event()

    async def dawdle() -> None:
        async with words.transaction() as tx:
            await add(tx, 1)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.ensure_future(dawdle())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await count(words) == 0
    await added(words, 2)
    assert await count(words) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13])
async def test_cancelling_at_any_moment_leaves_all_or_nothing_and_a_working_writer(words: Database, turns: int) -> None:
    async def write() -> None:
        async with words.transaction() as tx:
            await add(tx, 1)
            await add(tx, 2)

    task = asyncio.ensure_future(write())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    async with asyncio.timeout(SOON):
        assert await count(words) in {0, 2}
        await added(words, 3)


@pytest.mark.anyio
async def test_giving_up_on_a_slow_statement_and_swallowing_it_commits_nothing(postgres_url: str) -> None:
    location = PostgresServer(Secret(postgres_url))
    await make_words(location)

    async def swallow(database: Database) -> None:
        async with database.transaction() as tx:
            await add(tx, 1)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await tx.one("select pg_sleep(5)")

    async with open_database(location, clock=SystemClock()) as database:
        with pytest.raises(StoreUnavailable):
            await swallow(database)
        assert await count(database) == 0
        await added(database, 2)


# Statements


@pytest.mark.anyio
async def test_each_type_of_value_comes_back_as_it_went_in(words: Database) -> None:
    values = (-(2**63), "snow \N{SNOWMAN}, 'quotes' and :colons", 0.1, b"\x00\xff")
    async with words.transaction() as tx:
        await tx.run(ADD, **dict(zip(("n", "word", "weight", "raw"), values, strict=True)))
        await tx.run(ADD, n=1, word=None, weight=None, raw=None)

    async with words.reading() as reader:
        rows = await reader.all("select n, word, weight, raw from words order by n")
    assert rows == [values, (1, None, None, None)]
    assert all(type(row) is tuple for row in rows)


@pytest.mark.anyio
async def test_a_parameter_may_be_used_twice_and_beside_quotes_and_casts(words: Database) -> None:
    await added(words, 7)
    statement = Sql(
        sqlite='select \':no\', ":n".word, :least from words as ":n" where n >= :least and n <= :least',
        postgres='select \':no\', ":n".word, :least::bigint from words as ":n" where n >= :least and n <= :least',
    )

    async with words.reading() as reader:
        assert await reader.all(statement, least=7) == [(":no", "word 7", 7)]


@pytest.mark.anyio
async def test_a_forgotten_value_is_a_mistake_and_not_a_null(words: Database) -> None:
    async with words.reading() as reader:
        with pytest.raises(KeyError, match="n"):
            await reader.all("select word from words where n = :n")


@pytest.mark.anyio
async def test_run_counts_the_rows_it_changed(words: Database) -> None:
    async with words.transaction() as tx:
        assert await tx.run("create table others (n integer)") == 0
        assert await tx.run("insert into words (n) values (1), (2), (3)") == 3
        assert await tx.run("update words set weight = 1 where n > :n", n=1) == 2
        assert await tx.run("delete from words where n = :n", n=9) == 0
        assert await tx.run("delete from words") == 3


@pytest.mark.anyio
async def test_one_returns_what_an_insert_returns_and_inserts_once(words: Database) -> None:
    async with words.transaction() as tx:
        assert await tx.one("insert into words (n) values (5), (6) returning n") == (5,)
        assert await tx.one("select n from words where n > :n", n=6) is None

    assert await count(words) == 2


@pytest.mark.anyio
async def test_a_thousand_rows_are_written_in_order_and_all_or_nothing(words: Database) -> None:
    rows = [{"n": n, "word": str(n), "weight": None, "raw": None} for n in range(1_000)]
    async with words.transaction() as tx:
        await tx.run_many(ADD, rows)
        await tx.run_many(ADD, [])
    assert await count(words) == 1_000

    with pytest.raises(Exception, match=r"(?i)unique"):
        async with words.transaction() as tx:
            await tx.run_many(ADD, [{**row, "n": 1_999 - index} for index, row in enumerate(rows)] + rows[:1])
    assert await count(words) == 1_000


@pytest.mark.anyio
async def test_writing_many_rows_gives_other_tasks_their_turn(words: Database) -> None:
    turns = 0
    done = asyncio.Event()

    async def others() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0)

    waiting = asyncio.ensure_future(others())
    async with words.transaction() as tx:
        await tx.run_many(ADD, [{"n": n, "word": "", "weight": 0, "raw": None} for n in range(2_000)])
        seen = turns
    done.set()
    await waiting

    assert seen >= 10


# Snapshots


@pytest.mark.anyio
async def test_a_snapshot_does_not_change_while_a_writer_commits(words: Database) -> None:
    await added(words, 1)
    async with words.reading() as reader:
        assert await reader.one(COUNT) == (1,)
        await added(words, 2)
        assert await reader.one(COUNT) == (1,)

    assert await count(words) == 2


@pytest.mark.anyio
async def test_a_reader_cannot_write(words: Database) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        async with words.reading() as reader:
            await reader.all("delete from words")
    assert caught.value.cause_name == "read-only"


@pytest.mark.anyio
async def test_more_readers_than_connections_wait_for_their_turn(words: Database) -> None:
    await added(words, 1)

    assert await asyncio.gather(*(count(words) for _ in range(30))) == [1] * 30


@pytest.mark.anyio
async def test_a_cancelled_reader_stops_at_once_and_gives_its_connection_back(location: DatabaseLocation) -> None:
    endless = Sql(
        sqlite="with recursive c(n) as (select 1 union all select n + 1 from c) select count(*) from c",
        postgres="select pg_sleep(600)",
    )
    async with open_database(location, clock=SystemClock(), readers=1) as database:
        for _ in range(2):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1), database.reading() as reader:
                    await reader.one(endless)
        async with asyncio.timeout(SOON), database.reading() as reader:
            assert await reader.one("select 1") == (1,)


# Trouble


@pytest.mark.anyio
async def test_a_lock_held_elsewhere_is_reported_and_writing_goes_on_once_it_is_gone(
    location: DatabaseLocation,
) -> None:
    await make_words(location)
    async with open_database(location, clock=SystemClock(), busy_timeout=IMPATIENT) as database:
        async with AsyncExitStack() as stack:
            await lock(stack, location)
            with pytest.raises(StoreUnavailable) as caught:
                await added(database, 1)
            assert await count(database) == 0
        assert caught.value.cause_name == "locked"

        await added(database, 2)
        assert await count(database) == 1


@pytest.mark.anyio
async def test_a_short_lock_is_waited_out(location: DatabaseLocation) -> None:
    await make_words(location)
    async with open_database(location, clock=SystemClock()) as database:
        async with AsyncExitStack() as stack:
            await lock(stack, location)
            writing = asyncio.ensure_future(added(database, 1))
            await asyncio.wait({writing}, timeout=0.05)
            assert not writing.done()
        await asyncio.wait_for(writing, SOON)


async def added_both(database: Database) -> None:
    """Add a small row and one that is larger than the store may grow."""
    async with database.transaction() as tx:
        await add(tx, 1)
        await add(tx, 2, raw=bytes(1_000_000))


@pytest.mark.anyio
async def test_a_full_store_refuses_the_write_changes_nothing_and_recovers(tmp_path: Path) -> None:
    async with open_database(SqliteFile(tmp_path / "records.db"), clock=SystemClock()) as database:
        async with database.transaction() as tx:
            await tx.run(MAKE_WORDS)
            await tx.all("pragma max_page_count = 100")

        with pytest.raises(StoreUnavailable) as caught:
            await added_both(database)
        assert caught.value.cause_name == "disk-full"
        assert await count(database) == 0

        await added(database, 3)
        async with database.transaction() as tx:
            await tx.all("pragma max_page_count = 1000000")
            await add(tx, 4, raw=bytes(1_000_000))
        assert await count(database) == 2


@pytest.mark.anyio
async def test_a_full_store_stays_refused_when_its_error_is_swallowed(tmp_path: Path) -> None:
    async with open_database(SqliteFile(tmp_path / "records.db"), clock=SystemClock()) as database:
        async with database.transaction() as tx:
            await tx.run(MAKE_WORDS)
            await tx.all("pragma max_page_count = 100")

        async def swallow() -> None:
            async with database.transaction() as tx:
                with pytest.raises(StoreUnavailable):
                    await add(tx, 1, raw=bytes(1_000_000))
                with pytest.raises(StoreUnavailable):
                    await add(tx, 2)

        with pytest.raises(StoreUnavailable):
            await swallow()
        assert await count(database) == 0


@pytest.mark.anyio
async def test_a_disk_that_takes_no_more_at_commit_changes_nothing_and_recovers(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    async with open_database(SqliteFile(path), clock=SystemClock()) as database:
        async with database.transaction() as tx:
            await tx.run(MAKE_WORDS)
        log = path.with_name(path.name + "-wal")

        with largest_file(log.stat().st_size + 20_000), pytest.raises(StoreUnavailable) as caught:
            async with database.transaction() as tx:
                await add(tx, 1, raw=bytes(200_000))
        assert caught.value.cause_name in {"io-error", "disk-full"}
        assert await count(database) == 0

        await added(database, 2)
        assert await count(database) == 1


@pytest.mark.anyio
async def test_a_commit_whose_connection_dies_is_of_unknown_outcome(postgres_url: str) -> None:
    location = PostgresServer(Secret(postgres_url))
    await make_words(location)
    async with open_database(location, clock=SystemClock()) as database:
        async with database.transaction() as tx:
            await tx.run(
                "create function dawdle() returns trigger language plpgsql as"
                " $$ begin perform pg_sleep(5); return null; end $$"
            )
            await tx.run(
                "create constraint trigger late after insert on words deferrable initially deferred"
                " for each row execute function dawdle()"
            )
        writing = asyncio.ensure_future(added(database, 1))
        await terminate_others(postgres_url, where="query = 'commit' and state = 'active'")

        with pytest.raises(CommitUnknown, match="may or may not") as caught:
            await writing
        assert "Idempotency-Key" in (caught.value.hint or "")
        assert await count(database) in {0, 1}


async def terminate_others(url: str, *, where: str) -> None:
    """Throw out every other connection of the database that fits, waiting for the first one to appear."""
    other = await asyncpg.connect(url)
    try:
        async with asyncio.timeout(SOON):
            while not await other.fetch(  # noqa: ASYNC110 - the server tells nobody what it is doing
                "select pg_terminate_backend(pid, 1000) from pg_stat_activity"
                f" where datname = current_database() and pid <> pg_backend_pid() and {where}"
            ):
                await asyncio.sleep(0.01)
    finally:
        await other.close()


@pytest.mark.anyio
async def test_a_server_that_hangs_up_in_the_middle_changed_nothing_and_the_next_transaction_works(
    postgres_url: str,
) -> None:
    location = PostgresServer(Secret(postgres_url))
    await make_words(location)
    async with open_database(location, clock=SystemClock()) as database:

        async def write_and_be_thrown_out() -> None:
            async with database.transaction() as tx:
                await add(tx, 1)
                await terminate_others(postgres_url, where="true")
                await add(tx, 2)

        with pytest.raises(StoreUnavailable) as caught:
            await write_and_be_thrown_out()
        assert caught.value.cause_name == "connection-lost"

        await added(database, 3)
        assert await count(database) == 1


@pytest.mark.anyio
async def test_connections_that_died_while_idle_are_replaced(postgres_url: str) -> None:
    location = PostgresServer(Secret(postgres_url))
    await make_words(location)
    async with open_database(location, clock=SystemClock()) as database:
        assert await count(database) == 0
        await terminate_others(postgres_url, where="true")
        await asyncio.sleep(0)

        await added(database, 1)
        assert await count(database) == 1


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("postgresql://droplet:hunter2@127.0.0.1:1/records", StoreUnavailable),
        ("mysql://droplet:hunter2@127.0.0.1/records", MalformedDatabaseUrl),
        ("postgresql://droplet:hun/ter2@127.0.0.1:port/hunter2", MalformedDatabaseUrl),
    ],
)
async def test_a_wrong_address_is_refused_without_showing_the_password(url: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        async with open_database(PostgresServer(Secret(url)), clock=SystemClock()):
            pass
    chain = f"{caught.value!r} {caught.value.__cause__!r} {PostgresServer(Secret(url))!r}"
    assert "hunter2" not in chain
    assert "hun" not in chain


@pytest.mark.anyio
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "records.db"
    path.write_bytes(b"not a database at all" * 1_000)

    with pytest.raises(StoreUnavailable) as caught:
        async with open_database(SqliteFile(path), clock=SystemClock()):
            pass
    assert caught.value.cause_name == "corrupt"
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.anyio
async def test_a_closed_database_says_so_and_may_be_closed_again(location: DatabaseLocation) -> None:
    async with open_database(location, clock=SystemClock()) as database:
        await database.close()

        with pytest.raises(StoreUnavailable) as caught:
            await added(database, 1)
        assert caught.value.cause_name == "closed"
        with pytest.raises(StoreUnavailable):
            await count(database)
        with pytest.raises(StoreUnavailable):
            await database.foreign_commit()


# Several processes


@pytest.mark.anyio
async def test_a_commit_elsewhere_wakes_the_follower(location: DatabaseLocation) -> None:
    await make_words(location)
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(open_database(location, clock=SystemClock()))
        other = await stack.enter_async_context(open_database(location, clock=SystemClock()))
        await follower_is_ready(mine)
        following = asyncio.ensure_future(mine.foreign_commit())
        await asyncio.wait({following}, timeout=0.05)
        assert not following.done()

        async with other.transaction() as tx:
            await add(tx, 1)
            if tx.dialect == "postgres":
                await tx.one("select pg_notify('connector_feed', '1')")
        await asyncio.wait_for(following, 0.5)
        assert await count(mine) == 1


@pytest.mark.anyio
async def test_a_commit_between_two_calls_ends_the_second_at_once(location: DatabaseLocation) -> None:
    await make_words(location)
    async with AsyncExitStack() as stack:
        mine = await stack.enter_async_context(open_database(location, clock=SystemClock()))
        other = await stack.enter_async_context(open_database(location, clock=SystemClock()))
        await follower_is_ready(mine)
        async with other.transaction() as tx:
            await add(tx, 1)
            if tx.dialect == "postgres":
                await tx.one("select pg_notify('connector_feed', '1')")

        await asyncio.wait_for(mine.foreign_commit(), 0.5)


@pytest.mark.anyio
async def test_the_own_commit_does_not_wake_the_follower(words: Database) -> None:
    await follower_is_ready(words)
    following = asyncio.ensure_future(words.foreign_commit())

    async with words.transaction() as tx:
        await add(tx, 1)
        if tx.dialect == "postgres":
            await tx.one("select pg_notify('connector_feed', '1')")
    await asyncio.wait({following}, timeout=0.3)

    assert not following.done()
    following.cancel()
    await asyncio.wait({following})


@pytest.mark.anyio
async def test_a_follower_whose_connection_died_connects_again(postgres_url: str) -> None:
    async with open_database(PostgresServer(Secret(postgres_url)), clock=SystemClock()) as database:
        await follower_is_ready(database)
        await terminate_others(postgres_url, where="true")

        for _ in range(3):
            await asyncio.wait_for(database.foreign_commit(), SOON)


async def follower_is_ready(database: Database) -> None:
    """PostgreSQL's first call connects and returns at once; SQLite has nothing to connect."""
    if database.dialect == "postgres":
        await asyncio.wait_for(database.foreign_commit(), SOON)


@pytest.mark.anyio
async def test_opening_several_times_at_once_migrates_once(location: DatabaseLocation) -> None:
    async with AsyncExitStack() as stack:
        databases = await asyncio.gather(
            *(stack.enter_async_context(open_database(location, clock=SystemClock())) for _ in range(4))
        )
        async with databases[0].reading() as reader:
            rows = await reader.all("select number from schema_version order by number")
        assert [number for (number,) in rows] == list(range(1, len(rows) + 1))


OPEN_ONCE = """
import asyncio, sys
from pathlib import Path
from airtable_connector.database import PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.secret import Secret

async def main(kind: str, where: str) -> None:
    location = SqliteFile(Path(where)) if kind == "sqlite" else PostgresServer(Secret(where))
    async with open_database(location, clock=SystemClock()) as database, database.transaction() as tx:
        await tx.run("insert into cursors (reader, seq) values (:reader, 1)", reader=sys.argv[3])

asyncio.run(main(sys.argv[1], sys.argv[2]))
"""


@pytest.mark.anyio
async def test_processes_that_open_a_new_database_at_once_all_succeed(location: DatabaseLocation) -> None:
    where = str(location.path) if isinstance(location, SqliteFile) else location.url.reveal()
    kind = "sqlite" if isinstance(location, SqliteFile) else "postgres"
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-W", "error", "-c", OPEN_ONCE, kind, where, str(number))
        for number in range(3)
    ]

    assert [await asyncio.wait_for(process.wait(), 30) for process in processes] == [0, 0, 0]
    async with open_database(location, clock=SystemClock()) as database, database.reading() as reader:
        assert await reader.one("select count(*) from cursors") == (3,)


# The file


@pytest.mark.anyio
async def test_the_file_and_its_folder_are_for_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "store" / "records.db"
    async with open_database(SqliteFile(path), clock=SystemClock()) as database:
        async with database.transaction() as tx:
            await tx.run(MAKE_WORDS)
        files = list(path.parent.iterdir())

    assert {file.name for file in files} >= {"records.db", "records.db-wal"}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.anyio
async def test_commits_reach_the_disk_before_they_are_answered(tmp_path: Path) -> None:
    async with (
        open_database(SqliteFile(tmp_path / "records.db"), clock=SystemClock()) as database,
        database.transaction() as tx,
    ):
        assert await tx.one("pragma journal_mode") == ("wal",)
        assert await tx.one("pragma synchronous") == (2,)  # FULL
