"""Access tokens in the store, and those that open something in memory."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from airtable_connector.database import Database, Reader, Row, Transaction
from airtable_connector.kernel.clock import Clock, iso, parse_iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import BlindObserver, Fact, Observer
from airtable_connector.kernel.secret import Secret
from airtable_connector.mesh.access.token import PREFIX, AccessToken, hash_key, join_key
from airtable_connector.mesh.errors import (
    AccessTokenExpired,
    AccessTokenNotFound,
    AccessTokenUnknown,
    TooManyAccessTokens,
)

MOST_TOKENS: Final = 10_000
"""Tokens that are kept, ended ones among them."""

FOLLOW_EVERY: Final = timedelta(seconds=2)
"""How often it is asked whether another process made or revoked a token."""

PAGE: Final = 500
"""Tokens read at a time."""

NOTE_EVERY: Final = timedelta(minutes=1)
"""The least time from one note of a token's use to the next."""

_COLUMNS = "id, name, scopes, base, droplet, created_at, expires_at, last_used_at, revoked_at"
_REVISION = "select revision from access_revision where id = 1"
# the first statement of every change: in PostgreSQL the row keeps other processes out until the end of the transaction
_REVISE = (
    "insert into access_revision (id, revision) values (1, 1)"
    " on conflict (id) do update set revision = access_revision.revision + 1"
)
_COUNT = "select count(*) from access_tokens"
_FORGET_ENDED = (
    "delete from access_tokens where id in (select id from access_tokens"
    " where revoked_at is not null or expires_at <= :at order by created_at, id limit 1)"
)
_ADD = (
    "insert into access_tokens (id, hash, name, scopes, base, droplet, created_at, expires_at)"
    " values (:id, :hash, :name, :scopes, :base, :droplet, :created, :expires)"
)
_LIST = f"select {_COLUMNS} from access_tokens order by created_at, id limit :most"  # noqa: S608 - literal texts
_LOAD = (
    f"select {_COLUMNS}, hash from access_tokens"  # noqa: S608 - as above
    " where revoked_at is null and id > :after order by id limit :page"
)
_ONE = f"select {_COLUMNS} from access_tokens where id = :id"  # noqa: S608 - as above
_REVOKE = "update access_tokens set revoked_at = :at where id = :id and revoked_at is null"
_NOTE = "update access_tokens set last_used_at = :at where id = :id and (last_used_at is null or last_used_at < :at)"


@dataclass(frozen=True)
class AccessTokensRead(Fact):
    """Access tokens were made or revoked: this process goes by what the store holds at ``revision``."""

    tokens: int
    revision: int


