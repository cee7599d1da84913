"""The demo of a mirror: a connector that stands in for Airtable, and one that mirrors its base."""

import asyncio
import shlex
import signal
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

import typer

from airtable_connector.cli.connector_process import ConnectorProcess
from airtable_connector.cli.copy_progress import Copied, Pace, shown_copy
from airtable_connector.cli.demo_mesh import free_port
from airtable_connector.cli.errors import DemoConnectorFailed
from airtable_connector.cli.own_keys import issue_token
from airtable_connector.cli.sample import large_sample
from airtable_connector.compose import load_sample, open_base
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import Fact
from airtable_connector.kernel.secret import Secret
from airtable_connector.kernel.supervisor import StepFailed, Supervisor
from airtable_connector.mesh import PeerClient, PeerFailed, Permission
from airtable_connector.records import HEARTBEATS
from airtable_connector.settings import read_settings
from airtable_connector.web.airtable_api import DERIVED_ID

CALLER: Final = 5
"""The droplet for whom the demo mints a token: the Dashboard."""

MIRRORING: Final = 2
"""The droplet as which the mirror asks the stand-in: itself."""

VALID: Final = timedelta(hours=24)
"""How long the demo's tokens are believed."""

AIRTABLES_PACE: Final[Mapping[str, str]] = {
    "AIRTABLE_API_REQUESTS_PER_SECOND": "5",
    "AIRTABLE_API_LOCKOUT_SECONDS": "30",
}
"""How often the stand-in may be asked: as often as Airtable itself."""

LOOK_EVERY: Final = timedelta(milliseconds=250)
"""How often it is asked how far the copy has come."""


@dataclass(frozen=True)
class MirrorDemo:
    """What is wished of the demo. Ports that are 0 become free ones."""

    folder: Path
    records: int
    port: int
    airtable_port: int
    away: timedelta
    """How long the stand-in stays away when somebody ends it."""


def run_mirror_demo(wished: MirrorDemo, *, clock: Clock, ids: Ids) -> None:
    """Show a mirror until a signal says stop, and end both processes then.

    Raises:
        DemoConnectorFailed: one of them does not come up, or the mirror ended by itself.
    """
    with suppress(asyncio.CancelledError):  # a signal has said stop
        asyncio.run(_until_stopped(wished, clock, ids))


async def _until_stopped(wished: MirrorDemo, clock: Clock, ids: Ids) -> None:
    me = asyncio.current_task()
    assert me is not None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, me.cancel)
    there, here = wished.folder / "airtable", wished.folder / "mirror"
    typer.echo(f"In {wished.folder}: a base of {wished.records:,} records is made for the stand-in, unless it has one.")
    wished.folder.mkdir(parents=True, exist_ok=True)
    total = await _fill(there, wished.records, clock, ids)
    key = _token(there, MIRRORING, {Permission.READ, Permission.WRITE, Permission.ADMIN}, clock)
    token = _token(here, CALLER, {Permission.READ, Permission.WRITE}, clock)
    client = PeerClient(clock=clock)
    airtable = ConnectorProcess(
        "stand-in for Airtable", there, wished.airtable_port or free_port(), AIRTABLES_PACE, client=client, clock=clock
    )
    port = wished.port or free_port()
    behind = _behind(airtable, key, port)
    async with (
        AsyncExitStack() as stack,
        airtable,
        ConnectorProcess("mirror", here, port, behind, client=client, clock=clock) as mirror,
        Supervisor(clock=clock, observer=_Teller()) as supervisor,
    ):
        stack.push_async_callback(client.close)
        await airtable.start()
        await mirror.start()
        supervisor.start("airtable", _Return(airtable, wished.away).mind_once)
        await _show_copy(mirror, total, client=client, token=token, clock=clock)
        typer.echo(directions(airtable, mirror, key=key, token=token, away=wished.away))
        await mirror.until_it_ends()
        raise DemoConnectorFailed(mirror.name, mirror.log_file)


def _behind(airtable: ConnectorProcess, key: Secret, port: int) -> Mapping[str, str]:
    """Return the settings of a mirror that listens at a port of this machine."""
    return {
        "AIRTABLE_ENDPOINT_URL": airtable.address,
        "AIRTABLE_API_KEY": key.reveal(),
        "AIRTABLE_NOTIFICATION_URL": f"http://127.0.0.1:{port}/airtable/notifications",
        "BASE_ID": DERIVED_ID,
        # without a monthly number of calls
        "AIRTABLE_PLAN": "business",
    }


async def _fill(folder: Path, records: int, clock: Clock, ids: Ids) -> int:
    """Fill the stand-in's base, if it is empty, and return how many of its records a mirror will have."""
    settings = read_settings({"DATA_DIR": str(folder)})
    async with open_base(settings, clock=clock, ids=ids) as base:
        await load_sample(base.workspace, large_sample(clock.now(), records), droplet=settings.droplet.id)
        tables = [table for table in base.workspace.tables.values() if table.name != HEARTBEATS.name]
        return sum([await base.workspace.count(table) for table in tables])


