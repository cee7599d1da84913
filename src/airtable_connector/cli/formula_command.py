"""The command ``formula``: explains a formula over a table, and shows what it lets through."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from airtable_connector.cli.base_commands import DataDir, open_existing, settings_for
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.observer import BlindObserver

if TYPE_CHECKING:
    from airtable_connector.records import Page, Table
    from airtable_connector.records.formula import Formula
    from airtable_connector.settings import Settings


def add_formula_command(app: typer.Typer) -> None:
    """Add formula to the command line."""
    app.command("formula")(explain_formula)


def explain_formula(
    text: Annotated[str, typer.Argument(help="The formula, in Airtable's language.", show_default=False)],
    *,
    table: Annotated[str, typer.Option(help="The table that it is about, by name or id.", show_default=False)],
    limit: Annotated[int, typer.Option(min=1, max=100, help="Records shown of those that it lets through.")] = 5,
    data_dir: DataDir = "",
) -> None:
    """Explain a formula: its parts and their kinds, which index narrows it, what it costs, what it lets through first.

    Each part stands with its place in the text, counted from 1. The records are JSON, one a line.
    """
    from airtable_connector.records.formula import FormulaError

    try:
        asyncio.run(_explain(settings_for(data_dir), text, table, limit))
    except FormulaError as refusal:
        typer.echo(refusal.pointing, err=True)
        raise


async def _explain(settings: "Settings", text: str, name: str, limit: int) -> None:
    from airtable_connector.records import Query, WorkspaceSettings, open_workspace

    async with (
        open_existing(settings) as database,
        open_workspace(
            database,
            clock=SystemClock(),
            ids=RandomIds(),
            observer=BlindObserver(),
            tables=(),
            # one question is not worth loading tables for
            settings=WorkspaceSettings(memory=0),
        ) as workspace,
    ):
        table = workspace.table(name)
        formula = workspace.formula(text, table)
        page = await workspace.page(Query(table, formula=formula, page_size=limit))
    typer.echo(_explained(table, formula))
    typer.echo(_cost(page))
    for blob in page.records:
        typer.echo(blob.decode())


def _explained(table: "Table", formula: "Formula") -> str:
    from airtable_connector.records import index_for
    from airtable_connector.records.formula import explain

    index = index_for(table, formula, ())
    if index is None:
        way = "in memory: every record is looked at"
    else:
        source = index[0]
        way = f"in memory: records are looked up by {source if isinstance(source, str) else source.name}"
    return f"{explain(formula)}\n{way}"


def _cost(page: "Page") -> str:
    from airtable_connector.records import SEARCH_STEPS

    more = ", and there are more" if page.next else ""
    return f"from the store: {page.steps:,} of {SEARCH_STEPS:,} steps; lets through {len(page.records)}{more}"
