"""Asking Airtable: each call waits for its turn, is made once, and says what is known of its effect."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol, TypeVar

from airtable_connector.airtable import calls, wire
from airtable_connector.airtable.calls import CloudCall, CloudSettings
from airtable_connector.airtable.errors import CloudClientClosed
from airtable_connector.airtable.keeper import PaceKeeper, Place, Turn
from airtable_connector.airtable.outcomes import Done, NotDone, Outcome, Refused, Unknown, Why
from airtable_connector.airtable.pace import Lane
from airtable_connector.airtable.wire import (
    Cells,
    Change,
    CloudField,
    CloudRecord,
    CloudTable,
    Definition,
    Merged,
    NewWebhook,
    Page,
    Payloads,
    Webhook,
)
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import FieldId, RecordId, TableId
from airtable_connector.kernel.jsonvalues import JsonValue
from airtable_connector.kernel.observer import Fact, Observer

T = TypeVar("T")


class Asking(Protocol):
    """What makes a call, in the thread of whoever asks and never twice; several threads may ask at once."""

    def ask(self, call: CloudCall, read: Callable[[JsonValue], T]) -> Outcome[T]:
        """Make the call, and wait for its end; ``read`` makes a value of the answer."""
        ...

    def close(self) -> None:
        """Let go of what is kept open."""
        ...


@dataclass(frozen=True)
class CloudCalled(Fact):
    """A call to Airtable has ended. ``outcome`` is the name of what is known of it, ``why`` says why it failed."""

    call: str
    lane: Lane
    outcome: str
    why: str
    waited: timedelta
    took: timedelta


class AirtableClient:
    """Asks one base of Airtable. Nothing is repeated here: whoever wants something knows whether it may be.

    Every method waits for its turn and returns an `Outcome`; ``value_of`` makes an error of what is no value.
    Cancelling one that was sent does not call it back: it may take effect, and still counts for the pace.

    Args:
        transport: makes the calls; left out, they go over the network.

    Raises:
        CloudClientClosed, CloudQuotaSpent, PaceQueueFull, and what the keeper's ``admit`` raises: by every method,
            before anything was sent.
    """

    def __init__(
        self,
        settings: CloudSettings,
        keeper: PaceKeeper,
        *,
        clock: Clock,
        observer: Observer,
        transport: Asking | None = None,
    ) -> None:
        self._settings = settings
        self._keeper = keeper
        self._clock = clock
        self._observer = observer
        # threads of its own: Airtable's slowness must not hold those that others need
        self._threads = ThreadPoolExecutor(keeper.at_once, thread_name_prefix="airtable")
        self._opening = asyncio.Lock()
        self._transport = transport
        self._closed = False

    async def prepare(self) -> None:
        """Load what asks, so that the first call need not wait for it."""
        await self._open()

    async def close(self) -> None:
        """Make no more calls, and wait for those that are under way; each ends in its time."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        if self._transport is not None:
            self._transport.close()

    async def place(self, lane: Lane) -> Place:
        """Wait until a call's turn is about to come, to settle what it carries as late as can be.

        The place is then given to the method that writes, instead of a lane.

        Raises:
            CloudClientClosed, CloudQuotaSpent, PaceQueueFull, and what the keeper's ``admit`` raises.
        """
        await self._open()
        return await self._keeper.place(lane)

    async def list_page(
        self,
        table: TableId,
        *,
        lane: Lane,
        offset: str | None = None,
        formula: str | None = None,
        fields: Sequence[FieldId] = (),
        page_size: int = calls.MOST_READ,
    ) -> Outcome[Page]:
        """Read a page of a table, all cells of it unless ``fields`` names some.

        Pages together are no snapshot: a record may come twice, and one that moves may be missed. An offset that has
        expired is refused as `ITERATOR_EXPIRED`; the list then begins anew.
        """
        call = calls.list_call(
            self._settings.base, table, offset=offset, formula=formula, fields=fields, page_size=page_size
        )
        return await self._ask(call, wire.read_page, lane)

    async def get(self, table: TableId, records: Sequence[RecordId], *, lane: Lane) -> Outcome[Page]:
        """Read up to 100 records, in any order. One that is missing in the answer is not in the table."""
        return await self._ask(calls.get_call(self._settings.base, table, records), wire.read_page, lane)

    async def create(
        self, table: TableId, records: Sequence[Cells], *, lane: Lane | Place
    ) -> Outcome[Sequence[CloudRecord]]:
        """Make up to ten records, all or none, returned in the order of the request.

        Repeated after an unknown outcome, it may make them twice.
        """
        return await self._write(calls.create_call(self._settings.base, table, records), len(records), lane)

    async def update(
        self, table: TableId, changes: Sequence[Change], *, lane: Lane | Place
    ) -> Outcome[Sequence[CloudRecord]]:
        """Write the given cells of up to ten records, all or none."""
        return await self._write(calls.update_call(self._settings.base, table, changes), len(changes), lane)

    async def replace(self, table: TableId, changes: Sequence[Change], *, lane: Lane) -> Outcome[Sequence[CloudRecord]]:
        """Write the given cells of up to ten records and empty their other ones, all or none."""
        return await self._write(calls.replace_call(self._settings.base, table, changes), len(changes), lane)

    async def upsert(
        self, table: TableId, records: Sequence[Cells], *, on: Sequence[FieldId], lane: Lane | Place
    ) -> Outcome[Merged]:
        """Update or make up to ten records, found by equal values in up to three fields, all or none.

        Repeated, it finds what it made before. Two records of one call with the same values must not be sent:
        each would be made.
        """
        call = calls.upsert_call(self._settings.base, table, records, on=on)
        return await self._ask(call, partial(wire.read_merged, count=len(records)), lane)

    async def delete(
        self, table: TableId, records: Sequence[RecordId], *, lane: Lane | Place
    ) -> Outcome[frozenset[RecordId]]:
        """Delete up to ten records, all or none. One that is gone already makes it refused."""
        return await self._ask(calls.delete_call(self._settings.base, table, records), wire.read_deleted, lane)

    async def schema(self, *, lane: Lane) -> Outcome[Sequence[CloudTable]]:
        """Read the definitions of the base's tables."""
        return await self._ask(calls.schema_call(self._settings.base), wire.read_tables, lane)

    async def create_table(self, definition: Definition, *, lane: Lane) -> Outcome[CloudTable]:
        """Make a table with its fields, and return it with its ids.

        Repeated after an unknown outcome, it is refused when the first try has made it: look before repeating.
        """
        return await self._ask(calls.create_table_call(self._settings.base, definition), wire.read_table, lane)

    async def create_field(self, table: TableId, definition: Definition, *, lane: Lane) -> Outcome[CloudField]:
        """Make a field of a table; a link field makes its inverse in the linked table as well. Repeated as a table."""
        return await self._ask(calls.create_field_call(self._settings.base, table, definition), wire.read_field, lane)

    async def update_field(
        self, table: TableId, field: FieldId, change: Definition, *, lane: Lane
    ) -> Outcome[CloudField]:
        """Change a field's name, description or options. A list of choices must hold those that are to stay."""
        call = calls.update_field_call(self._settings.base, table, field, change)
        return await self._ask(call, wire.read_field, lane)

    async def create_webhook(
        self, specification: Mapping[str, JsonValue], *, url: str | None, lane: Lane
    ) -> Outcome[NewWebhook]:
        """Make a webhook, with notifications to ``url`` or without any."""
        call = calls.create_webhook_call(self._settings.base, specification, url)
        return await self._ask(call, wire.read_new_webhook, lane)

    async def webhooks(self, *, lane: Lane) -> Outcome[Sequence[Webhook]]:
        """Read the base's webhooks, with those that others have made."""
        return await self._ask(calls.webhooks_call(self._settings.base), wire.read_webhooks, lane)

    async def refresh_webhook(self, webhook: str, *, lane: Lane) -> Outcome[datetime | None]:
        """Let a webhook live seven days from now, and return until when that is."""
        return await self._ask(calls.refresh_webhook_call(self._settings.base, webhook), wire.read_expiry, lane)

    async def delete_webhook(self, webhook: str, *, lane: Lane) -> Outcome[None]:
        """Delete a webhook."""
        return await self._ask(calls.delete_webhook_call(self._settings.base, webhook), wire.read_nothing, lane)

    async def payloads(self, webhook: str, *, cursor: int, lane: Lane) -> Outcome[Payloads]:
        """Read up to 50 payloads of a webhook from a number on; they can be read again."""
        call = calls.payloads_call(self._settings.base, webhook, cursor=cursor)
        return await self._ask(call, wire.read_payloads, lane)

    async def _write(self, call: CloudCall, count: int, lane: Lane | Place) -> Outcome[Sequence[CloudRecord]]:
        return await self._ask(call, partial(wire.read_written, count=count), lane)

    async def _ask(self, call: CloudCall, read: Callable[[JsonValue], T], lane: Lane | Place) -> Outcome[T]:
        transport = await self._open()
        turn = await (lane.begin() if isinstance(lane, Place) else self._keeper.turn(lane))
        if self._closed:
            turn.end()
            raise CloudClientClosed
        # nothing may be awaited from here to the call: the next turn counts from this moment
        began = self._clock.monotonic()
        working = asyncio.get_running_loop().run_in_executor(self._threads, transport.ask, call, read)
        working.add_done_callback(partial(self._ended, turn))
        # the thread goes on when its caller is cancelled, and so does what follows its end
        outcome = await asyncio.shield(working)
        took = timedelta(seconds=self._clock.monotonic() - began)
        purpose = lane.lane if isinstance(lane, Place) else lane
        self._observer.saw(CloudCalled(call.name, purpose, type(outcome).__name__, _why(outcome), turn.waited, took))
        return outcome

    def _ended(self, turn: Turn, working: "asyncio.Future[Outcome[T]]") -> None:
        if not working.cancelled() and working.exception() is None:
            match working.result():
                case NotDone(Why.LOCKED_OUT, _, pause):
                    self._keeper.locked_out(pause)
                case NotDone(Why.QUOTA_SPENT):
                    self._keeper.quota_spent()
        turn.end()

    async def _open(self) -> Asking:
        async with self._opening:
            if self._closed:
                raise CloudClientClosed
            if self._transport is None:
                self._transport = await asyncio.to_thread(self._load)
            return self._transport

    def _load(self) -> Asking:
        from airtable_connector.airtable.transport import Transport  # noqa: PLC0415 - heavy

        return Transport(self._settings, clock=self._clock, connections=self._keeper.at_once)


def _why(outcome: Outcome[T]) -> str:
    match outcome:
        case Done():
            return ""
        case Refused(_, kind):
            return kind
        case NotDone(why, detail):
            return f"{why}{detail and f' ({detail})'}"
        case Unknown(why):
            return why
