from datetime import timedelta
from typing import Any

import pytest
from tests.fakes import CountingIds, FakeClock, SpyObserver

from airtable_connector.database import Database
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh import (
    ALL_BASES,
    AccessToken,
    AccessTokenExpired,
    AccessTokenNotFound,
    AccessTokens,
    AccessTokensRead,
    AccessTokenUnknown,
    TooManyAccessTokens,
)

pytestmark = pytest.mark.anyio

READ = frozenset({"data.records:read"})
BASE = "appAAAAAAAAAAAAAA"


class House:
    """Two processes on one store: a service, and a command beside it."""

    def __init__(self, database: Database, most: int = 100) -> None:
        self.clock = FakeClock()
        ids = CountingIds()
        self.service, self.command = [AccessTokens(database, clock=self.clock, ids=ids, most=most) for _ in range(2)]

    async def make(self, by: AccessTokens | None = None, **wish: Any) -> tuple[AccessToken, Secret]:
        wanted = {"name": "n8n", "scopes": READ, "bases": {BASE}, "droplet": 7, "lifetime": timedelta(days=30), **wish}
        return await (by or self.command).create(**wanted)

    def verify(self, key: Secret) -> AccessToken:
        return self.service.verify(key.reveal(), at=self.clock.now())


@pytest.fixture
def house(database: Database) -> House:
    return House(database)


async def test_a_token_is_recognised_as_soon_as_the_store_was_looked_at(house: House) -> None:
    token, key = await house.make()
    with pytest.raises(AccessTokenUnknown):
        house.verify(key)
    assert await house.service.follow_once() <= timedelta(seconds=5)

    assert house.verify(key) == token
    assert (token.id, token.name, token.scopes, token.bases, token.droplet) == (
        key.reveal()[:17], "n8n", READ, {BASE}, 7,
    )  # fmt: skip
    assert (token.expires - token.created, token.permissions) == (timedelta(days=30), frozenset())


async def test_the_process_that_makes_or_revokes_a_token_knows_at_once(house: House) -> None:
    token, key = await house.make(by=house.service)
    assert house.verify(key) == token
    await house.service.revoke(token.id)
    with pytest.raises(AccessTokenUnknown):
        house.verify(key)


async def test_a_revocation_is_seen_at_the_next_look_and_stays(house: House) -> None:
    token, key = await house.make()
    _, other = await house.make()
    await house.service.follow_once()
    revoked = await house.command.revoke(token.id)
    assert revoked.revoked == house.clock.now()
    await house.service.follow_once()

    with pytest.raises(AccessTokenUnknown):
        house.verify(key)
    assert house.verify(other).id != token.id
    await house.clock.advance(timedelta(hours=1))
    assert await house.command.revoke(token.id) == revoked
    with pytest.raises(AccessTokenNotFound):
        await house.command.revoke("patBBBBBBBBBBBBBB")


async def test_a_token_ends_at_its_time(house: House) -> None:
    token, key = await house.make(by=house.service)
    await house.clock.advance(timedelta(days=30) - timedelta(milliseconds=1))
    house.verify(key)
    await house.clock.advance(timedelta(milliseconds=1))
    with pytest.raises(AccessTokenExpired) as caught:
        house.verify(key)
    assert caught.value.expired_at == token.expires


@pytest.mark.parametrize("change", [lambda key: key[:-1] + "g", str.upper, lambda key: key[:17], lambda key: key + "é"])
async def test_what_is_nearly_a_key_opens_nothing(house: House, change: Any) -> None:
    _, key = await house.make(by=house.service)
    with pytest.raises(AccessTokenUnknown):
        house.service.verify(change(key.reveal()), at=house.clock.now())


async def test_neither_a_known_nor_an_unknown_key_asks_the_store(house: House, database: Database) -> None:
    _, key = await house.make(by=house.service)
    await database.close()
    house.verify(key)
    with pytest.raises(AccessTokenUnknown):
        house.service.verify("pat00000000000009." + "0" * 64, at=house.clock.now())


