"""What the dialects ask about the base at Airtable, answered by the mirror and the outbox."""

import dataclasses
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from airtable_connector.records import Done, Effected, Workspace, Written
from airtable_connector.sync.budget import Budget
from airtable_connector.sync.mirror import Mirror, Phase
from airtable_connector.sync.outbox import Outbox, Receipt, ReceiptState
from airtable_connector.web.http import Freshness, Header, Refusal, Settlement

_TYPED: Final = re.compile(r"([A-Z][A-Z_]+)(?:: (.*))?", re.DOTALL)
"""A reason of Airtable's: its type, and mostly a message."""


class AirtableUpstream:
    """The base at Airtable, as far as callers have to do with it."""

    def __init__(
        self, workspace: Workspace, mirror: Mirror, outbox: Outbox, budget: Budget, *, wait: timedelta
    ) -> None:
        self._workspace = workspace
        self._mirror = mirror
        self._outbox = outbox
        self._budget = budget
        self.usual_wait = wait
        """How long a writer waits who does not say."""

    @property
    def allowance(self) -> tuple[Header, ...]:
        """What is left of the month's calls."""
        limit = self._budget.rate_limit()
        return () if limit is None else ((b"ratelimit-policy", limit.policy), (b"ratelimit", limit.left))

    def check_room(self) -> None:
        """Refuse a write when too many wait for Airtable already."""
        self._outbox.check_room()

    def freshness(self) -> Freshness:
        """Tell how fresh reads are now."""
        copying = tuple(each.name for each in self._mirror.completeness if each.phase is Phase.LISTING)
        return Freshness(self._mirror.position.seq, self._mirror.age, copying)

    async def reach(self, staleness: timedelta, *, within: timedelta) -> bool:
        """Have reads as fresh as that, and tell whether they became so in time."""
        return await self._mirror.reach(staleness, within=within)

    async def settle(self, done: Done, *, within: timedelta) -> Settlement:
        """Wait until it is known there what becomes of a write, or the time is over."""
        if done.first > done.seq:
            return Settlement(done.written, None, is_final=True)
        receipt = await self._outbox.wait(done.first, done.seq, within=within)
        return Settlement(await self._as_now(done.written), receipt.id, receipt.final, _refusals(done.written, receipt))

    async def _as_now(self, written: Sequence[Written]) -> tuple[Written, ...]:
        """Return what was written with the records as they are now, under the ids that they have now."""
        ids = [each.record.id for each in written if each.record is not None and each.effect is not Effected.DELETED]
        present = await self._workspace.records(ids)
        return tuple(
            each
            if each.record is None or each.record.id not in present
            else dataclasses.replace(each, record=present[each.record.id])
            for each in written
        )


def _refusals(written: Sequence[Written], receipt: Receipt) -> tuple[Refusal, ...]:
    refused = {each.record: each.reason for each in receipt.records if each.state is ReceiptState.REFUSED}
    refused |= {each.real: each.reason for each in receipt.records if each.real and each.record in refused}
    return tuple(
        _refusal(index, refused[each.record.id])
        for index, each in enumerate(written)
        if each.record is not None and each.record.id in refused
    )


def _refusal(index: int, reason: str) -> Refusal:
    typed = _TYPED.fullmatch(reason)
    if typed is None:
        return Refusal(index, "INVALID_REQUEST_UNKNOWN", reason)
    return Refusal(index, typed[1], typed[2] or typed[1])
