"""Commands on the mirror of a base at Airtable: how it stands, bringing it up to date, comparing it, copying it anew.

All may run beside `serve`, which then does what is asked, because one process alone asks Airtable.
"""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final, Never, TypeVar

import typer

from airtable_connector.cli.base_commands import StoreMissing, settings_for
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.observer import Fact

if TYPE_CHECKING:
    from airtable_connector.compose.syncing import Sync
    from airtable_connector.sync.mirror import Drift

DRIFTED: Final = 1
"""Something was found that no webhook had told of."""

NOT_DONE: Final = 1

T = TypeVar("T")

DataDir = Annotated[str, typer.Option(help="Folder of database and keys, before DATA_DIR.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
Within = Annotated[float, typer.Option(min=0, help="Seconds to wait for a running service to do it.")]


def add_sync_commands(app: typer.Typer) -> None:
    """Add the group ``sync``, and ``adopt``."""
    sync = typer.Typer(help="The mirror of a base at Airtable.", no_args_is_help=True, rich_markup_mode=None)
    sync.command("status")(show_status)
    sync.command("now")(sync_now)
    sync.command("verify")(verify)
    sync.command("reset")(reset)
    app.add_typer(sync, name="sync")
    app.command("adopt")(adopt)


def show_status(*, as_json: AsJson = False, data_dir: DataDir = "") -> None:
    """Print how the mirror stands, from the store alone: Airtable is not asked."""

    async def ask(sync: "Sync") -> Mapping[str, Any]:
        return await sync.facts()

    _check_store(data_dir)
    facts = asyncio.run(_with_sync(data_dir, ask))
    if as_json:
        typer.echo(json.dumps(facts, indent=2, ensure_ascii=False))
    else:
        for line in _status_lines(facts):
            typer.echo(line)


def sync_now(*, within: Within = 600, data_dir: DataDir = "") -> None:
    """Have all here that happened at Airtable until now; what was written here is sent by 'serve' alone.

    Exit code 1 when it was not done in time.
    """

    async def work(sync: "Sync") -> bool:
        return await _asked(sync, lambda: sync.now(within=timedelta(seconds=within)))

    if not asyncio.run(_with_sync(data_dir, work)):
        _not_done()
    typer.echo("everything that happened at Airtable is here")


def verify(*, as_json: AsJson = False, within: Within = 600, data_dir: DataDir = "") -> None:
    """Compare every table with Airtable, repair what differs, and print it.

    Exit code 0 when nothing differed, 1 when something did or it was not done in time.
    """

    async def work(sync: "Sync") -> "tuple[Drift | None, Mapping[str, str]]":
        drift = await _asked(sync, lambda: sync.verify(within=timedelta(seconds=within)))
        return drift, {each.table: each.name for each in sync.completeness}

    drift, names = asyncio.run(_with_sync(data_dir, work))
    if drift is None:
        _not_done()
    found: list[dict[str, Any]] = [
        {"table": table, "name": names.get(table, table), "rows": rows, "cells": drift.cells[table]}
        for table, rows in drift.rows.items()
    ]
    if as_json:
        typer.echo(json.dumps({"drift": bool(drift), "tables": found}, indent=2, ensure_ascii=False))
    else:
        for each in found:
            typer.echo(f"{each['name']}: {_drift_words(each['rows'], each['cells'])}")
    raise typer.Exit(DRIFTED if drift else 0)


def reset(*, within: Within = 600, data_dir: DataDir = "") -> None:
    """Copy every table anew. Nothing is dropped: what is here is shown until it is found to be another.

    Exit code 1 when it was not done in time.
    """

    async def work(sync: "Sync") -> bool:
        return await _asked(sync, lambda: sync.reset(within=timedelta(seconds=within)))

    if not asyncio.run(_with_sync(data_dir, work)):
        _not_done()
    typer.echo("every table was copied anew")


def adopt(
    *,
    to_airtable: Annotated[
        bool, typer.Option("--to-airtable", help="Send the records of this store up, and mirror the base there.")
    ] = False,
    beside_others: Annotated[
        bool, typer.Option("--beside-others", help="Also when the tables at Airtable have records already.")
    ] = False,
    from_airtable: Annotated[
        bool, typer.Option("--from-airtable", help="Make the mirror a base of its own, as Airtable has it now.")
    ] = False,
    drop_unsent: Annotated[
        bool, typer.Option("--drop-unsent", help="Also when Airtable has not taken everything that was written here.")
    ] = False,
    data_dir: DataDir = "",
) -> None:
    """Make an embedded base the mirror of the base at Airtable, or a mirror an embedded base.

    To Airtable records are sent up once; their ids still lead to them. Stop the service before. Run it again after an
    interruption to go on where it was. Exit code 1 when Airtable refused records, which then are dead letters.
    """
    if to_airtable == from_airtable:
        raise typer.BadParameter("say where: either --to-airtable or --from-airtable")
    _check_store(data_dir)
    if from_airtable:
        asyncio.run(_leave(data_dir, drop_unsent=drop_unsent))
        typer.echo("the base is its own; unset AIRTABLE_API_KEY before 'serve'")
        return
    dead = asyncio.run(_adopt(data_dir, beside_others=beside_others))
    if dead:
        typer.echo(f"Airtable refused {dead} writes; they are dead letters, which 'serve' shows", err=True)
        raise typer.Exit(NOT_DONE)
    typer.echo("the records are at Airtable, and this store is their mirror")


async def _leave(data_dir: str, *, drop_unsent: bool) -> None:
    from airtable_connector.compose.adopting import open_adoption

    async with open_adoption(
        settings_for(data_dir), clock=SystemClock(), ids=RandomIds(), observer=_Teller()
    ) as adoption:
        await adoption.leave(drop_unsent=drop_unsent)


async def _adopt(data_dir: str, *, beside_others: bool) -> int:
    from airtable_connector.compose.adopting import open_adoption

    async with open_adoption(
        settings_for(data_dir), clock=SystemClock(), ids=RandomIds(), observer=_Teller()
    ) as adoption:
        await adoption.check(beside_others=beside_others)
        moved = await adoption.move()
        if moved.records:
            typer.echo(f"{moved.records} records are on their way", err=True)
        if moved.attachments:
            typer.echo(f"{moved.attachments} attachments are not taken along: send them again", err=True)
        with _sending_progress() as tell:
            return (await adoption.send(tell)).dead


@contextmanager
def _sending_progress() -> Iterator[Callable[[int], None]]:
    """Show a bar on the standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _left: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task, most = bar.add_task("sending", total=None), 0

        def tell(left: int) -> None:
            nonlocal most
            most = max(most, left)
            bar.update(task, completed=most - left, total=most or None)

        yield tell


def _drift_words(rows: int, cells: int) -> str:
    return f"repaired, rows: {rows}, cells of rows that were here: {cells}" if rows else "alike"


def _not_done() -> Never:
    typer.echo(
        "it was not done in time, and goes on in the running service; 'sync status' shows how far it is", err=True
    )
    raise typer.Exit(NOT_DONE)


def _check_store(data_dir: str) -> None:
    from airtable_connector.compose import database_location
    from airtable_connector.database import SqliteFile

    location = database_location(settings_for(data_dir))
    if isinstance(location, SqliteFile) and not location.path.exists():
        raise StoreMissing


async def _with_sync(data_dir: str, work: "Callable[[Sync], Coroutine[Any, Any, T]]") -> T:
    from airtable_connector.compose.syncing import open_sync

    async with open_sync(settings_for(data_dir), clock=SystemClock(), ids=RandomIds(), observer=_Teller()) as sync:
        return await work(sync)


async def _asked(sync: "Sync", work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Do it, or have the running service do it, and show how far it is while that lasts."""
    if not await sync.leads():
        typer.echo("a running service asks Airtable and is told to do it", err=True)
    async with _progress(sync):
        return await work()


@asynccontextmanager
async def _progress(sync: "Sync") -> AsyncIterator[None]:
    """Show a bar on the standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("asking Airtable", total=None)

        async def follow() -> None:
            while True:
                tables = sync.completeness
                whole = sum(each.phase == "whole" for each in tables)
                listed = sum(each.listed for each in tables)
                words = f"{whole} of {len(tables)} tables, {listed} records read"
                bar.update(task, description=words, completed=whole, total=len(tables) or None)
                await SystemClock().sleep(timedelta(milliseconds=200))

        following = asyncio.ensure_future(follow())
        try:
            yield
        finally:
            following.cancel()
            with suppress(asyncio.CancelledError):
                await following


def _status_lines(facts: Mapping[str, Any]) -> list[str]:
    mirror, outgoing, month = facts["mirror"], facts["outbox"], facts["budget"]
    hook, age = mirror["webhook"], mirror["age_seconds"]
    followed = "a service follows it" if facts["followed_until"] else "no service follows it"
    lines = [
        f"{facts['base']}: {followed}",
        f"webhook: {hook['state']}" + (f", until {hook['expires_at']}" if hook["expires_at"] else ""),
        "the first copy is not complete"
        if age is None
        else f"position {mirror['position']['cursor']}: all that happened until {age:.0f} s ago is here",
    ]
    for table in mirror["tables"]:
        progress = f"{table['listed']} records read" if table["phase"] == "listing" else f"whole at {table['whole_at']}"
        drift = f", {table['drift_rows']} rows differed" if table["compared_at"] else ", not compared yet"
        lines.append(f"{table['name']}: {table['phase']}, {progress}{drift}")
    lines.append(
        f"on its way: {outgoing['waiting']} waiting, {outgoing['under_way']} under way, {outgoing['unknown']} of"
        f" unknown outcome; {outgoing['dead_letters']} dead letters"
    )
    allowance = "" if month["allowance"] is None else f" of {month['allowance']}"
    return [*lines, f"calls in {month['month']}: {month['calls']}{allowance}"]


class _Teller:
    """Says on the standard error why it takes long."""

    def saw(self, fact: Fact) -> None:
        from airtable_connector.airtable import LockedOut

        if isinstance(fact, LockedOut):
            typer.echo(f"Airtable was asked too often; waiting {fact.rest.total_seconds():g} s", err=True)