async def test_the_store_is_read_again_only_after_a_change(house: House, database: Database) -> None:
    token, key = await house.make()
    await house.service.follow_once()
    async with database.transaction() as tx:
        await tx.run("delete from access_tokens")  # which nobody announces
    await house.service.follow_once()
    assert house.verify(key).id == token.id


async def test_more_tokens_than_are_read_at_a_time_are_all_known(house: House, database: Database) -> None:
    _, key = await house.make()
    rows = [{"id": f"pat{number:014d}", "hash": number.to_bytes(32)} for number in range(1_000, 2_000)]
    async with database.transaction() as tx:
        await tx.run_many(
            "insert into access_tokens (id, hash, name, scopes, base, droplet, created_at, expires_at)"
            " values (:id, :hash, '', '', '', 1, '2026-01-01', '2027-01-01')",
            rows,
        )
    observer = SpyObserver()
    service = AccessTokens(database, clock=house.clock, ids=CountingIds(), observer=observer)
    for _ in range(2):
        await service.follow_once()
    assert observer.facts == [AccessTokensRead(tokens=1_001, revision=1)]
    assert service.verify(key.reveal(), at=house.clock.now()).name == "n8n"


async def test_a_use_is_noted_once_a_minute_and_never_by_the_request(house: House) -> None:
    _, key = await house.make()
    await house.service.follow_once()
    first = house.clock.now()
    house.verify(key)
    assert await last_used(house) is None
    await house.service.note_once()
    assert await last_used(house) == first

    await house.clock.advance(timedelta(seconds=59))
    house.verify(key)
    await house.service.note_once()
    assert await last_used(house) == first
    await house.clock.advance(timedelta(seconds=1))
    await house.service.note_once()
    assert await last_used(house) == first + timedelta(seconds=59)


async def test_an_older_use_of_another_process_does_not_hide_a_newer_one(house: House, database: Database) -> None:
    _, key = await house.make()
    replica = AccessTokens(database, clock=house.clock, ids=CountingIds())
    await replica.follow_once()
    await house.service.follow_once()
    house.verify(key)
    await house.clock.advance(timedelta(seconds=1))
    replica.verify(key.reveal(), at=house.clock.now())
    await replica.note_once()
    await house.service.note_once()
    assert await last_used(house) == house.clock.now()


async def last_used(house: House) -> object:
    (token,) = await house.command.list()
    return token.last_used


async def test_only_the_hash_of_a_key_is_kept(house: House, database: Database) -> None:
    token, key = await house.make()
    secret = key.reveal().partition(".")[2]
    async with database.reading() as reader:
        (row,) = await reader.all("select * from access_tokens")
    assert not any(secret in str(value) or bytes.fromhex(secret) == value for value in row)
    assert secret not in f"{token!r} {key!r} {house.command!r} {await house.command.list()!r}"


async def test_the_oldest_ended_token_makes_room(database: Database) -> None:
    house = House(database, most=3)
    first, _, third = [(await house.make(lifetime=timedelta(days=days)))[0].id for days in (30, 1, 30)]
    with pytest.raises(TooManyAccessTokens):
        await house.make()
    await house.command.revoke(third)
    await house.clock.advance(timedelta(days=2))
    fourth, fifth = [(await house.make())[0].id for _ in range(2)]
    assert [token.id for token in await house.command.list()] == [first, fourth, fifth]
    with pytest.raises(TooManyAccessTokens):
        await house.make()


async def test_a_token_opens_the_bases_that_it_names(house: House) -> None:
    ours, theirs = BASE, BASE[:-1] + "X"
    assert ours != theirs
    for bases, opened in (({ours}, [True, False]), ({ours, theirs}, [True, True]), ({ALL_BASES}, [True, True])):
        _, key = await house.make(bases=bases)
        await house.service.follow_once()
        token = house.verify(key)
        assert token.bases == bases
        assert [token.opens(base) for base in (ours, theirs)] == opened