def _token(folder: Path, droplet: int, permissions: AbstractSet[Permission], clock: Clock) -> Secret:
    settings = read_settings({"DATA_DIR": str(folder)})
    text, _ = issue_token(
        settings.store.keys_dir,
        droplet=droplet,
        permissions=permissions,
        lifetime=VALID,
        steward=settings.droplet.steward,
        at=clock.now(),
    )
    return Secret(text)


async def _show_copy(mirror: ConnectorProcess, total: int, *, client: PeerClient, token: Secret, clock: Clock) -> None:
    """Show how the first copy goes on, until it is whole."""
    began, pace = clock.monotonic(), Pace(clock)
    with shown_copy(total, clock=clock) as show:
        copied = Copied(0, is_whole=False)
        while not copied.is_whole:
            await clock.sleep(LOOK_EVERY)
            if not mirror.is_running:
                raise DemoConnectorFailed(mirror.name, mirror.log_file)
            with suppress(PeerFailed):  # it is asked again
                reply = await client.call("GET", f"{mirror.address}/state", bearer=token)
                copied = Copied.from_state(reply.object())
            pace.saw(copied.records)
            show(copied, pace)
    typer.echo(
        f"{copied.records:,} records are copied, {clock.monotonic() - began:.1f} s after the start{pace.beside()}."
    )


class _Return:
    """Lets the stand-in come back some time after it was ended."""

    def __init__(self, airtable: ConnectorProcess, away: timedelta) -> None:
        self._airtable = airtable
        self._away = away

    async def mind_once(self) -> timedelta:
        """Start it, unless it is there, and rest when it has ended."""
        if not self._airtable.is_running:
            await self._airtable.start()
            typer.echo(f"The {self._airtable.name} is back.")
        await self._airtable.until_it_ends()
        typer.echo(f"The {self._airtable.name} has ended. It comes back in {self._away.total_seconds():g} seconds.")
        return self._away


class _Teller:
    """Says at the terminal what would otherwise stay unseen."""

    def saw(self, fact: Fact) -> None:
        """Say why the stand-in does not come back."""
        if isinstance(fact, StepFailed):
            typer.echo(f"{fact.error}; it is tried again in {fact.rest.total_seconds():g} seconds", err=True)


def directions(
    airtable: ConnectorProcess, mirror: ConnectorProcess, *, key: Secret, token: Secret, away: timedelta
) -> str:
    """Say where both are, with keys to them and lines to try."""
    here = 'curl -s -H "Authorization: Bearer $TOKEN"'
    there = 'curl -s -H "Authorization: Bearer $KEY"'
    tell = '-H "Content-Type: application/json"'
    return f"""
A connector with a base of its own stands in for Airtable. It takes 5 calls a second, from all together, and none for 30
seconds after one too many:

    AIRTABLE={airtable.address}/v0/{DERIVED_ID}
    KEY={key.reveal()}

Another one mirrors that base, for callers with a token such as this one (droplet {CALLER}, read and write, 24 hours):

    MIRROR={mirror.address}
    TOKEN={token.reveal()}

Write here, and read it there:

    {here} {tell} \\
         -d '{{"Sprint_ID":"SPRINT-90001","Name":"Try the mirror","Status":"Active"}}' "$MIRROR/sprints?upsert=true"
    {there} -G --data-urlencode "filterByFormula=Sprint_ID='SPRINT-90001'" "$AIRTABLE/Sprints"

Edit there, and read it here. Airtable tells of the change; with max_staleness=0 it is fetched before the answer:

    {there} {tell} -X PATCH \\
         -d '{{"performUpsert":{{"fieldsToMergeOn":["Sprint_ID"]}},"records":[
              {{"fields":{{"Sprint_ID":"SPRINT-90001","Status":"Done"}}}}]}}' "$AIRTABLE/Sprints"
    {here} -i "$MIRROR/sprints?Sprint_ID=SPRINT-90001&max_staleness=0"

End the stand-in, and write: 2 seconds later the answer is 202 with a receipt, which tells what becomes of the write.
The stand-in comes back after {away.total_seconds():g} seconds; ask for the receipt then:

    kill "$(cat {shlex.quote(str(airtable.id_file))})"
    ANSWER=$({here} -i {tell} \\
         -d '{{"Sprint_ID":"SPRINT-90002","Name":"Written meanwhile"}}' "$MIRROR/sprints?upsert=true"); echo "$ANSWER"
    {here} "$MIRROR/receipts/$(grep -o -m1 'rcp[0-9-]*' <<<"$ANSWER")"

See what is known of the mirror and of what is on its way, and what calls were spent on:

    {here} "$MIRROR/state"
    {here} "$MIRROR/budget"

Ctrl-C ends both.
"""
