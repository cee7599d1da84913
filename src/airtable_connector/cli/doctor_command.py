"""The command ``doctor``: examines a droplet of the mesh from outside."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.kernel.secret import Secret

if TYPE_CHECKING:
    from airtable_connector.mesh.doctor import Finding, Report

NOT_PASSED = 1

_LONGEST_TOKEN_FILE: Final = 64 * 1024

_COLOURS: Final = {"held": "green", "failed": "red", "skipped": "dim"}


def add_doctor_command(app: typer.Typer) -> None:
    """Add doctor to the command line."""
    app.command("doctor")(examine_droplet)


def examine_droplet(
    url: Annotated[str, typer.Argument(help="Where the droplet is: http or https, with a path if it has one.")],
    *,
    token: Annotated[
        str | None, typer.Option(help="Shown to the droplet. Other users may see it in the list of processes.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, readable=True, help="A file that holds the token."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
    timeout: Annotated[float, typer.Option(min=1, max=3_600, help="Seconds for the whole examination.")] = 60.0,
    speaks_as: Annotated[
        int | None,
        typer.Option(
            "--as",
            min=1,
            max=2**31 - 1,
            help="Droplet that messages come from, before the token's.",
            show_default=False,
        ),
    ] = None,
    include_stop: Annotated[
        bool,
        typer.Option(
            "--include-stop",
            help="See also whether shutdown, emergency-stop and reload-config refuse as they must. One that does not"
            " refuse may stop.",
        ),
    ] = False,
) -> None:
    """Examine a droplet: does it hold what UDC v1.0 promises?

    Without a token only what needs none is checked. Exit code 1 if anything fails that must hold.
    """
    from airtable_connector.mesh.doctor import Examination, examine

    order = Examination(
        address=url,
        token=_token(token, token_file),
        speaks_as=speaks_as,
        touches_stops=include_stop,
        at_most=timedelta(seconds=timeout),
    )
    report = asyncio.run(examine(order, clock=SystemClock(), ids=RandomIds()))
    if as_json:
        typer.echo(json.dumps(report.document(), indent=2))
    elif sys.stdout.isatty():
        _draw(report)
    else:
        _write(report)
    raise typer.Exit(0 if report.passed else NOT_PASSED)


def _token(text: str | None, file: Path | None) -> Secret | None:
    if file is None:
        # an empty one is kept, and refused: a variable that is not set must not pass for a wish to show none
        return None if text is None else Secret(text)
    if text is not None:
        raise typer.BadParameter("give the token or its file, not both", param_hint="--token-file")
    with file.open("rb") as opened:
        held = opened.read(_LONGEST_TOKEN_FILE)
    return Secret(held.decode("ascii", errors="replace").strip())


def _draw(report: "Report") -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table("result", "weight", "check", "rule")
    for each in report.findings:
        # as Text: what a droplet said is no markup
        rule = Text(each.check.title)
        if each.why is not None:
            rule.append(f"\n{each.why}", style=_COLOURS[each.word])
        table.add_row(Text(each.word, style=_COLOURS[each.word]), each.check.severity, each.check.id, rule)
    console = Console()
    console.print(table)
    console.print(Text(_summary(report)))


def _write(report: "Report") -> None:
    for each in report.findings:
        typer.echo(_line(each))
    typer.echo(_summary(report))


def _line(finding: "Finding") -> str:
    line = f"{finding.word:<8} {finding.check.severity:<7} {finding.check.id:<24} {finding.check.title}"
    return line if finding.why is None else f"{line}\n{'':<17}{finding.why}"


def _summary(report: "Report") -> str:
    counted = ", ".join(f"{count} {word}" for word, count in report.counts.items())
    ending = "passed" if report.passed else "not passed" if report.complete else "not passed: the time was over"
    return f"{report.address}: {ending}; {counted}; {report.requests} answers in {report.took.total_seconds():.1f} s"
