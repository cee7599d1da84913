"""Commands on the schema of the base at Airtable: what it lacks, making that, and its tables as a file."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, assert_never

import typer

from airtable_connector.cli.base_commands import settings_for
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.observer import BlindObserver, Fact, Observer

if TYPE_CHECKING:
    from airtable_connector.airtable import CloudSettings
    from airtable_connector.sync.base_schema import Applied, BaseSchema, CloudSchema, Finding, Plan

INCOMPLETE = 1
"""Something is missing at Airtable, or differs so that it matters."""

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]
TargetFile = Annotated[
    Path | None,
    typer.Option(
        "--file",
        exists=True,
        dir_okay=False,
        readable=True,
        show_default=False,
        help="The tables that are wanted, as 'schema export' and 'schema show' print them; without it, the mesh's own.",
    ),
]


def add_schema_commands(schema: typer.Typer) -> None:
    """Add plan, apply and export to the group ``schema``."""
    schema.command("plan")(plan_schema)
    schema.command("apply")(apply_schema)
    schema.command("export")(export_schema)


def plan_schema(*, file: TargetFile = None, as_json: AsJson = False) -> None:
    """Print what the base at Airtable lacks; changes nothing.

    Exit code 0 when nothing is missing, 1 when something is, or differs so that reads or writes can fail.
    """
    cloud, wanted = _cloud_settings(), _target(file)
    plan = asyncio.run(_plan(cloud, wanted))
    if as_json:
        _print_json({"base": cloud.base, **_plan_document(plan)})
    else:
        _print_plan(cloud.base, plan)
    raise typer.Exit(0 if plan.complete else INCOMPLETE)


def apply_schema(*, file: TargetFile = None, as_json: AsJson = False) -> None:
    """Make the tables, fields and choices that the base at Airtable lacks.

    Nothing is deleted, renamed or given another type. Run it again after an interruption to go on where it was. Exit
    code 1 when something is missing still: Airtable refused it, or only a person can make it.
    """
    cloud, wanted = _cloud_settings(), _target(file)
    applied = asyncio.run(_apply(cloud, wanted))
    if as_json:
        _print_json({"base": cloud.base, **_applied_document(applied)})
    else:
        for refusal in applied.refused:
            typer.echo(f"Airtable refused: {refusal.step.name}: {refusal.type} {refusal.message}")
        _print_plan(cloud.base, applied.left)
    raise typer.Exit(0 if applied.left.complete else INCOMPLETE)


def export_schema() -> None:
    """Print the definitions of the tables at Airtable as JSON, for --file of another base's plan and apply."""
    _print_json(asyncio.run(_export(_cloud_settings())))


async def _plan(cloud: "CloudSettings", wanted: "BaseSchema") -> "Plan":
    from airtable_connector.sync.base_schema import compare

    async with _schema_of(cloud, BlindObserver()) as schema:
        return compare(wanted, await schema.read())


async def _apply(cloud: "CloudSettings", wanted: "BaseSchema") -> "Applied":
    async with _schema_of(cloud, _Teller()) as schema:
        return await schema.apply(wanted)


async def _export(cloud: "CloudSettings") -> list[dict[str, Any]]:
    async with _schema_of(cloud, BlindObserver()) as schema:
        tables = await schema.definitions()
    # views cannot be made by the API, so they are of no use to whoever reads this
    return [{name: value for name, value in table.definition.items() if name != "views"} for table in tables]


@asynccontextmanager
async def _schema_of(cloud: "CloudSettings", observer: Observer) -> "AsyncIterator[CloudSchema]":
    from airtable_connector.compose.cloud import open_cloud
    from airtable_connector.sync.base_schema import CloudSchema

    clock = SystemClock()
    async with open_cloud(cloud, clock=clock, observer=observer) as client:
        yield CloudSchema(client, clock=clock, observer=observer)


def _cloud_settings() -> "CloudSettings":
    from airtable_connector.compose.cloud import cloud_settings

    return cloud_settings(settings_for(""))


def _target(file: Path | None) -> "BaseSchema":
    from airtable_connector.sync.base_schema import LARGEST_FILE, read_target, standard_target

    if file is None:
        return standard_target()
    with file.open("rb") as opened:
        return read_target(opened.read(LARGEST_FILE + 1))


class _Teller:
    """Says on the standard error what is made, when it is."""

    def saw(self, fact: Fact) -> None:
        from airtable_connector.airtable import LockedOut
        from airtable_connector.sync.base_schema import SchemaChanged

        match fact:
            case SchemaChanged(step):
                typer.echo(f"made {step.name}", err=True)
            case LockedOut(rest):
                typer.echo(f"Airtable was asked too often; waiting {rest.total_seconds():g} s", err=True)


# --- what is shown ----------------------------------------------------------------------------------------------


def _plan_document(plan: "Plan") -> dict[str, Any]:
    return {"complete": plan.complete, "findings": [finding.document() for finding in plan.findings]}


def _applied_document(applied: "Applied") -> dict[str, Any]:
    refused = [
        {**refusal.step.document(), "type": refusal.type, "message": refusal.message} for refusal in applied.refused
    ]
    made = [step.document() for step in applied.made]
    return {"made": made, "refused": refused, **_plan_document(applied.left)}


def _print_plan(base: str, plan: "Plan") -> None:
    for finding in plan.findings:
        typer.echo(_line(finding))
    if plan.complete:
        typer.echo(f"{base}: nothing is missing")
    else:
        typer.echo(f"{base}: {len(plan.steps)} to make, {len(plan.for_people)} for people to do")


def _line(finding: "Finding") -> str:
    from airtable_connector.sync.base_schema import ByHand, Differs, NewChoices, NewField, NewTable

    match finding:
        case NewTable(_, fields):
            return f"+ {finding.name}: {', '.join(f'{field.name} ({field.type})' for field in fields)}"
        case NewField(_, field):
            return f"+ {finding.name}: {field.type}"
        case NewChoices(_, _, choices):
            return f"+ {finding.name}: {', '.join(choices)}"
        case ByHand():
            return f"! in Airtable's page: {finding.do}"
        case Differs():
            place = finding.table if finding.field is None else f"{finding.table}.{finding.field}"
            mark = "!" if finding.matters else "~"
            return f"{mark} {place}: {finding.what} is {finding.found}, expected {finding.wanted}; it is left as it is"
        case _:
            assert_never(finding)


def _print_json(document: object) -> None:
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))
