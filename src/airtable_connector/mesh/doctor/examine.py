"""Making all checks, one after the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.mesh.doctor.check import Check
from airtable_connector.mesh.doctor.conduct import CONDUCT_CHECKS
from airtable_connector.mesh.doctor.endpoints import ENDPOINT_CHECKS, REACHABLE
from airtable_connector.mesh.doctor.examination import Examination, base_address, check_token
from airtable_connector.mesh.doctor.messages import MESSAGE_CHECKS
from airtable_connector.mesh.doctor.outcomes import Failed, Outcome, Skipped
from airtable_connector.mesh.doctor.refusals import REFUSAL_CHECKS
from airtable_connector.mesh.doctor.report import Finding, Report
from airtable_connector.mesh.doctor.sending import SENDING_CHECKS
from airtable_connector.mesh.doctor.stopping import STOP_CHECKS
from airtable_connector.mesh.doctor.visit import Visit

CHECKS: Final[tuple[Check, ...]] = (
    REACHABLE,
    *ENDPOINT_CHECKS,
    *REFUSAL_CHECKS,
    *MESSAGE_CHECKS,
    *SENDING_CHECKS,
    *STOP_CHECKS,
    *CONDUCT_CHECKS,  # last: they look at all answers
)
"""Every check, in the order in which they are made."""


async def examine(order: Examination, *, clock: Clock, ids: Ids) -> Report:
    """Visit a droplet and tell what holds and what does not.

    Asks one question at a time, each once, and follows nobody elsewhere. Messages are queries to the droplet itself.
    A droplet that does not answer is a finding, no error.

    Raises:
        DropletAddressRefused: nothing can be asked at the address.
        UnsendableToken: the token cannot be shown to anybody.
    """
    if order.token is not None:
        check_token(order.token)
    examined_at, began = clock.now(), clock.monotonic()
    async with open_visit(order, clock=clock, ids=ids) as visit:
        findings = await _make_all(visit)
        return Report(
            address=base_address(order.address),
            examined_at=examined_at,
            took=timedelta(seconds=clock.monotonic() - began),
            requests=len(visit.seen),
            complete=not visit.over,
            findings=tuple(findings),
        )


@asynccontextmanager
async def open_visit(order: Examination, *, clock: Clock, ids: Ids) -> AsyncIterator[Visit]:
    """Open the connections to a droplet for one visit."""
    import httpx2  # noqa: PLC0415 - heavy

    encrypted = base_address(order.address).startswith("https:")
    # in a thread: it reads the certificates of the authorities, where they are needed
    client = await asyncio.to_thread(
        httpx2.AsyncClient,
        verify=encrypted,
        timeout=order.per_answer.total_seconds(),
        # a connection for each question: none can be closed by the droplet at the moment when it is used again
        limits=httpx2.Limits(max_connections=1, max_keepalive_connections=0),
        follow_redirects=False,
        trust_env=False,
        headers={
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": "airtable-connector-doctor",
        },
    )
    async with client:
        yield Visit(order, client, clock=clock, ids=ids)


async def _make_all(visit: Visit) -> list[Finding]:
    findings = [Finding(REACHABLE, await REACHABLE.run(visit))]
    unreachable = isinstance(findings[0].outcome, Failed)
    for check in CHECKS[1:]:
        outcome = Skipped("the droplet does not answer") if unreachable else await _make(check, visit)
        findings.append(Finding(check, outcome))
    return findings


async def _make(check: Check, visit: Visit) -> Outcome:
    if visit.over:
        return Skipped("the time for the examination was over")
    for need in check.needs:
        if (why_not := await need(visit)) is not None:
            return Skipped(why_not)
    return await check.run(visit)