class AccessTokens:
    """Makes, lists, revokes and recognises access tokens.

    Who recognises keeps `follow_once` and `note_once` running as steps: a token that another process makes or revokes
    is taken over by the next `follow_once`; what this process does is known at once. For use from one event loop.
    """

    def __init__(
        self, database: Database, *, clock: Clock, ids: Ids, observer: Observer | None = None, most: int = MOST_TOKENS
    ) -> None:
        self._database = database
        self._clock = clock
        self._ids = ids
        self._observer = observer or BlindObserver()
        self._most = most
        self._held: dict[bytes, AccessToken] = {}
        self._revision = 0
        self._changing = asyncio.Lock()
        self._used: dict[str, datetime] = {}
        self._noted: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"AccessTokens({len(self._held)} held)"

    async def create(
        self, *, name: str, scopes: AbstractSet[str], bases: AbstractSet[str], droplet: int, lifetime: timedelta
    ) -> tuple[AccessToken, Secret]:
        """Make a token; its key is nowhere but in what this returns. The oldest ended one goes when there are too many.

        Raises:
            TooManyAccessTokens: there are as many as are kept, and none has ended.
        """
        now = parse_iso(iso(self._clock.now()))  # as the store keeps it
        token = AccessToken(
            self._ids.mint(PREFIX), name, frozenset(scopes), frozenset(bases), droplet, now, now + lifetime
        )
        key = join_key(token.id, self._ids.secret())
        hashed = hash_key(key.reveal())
        assert hashed is not None
        async with self._changing:
            async with self._database.transaction() as tx:
                await tx.run(_REVISE)
                await self._make_room(tx, iso(now))
                await tx.run(
                    _ADD,
                    id=token.id,
                    hash=hashed,
                    name=name,
                    scopes=" ".join(sorted(scopes)),
                    base=" ".join(sorted(bases)),
                    droplet=droplet,
                    created=iso(token.created),
                    expires=iso(token.expires),
                )
            self._held[hashed] = token
        return token, key

    async def list(self) -> Sequence[AccessToken]:
        """Return every token that is kept, the oldest first, the ended ones as well."""
        async with self._database.reading() as reader:
            return [_token(row) for row in await reader.all(_LIST, most=self._most)]

    async def revoke(self, token_id: str) -> AccessToken:
        """End a token for good, and return it; one that was revoked before stays as it is.

        Raises:
            AccessTokenNotFound: there is none of this id.
        """
        async with self._changing:
            async with self._database.transaction() as tx:
                await tx.run(_REVISE)
                await tx.run(_REVOKE, id=token_id, at=iso(self._clock.now()))
                row = await tx.one(_ONE, id=token_id)
                if row is None:
                    raise AccessTokenNotFound
            self._held = {hashed: token for hashed, token in self._held.items() if token.id != token_id}
        return _token(row)

    def verify(self, key: str, *, at: datetime) -> AccessToken:
        """Return the token whose key this is, and remember that it was used at the moment ``at``.

        The store is never asked, so that keys that nobody knows cost it nothing.

        Raises:
            AccessTokenUnknown: there is none, or it was revoked.
            AccessTokenExpired: its time is over.
        """
        hashed = hash_key(key)
        # what a look-up's time tells is about the hash, from which nobody comes to a key: it need not be constant
        token = None if hashed is None else self._held.get(hashed)
        if token is None:
            raise AccessTokenUnknown
        if at >= token.expires:
            raise AccessTokenExpired(token.expires)
        self._used[token.id] = at
        return token

    async def follow_once(self) -> timedelta:
        """Take over what other processes changed, if they did."""
        async with self._changing, self._database.reading() as reader:
            row = await reader.one(_REVISION)
            revision = 0 if row is None else int(row[0])
            if revision != self._revision:
                await self._load(reader)
                self._revision = revision
                self._observer.saw(AccessTokensRead(len(self._held), revision))
        return FOLLOW_EVERY

    async def note_once(self) -> timedelta:
        """Write down when tokens were last used, of each at most once in `NOTE_EVERY`."""
        now = self._clock.monotonic()
        due = {
            token_id: at
            for token_id, at in self._used.items()
            if token_id not in self._noted or now - self._noted[token_id] >= NOTE_EVERY.total_seconds()
        }
        if due:
            async with self._database.transaction() as tx:
                await tx.run_many(_NOTE, [{"id": token_id, "at": iso(at)} for token_id, at in due.items()])
        for token_id, at in due.items():
            self._noted[token_id] = now
            if self._used.get(token_id) == at:
                del self._used[token_id]
        return FOLLOW_EVERY

    async def _make_room(self, tx: Transaction, at: str) -> None:
        row = await tx.one(_COUNT)
        if row is not None and row[0] >= self._most and not await tx.run(_FORGET_ENDED, at=at):
            raise TooManyAccessTokens(most=self._most)

    async def _load(self, reader: Reader) -> None:
        held: dict[bytes, AccessToken] = {}
        after = ""
        while rows := await reader.all(_LOAD, after=after, page=PAGE):
            held.update((bytes(row[-1]), _token(row[:-1])) for row in rows)
            after = rows[-1][0]
            await self._clock.sleep(timedelta(0))  # requests come in between
        present = {token.id for token in held.values()}
        self._held = held
        self._used = {token_id: at for token_id, at in self._used.items() if token_id in present}
        self._noted = {token_id: at for token_id, at in self._noted.items() if token_id in present}


def _token(row: Row) -> AccessToken:
    token_id, name, scopes, bases, droplet, created, expires, last_used, revoked = row
    return AccessToken(
        token_id,
        name,
        frozenset(scopes.split()),
        frozenset(bases.split()),
        droplet,
        parse_iso(created),
        parse_iso(expires),
        None if last_used is None else parse_iso(last_used),
        None if revoked is None else parse_iso(revoked),
    )
