"""The outbox over a second connector that stands for Airtable, behind a proxy that lets things go wrong."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.acceptance.airtable_api.conftest import Wire, prepared
from tests.factories.cloud import ADA, BOB, CLOUD_TABLES, HERE, WAIT, Side, one_side
from tests.faults import COMMON, Dice, Fault, FaultyProxy, Limits
from tests.postgres import shared_server
from tests.service import Place, Service, running

from airtable_connector.airtable import CloudCalled, Lane, PaceSettings
from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile
from airtable_connector.kernel.ids import RecordId
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import STANDARD_TABLES, Create, Delete, Done, Table, Update
from airtable_connector.sync.outbox import (
    CONNECTOR_KEY,
    DeadLetterNotFound,
    Intent,
    LostCallSettled,
    OutboxRests,
    OutboxSettings,
    Receipt,
    ReceiptState,
    WriteRefused,
)
from airtable_connector.sync.overlay import Rule, Told, overlay
from airtable_connector.sync.overlay import Side as Winner

pytestmark = pytest.mark.anyio

PLAIN, KEYED, OWN, LINKED = HERE.values()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(
        prepared(Place(tmp_path_factory.mktemp("cloud") / "data"), (*STANDARD_TABLES, *CLOUD_TABLES))
    ) as service:
        yield service


@pytest.fixture
def there(cloud: Service) -> Iterator[Wire]:
    """Looks at the base there past the proxy, which is emptied before."""
    with cloud.client() as client:
        wire = Wire(client)
        for table in CLOUD_TABLES:
            while found := [record["id"] for record in wire.list(table.name, pageSize=10)]:
                wire.ask("DELETE", wire.path(table.name), params={"records[]": found[:10]})
        yield wire


@pytest.fixture
def proxy(cloud: Service) -> Iterator[FaultyProxy]:
    with FaultyProxy(cloud.address) as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    if request.param == "sqlite":
        return SqliteFile(tmp_path / "here" / "records.db")
    return PostgresServer(Secret(shared_server().new_database()))


@pytest.fixture
async def here(location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire) -> AsyncIterator[Side]:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as side:
        side.start()
        yield side


def named(wire: Wire, table: str) -> list[str | None]:
    return sorted(record["fields"].get("Name") for record in wire.list(table))


@pytest.mark.parametrize("table", [PLAIN, KEYED], ids=["plain", "keyed"])
async def test_a_record_is_made_changed_and_deleted_there_under_the_id_that_airtable_gives(
    here: Side, there: Wire, table: Table
) -> None:
    made = await here.write(Create(table, {"Name": "ada", "Age": 7}))
    assert made.written[0].record is not None
    provisional = made.written[0].record.id
    (record,) = (await here.settled(made)).records
    (stored,) = there.list(table.name)
    assert (record.record, record.real, record.state) == (provisional, stored["id"], ReceiptState.DONE)
    assert provisional != stored["id"]

    await here.do(Update(table, provisional, {"Age": 8}))
    assert there.read(table.name, stored["id"])["Age"] == 8
    assert await here.cells(table, RecordId(stored["id"])) == await here.cells(table, provisional)

    await here.do(Delete(table, stored["id"]))
    assert there.list(table.name) == []


async def test_writes_of_several_callers_travel_together(here: Side, there: Wire, proxy: FaultyProxy) -> None:
    proxy.order(Fault.HELD_ANSWER, method="POST")
    first = await here.write(Create(PLAIN, {"Name": "first"}))
    others = [await here.write(Create(PLAIN, {"Name": f"n{n}"}), actor=(ADA, BOB)[n % 2]) for n in range(12)]
    await asyncio.to_thread(proxy.wait_for, 1)
    proxy.release()
    for done in [first, *others]:
        await here.settled(done)
    assert len(there.list("Plain")) == 13
    assert proxy.answered("POST") <= 4


async def test_what_callers_write_while_a_call_waits_for_its_turn_travels_with_it(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    pace = PaceSettings(per_window=1, window=timedelta(seconds=1))
    async with one_side(location, proxy.address, cloud.token("read,write,admin"), pace=pace) as here:
        here.start()

        async def write(number: int) -> None:
            done = await here.write(Create(PLAIN, {"Name": f"n{number}"}), actor=(ADA, BOB)[number % 2])
            assert (await here.outbox.wait(done.first, done.seq, within=WAIT)).state is ReceiptState.DONE

        await write(0)
        waiting = []
        for number in range(1, 9):
            waiting.append(asyncio.ensure_future(write(number)))
            await here.workspace.advance_beyond(here.workspace.head.seq, within=WAIT)
        await asyncio.gather(*waiting)
    assert len(there.list("Plain")) == 9
    # all eight wait for the second window
    assert proxy.answered("POST") == 2


async def test_no_write_of_a_record_overtakes_an_earlier_one(here: Side, there: Wire) -> None:
    (made,) = (await here.do(Create(KEYED, {"Name": "ada"}))).records
    assert made.real is not None
    done = [await here.write(Update(KEYED, made.real, {"Age": age}), actor=(ADA, BOB)[age % 2]) for age in range(40)]
    for each in done:
        assert (await here.settled(each)).state is ReceiptState.DONE
    assert there.read("Keyed", made.real)["Age"] == 39
    assert await here.cells(KEYED, made.real) == {"Name": "ada", "Age": 39, CONNECTOR_KEY: made.record}


async def test_a_link_to_a_record_that_is_new_too_follows_as_soon_as_that_is_there(here: Side, there: Wire) -> None:
    target = await here.write(Create(KEYED, {"Name": "target"}))
    assert target.written[0].record is not None
    linking = await here.do(Create(LINKED, {"Name": "from", "Ones": [target.written[0].record.id]}))
    (stored,), (linked,) = there.list("Keyed"), there.list("Linked")
    assert linked["fields"]["Ones"] == [stored["id"]]
    assert linking.records[0].real == linked["id"]
    assert await here.cells(LINKED, RecordId(linked["id"])) == linked["fields"]


async def test_what_was_made_and_deleted_before_it_was_sent_is_never_there(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
        made = await here.write(Create(PLAIN, {"Name": "ada"}))
        assert made.written[0].record is not None
        gone = await here.write(Delete(PLAIN, made.written[0].record.id))
        here.start()
        assert [(await here.settled(done)).state for done in (made, gone)] == [ReceiptState.DONE] * 2
        assert (proxy.seen, there.list("Plain")) == ([], [])


@pytest.mark.parametrize("fault", COMMON)
@pytest.mark.parametrize("table", [PLAIN, KEYED, OWN], ids=["plain", "keyed", "own"])
async def test_whatever_becomes_of_a_call_each_write_takes_effect_once(
    here: Side, there: Wire, proxy: FaultyProxy, fault: Fault, table: Table
) -> None:
    name = table.fields[0].name
    proxy.order(fault)
    one, two = await here.write(Create(table, {name: "one"})), await here.write(Create(table, {name: "two", "Age": 1}))
    reals = [(await here.settled(done)).records[0].real for done in (one, two)]
    stored = {record["id"]: record["fields"][name] for record in there.list(table.name)}
    assert stored == dict(zip(reals, ["one", "two"], strict=True))

    proxy.order(fault)
    assert reals[0] is not None
    await here.do(Update(table, reals[0], {"Age": 9}))
    assert there.read(table.name, reals[0])["Age"] == 9

    proxy.order(fault)
    assert (await here.do(Delete(table, reals[0]))).state is ReceiptState.DONE
    assert [record["id"] for record in there.list(table.name)] == [reals[1]]


async def test_two_equal_creates_without_a_key_each_claim_a_record_of_their_own(
    here: Side, there: Wire, proxy: FaultyProxy
) -> None:
    proxy.order(Fault.LOST_ANSWER, method="POST", times=2)
    done = [await here.write(Create(PLAIN, {"Name": "twin"})) for _ in range(5)]
    reals = {(await here.settled(each)).records[0].real for each in done}
    assert {record["id"] for record in there.list("Plain")} == reals
    assert len(reals) == 5


async def test_while_a_lost_record_is_searched_for_none_is_made_that_could_be_taken_for_it(
    here: Side, there: Wire, proxy: FaultyProxy
) -> None:
    proxy.order(Fault.LOST_REQUEST, method="POST")
    proxy.order(Fault.HELD_ANSWER, method="GET")
    lost = await here.write(Create(PLAIN, {"Name": "x"}))
    await asyncio.to_thread(proxy.wait_for, 2)
    alike = await here.write(Create(PLAIN, {"Name": "x", "Age": 1}))
    await here.do(Create(PLAIN, {"Name": "other"}))
    await here.outbox.send_once()
    assert named(there, "Plain") == ["other"]
    proxy.release()
    reals = [(await here.settled(each)).records[0].real for each in (lost, alike)]
    stored = {record["id"]: record["fields"] for record in there.list("Plain")}
    assert [stored[real] for real in reals if real] == [{"Name": "x"}, {"Name": "x", "Age": 1}]


async def test_a_lost_record_is_not_taken_for_that_of_a_create_that_wrote_less(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
        proxy.order(Fault.LOST_ANSWER, method="POST")
        done = [await here.write(Create(PLAIN, {"Name": "x", **more})) for more in ({}, {"Age": 1}, {})]
        here.start()
        reals = [(await here.settled(each)).records[0].real for each in done]
        stored = {record["id"]: record["fields"] for record in there.list("Plain")}
        assert len(stored) == 3
        assert [stored[real] for real in reals if real] == [{"Name": "x"}, {"Name": "x", "Age": 1}, {"Name": "x"}]


async def test_the_one_that_is_refused_is_found_and_the_others_go_through(
    here: Side, there: Wire, proxy: FaultyProxy
) -> None:
    proxy.order(Fault.HELD_ANSWER, method="POST")
    await here.write(Create(PLAIN, {"Name": "first"}))
    days = ["2026-01-05"] * 6 + ["someday"] + ["2026-01-05"] * 3
    done = [await here.write(Create(PLAIN, {"Name": f"n{n}", "Day": day})) for n, day in enumerate(days)]
    await asyncio.to_thread(proxy.wait_for, 1)
    proxy.release()
    states = [(await here.settled(each)).state for each in done]
    assert states == [ReceiptState.REFUSED if day == "someday" else ReceiptState.DONE for day in days]
    assert named(there, "Plain") == ["first", *(f"n{n}" for n in range(10) if n != 6)]

    (letter,) = await dead(here)
    assert letter.record == done[6].written[0].record.id  # type: ignore[union-attr]
    assert await here.cells(PLAIN, letter.record) is None

    first, seq = await here.outbox.replay(letter.number, {"Name": "n6", "Day": "2026-01-06"}, actor=BOB)
    assert (await here.outbox.wait(first, seq, within=WAIT)).state is ReceiptState.DONE
    assert "n6" in named(there, "Plain")
    assert await here.outbox.dead_letters(count=10) == []
    with pytest.raises(DeadLetterNotFound):
        await here.outbox.replay(letter.number, actor=BOB)


async def test_a_refused_update_is_put_back_and_can_be_dropped(here: Side, there: Wire) -> None:
    (made,) = (await here.do(Create(PLAIN, {"Name": "ada", "Day": "2026-01-05"}))).records
    assert made.real is not None
    there.ask("PATCH", there.path("Plain", made.real), json={"fields": {"Age": 44}})
    refused = await here.do(Update(PLAIN, made.real, {"Day": "someday", "Name": "eve"}))
    assert refused.state is ReceiptState.REFUSED
    (letter,) = await dead(here)
    assert await here.cells(PLAIN, made.real) == {"Name": "ada", "Day": "2026-01-05T00:00:00.000Z", "Age": 44}
    await here.outbox.drop(letter.number)
    assert await here.outbox.dead_letters(count=10) == []
    assert (await here.outbox.receipt(refused.first, refused.last)).state is ReceiptState.REFUSED


async def test_of_merged_writes_only_the_one_to_blame_is_refused(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
        made = await here.write(Create(PLAIN, {"Name": "ada"}))
        assert made.written[0].record is not None
        target = made.written[0].record.id
        bad = await here.write(Update(PLAIN, target, {"Day": "someday"}))
        good = await here.write(Update(PLAIN, target, {"Age": 7}))
        here.start()
        states = [(await here.settled(done)).state for done in (made, bad, good)]
        assert states == [ReceiptState.DONE, ReceiptState.REFUSED, ReceiptState.DONE]
        (stored,) = there.list("Plain")
        assert stored["fields"] == {"Name": "ada", "Age": 7}
        await dead(here)
        assert await here.cells(PLAIN, target) == stored["fields"]


async def test_a_deletion_of_what_is_gone_there_already_is_done(here: Side, there: Wire) -> None:
    (made,) = (await here.do(Create(PLAIN, {"Name": "ada"}))).records
    assert made.real is not None
    there.ask("DELETE", there.path("Plain", made.real))
    assert (await here.do(Delete(PLAIN, made.real))).state is ReceiptState.DONE


async def test_a_key_that_was_given_free_is_taken_by_a_new_record(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
        here.start()
        (old,) = (await here.do(Create(OWN, {"Code": "K", "Age": 1}))).records
        assert old.real is not None
        proxy.order(Fault.LOST_REQUEST, method="DELETE")
        await here.write(Delete(OWN, old.real))
        (new,) = (await here.do(Create(OWN, {"Code": "K", "Age": 2}))).records
        (stored,) = there.list("Own")
        assert (stored["id"], stored["fields"]["Age"]) == (new.real, 2)
        assert new.real != old.real


async def test_nothing_is_sent_in_a_lock_out_and_all_of_it_afterwards(
    location: DatabaseLocation, cloud: Service, there: Wire
) -> None:
    limits = Limits(per_window=5, window=timedelta(seconds=5), lockout=timedelta(milliseconds=300))
    pace = PaceSettings(per_window=20, window=timedelta(milliseconds=50), lockout=timedelta(milliseconds=300))
    with FaultyProxy(cloud.address, limits=limits) as proxy:
        async with one_side(location, proxy.address, cloud.token("read,write,admin"), pace=pace) as here:
            here.start()
            done = [await here.write(Create(KEYED, {"Name": f"n{n}"})) for n in range(60)]
            for each in done:
                assert (await here.settled(each)).state is ReceiptState.DONE
        assert sorted(named(there, "Keyed"), key=str) == sorted(f"n{n}" for n in range(60))


async def test_what_airtable_does_not_let_our_key_do_waits(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    async with one_side(location, proxy.address, "patWrong") as here:
        here.start()
        done = await here.write(Create(PLAIN, {"Name": "ada"}))
        await here.observer.until(lambda seen: bool(seen.of(OutboxRests)))
        assert (await here.outbox.receipt(done.first, done.seq)).state is ReceiptState.WAITING
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
        here.start()
        assert (await here.settled(done)).state is ReceiptState.DONE
        assert named(there, "Plain") == ["ada"]


async def test_a_caller_with_much_to_write_does_not_hold_up_another(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    settings = OutboxSettings(look_after=timedelta(0), senders=1)
    async with one_side(location, proxy.address, cloud.token("read,write,admin"), settings=settings) as here:
        flood = [await here.write(Create(PLAIN, {"Name": f"n{n}"})) for n in range(200)]
        other = await here.write(Create(PLAIN, {"Name": "bob"}), actor=BOB)
        proxy.order(Fault.HELD_ANSWER, method="POST", times=2)
        await here.outbox.take()
        here.supervisor.start("outbox.send-1", here.outbox.send_once)
        await asyncio.to_thread(proxy.wait_for, 1)
        assert "bob" in named(there, "Plain")
        proxy.release()
        here.supervisor.start("outbox.look", here.outbox.look_once)
        for each in [*flood, other]:
            await here.settled(each)
        assert len(there.list("Plain", pageSize=100)) == 100


async def test_what_somebody_waits_for_goes_first(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
        flood = [await here.write(Create(PLAIN, {"Name": f"n{n}"})) for n in range(50)]
        waiting = asyncio.ensure_future(here.settled(flood[-1]))
        await here.outbox.take()
        here.supervisor.start("outbox.send-waited-for", here.outbox.steps()["outbox.send-waited-for"])
        assert (await waiting).state is ReceiptState.DONE
        assert named(there, "Plain") == sorted(["n49", *(f"n{n}" for n in range(9))])
        assert [fact.lane for fact in here.observer.of(CloudCalled)] == [Lane.WAITING_CALLER]


async def test_a_caller_of_another_process_is_told_as_well(
    here: Side, location: DatabaseLocation, cloud: Service, proxy: FaultyProxy
) -> None:
    async with one_side(location, proxy.address, cloud.token("read,write,admin"), begun=False) as other:
        done = await other.write(Create(PLAIN, {"Name": "ada"}))
        (record,) = (await other.settled(done)).records
        assert record.state is ReceiptState.DONE
        assert record.real is not None
        await other.workspace.follow()
        assert await other.cells(PLAIN, record.record) == {"Name": "ada"}


async def lost_update(here: Side, there: Wire, proxy: FaultyProxy) -> tuple[str, Receipt]:
    """Let an update be lost on its way to a record that somebody has changed there meanwhile."""
    (made,) = (await here.do(Create(PLAIN, {"Name": "ada", "Age": 1}))).records
    assert made.real is not None
    there.ask("PATCH", there.path("Plain", made.real), json={"fields": {"Age": 5}})
    proxy.order(Fault.LOST_REQUEST, method="PATCH")
    return made.real, await here.do(Update(PLAIN, made.real, {"Age": 9}))


async def test_after_a_lost_update_our_value_is_sent_again_and_theirs_is_kept(
    here: Side, there: Wire, proxy: FaultyProxy
) -> None:
    record, receipt = await lost_update(here, there, proxy)
    assert receipt.state is ReceiptState.DONE
    assert there.read("Plain", record)["Age"] == 9
    (conflict,) = await here.outbox.conflicts(count=10)
    assert (conflict.ours, conflict.theirs, conflict.won) == (9, 5, Winner.OURS)


async def test_where_theirs_win_a_lost_update_is_given_up_and_theirs_is_shown(
    location: DatabaseLocation, cloud: Service, proxy: FaultyProxy, there: Wire
) -> None:
    settings = OutboxSettings(look_after=timedelta(0), rules=lambda _: Rule.THEIRS)
    async with one_side(location, proxy.address, cloud.token("read,write,admin"), settings=settings) as here:
        here.start()
        record, receipt = await lost_update(here, there, proxy)
        assert receipt.state is ReceiptState.REFUSED
        assert there.read("Plain", record)["Age"] == 5
        await here.observer.until(lambda seen: bool(seen.of(LostCallSettled)))
        assert await here.cells(PLAIN, RecordId(record)) == {"Name": "ada", "Age": 5}


async def test_an_update_of_a_record_that_was_deleted_there_is_refused_and_the_record_goes(
    here: Side, there: Wire, proxy: FaultyProxy
) -> None:
    (made,) = (await here.do(Create(PLAIN, {"Name": "ada"}))).records
    assert made.real is not None
    there.ask("DELETE", there.path("Plain", made.real))
    receipt = await here.do(Update(PLAIN, made.real, {"Age": 9}))
    assert receipt.state is ReceiptState.REFUSED
    await dead(here)
    assert await here.cells(PLAIN, made.real) is None


@pytest.mark.parametrize("seed", [None, 2_026])
async def test_whatever_goes_wrong_all_writes_take_effect_once_and_in_order(
    location: DatabaseLocation, cloud: Service, there: Wire, seed: int | None
) -> None:
    dice = Dice(dict.fromkeys(COMMON, 0.03), seed=seed)
    with FaultyProxy(cloud.address, dice=dice) as proxy:
        async with one_side(location, proxy.address, cloud.token("read,write,admin")) as here:
            here.start()
            done: list[Done] = []
            for number in range(40):
                made = await here.write(Create((PLAIN, KEYED)[number % 2], {"Name": f"n{number}"}))
                record = made.written[0].record
                assert record is not None
                done.append(made)
                ages = [Update((PLAIN, KEYED)[number % 2], record.id, {"Age": age}) for age in range(number % 4)]
                done += [await here.write(each) for each in ages]
                if number % 5 == 4:
                    done.append(await here.write(Delete((PLAIN, KEYED)[number % 2], record.id)))
            assert {(await here.settled(each)).state for each in done} == {ReceiptState.DONE}
            found = [record["fields"] for table in ("Plain", "Keyed") for record in there.list(table)]
            shown = [
                await here.cells(table, RecordId(record["id"]))
                for table in (PLAIN, KEYED)
                for record in there.list(table.name)
            ]
    wanted = {f"n{number}": number % 4 - 1 if number % 4 else None for number in range(40) if number % 5 != 4}
    assert sorted((each["Name"], each.get("Age")) for each in found) == sorted(wanted.items())
    assert shown == found


async def test_who_stops_waits_for_the_calls_under_way_and_begins_no_more(
    here: Side, there: Wire, proxy: FaultyProxy
) -> None:
    proxy.order(Fault.HELD_ANSWER, method="POST")
    done = await here.write(Create(PLAIN, {"Name": "ada"}))
    await asyncio.to_thread(proxy.wait_for, 1)
    finishing = asyncio.ensure_future(here.outbox.finish(within=WAIT))
    later = await here.write(Create(PLAIN, {"Name": "bob"}))
    await here.outbox.take()
    assert not finishing.done()
    proxy.release()
    await finishing
    states = [(await here.outbox.receipt(each.first, each.seq)).state for each in (done, later)]
    assert states == [ReceiptState.DONE, ReceiptState.WAITING]
    assert named(there, "Plain") == ["ada"]


async def test_what_airtable_spells_otherwise_is_no_conflict_for_who_reads_it_at_that_moment(
    here: Side, there: Wire
) -> None:
    began = datetime.now(UTC)
    (made,) = (await here.do(Create(PLAIN, {"Name": "ada", "Day": "2026-01-05"}))).records
    assert made.real is not None
    (stored,) = there.list("Plain")
    day = PLAIN.by_name["Day"].id
    told = Told(PLAIN.id, made.real, {PLAIN.by_name["Name"].id: "ada", day: stored["fields"]["Day"]})
    found = await here.outbox.open_cells([made.real], since=began)
    assert stored["fields"]["Day"] == "2026-01-05T00:00:00.000Z"
    assert overlay(told, found[made.real], Rule.THEIRS).conflicts == []


async def dead(here: Side) -> Sequence[Intent]:
    """Wait until what was refused is put back, and return it."""
    await here.observer.until(lambda seen: bool(seen.of(WriteRefused)))
    return await here.outbox.dead_letters(count=10)
