"""Commands on a base itself: move it, keep it, check it, show and extend its schema. All may run beside `serve`.

Only `restore` may not: it wants a store that nobody uses.
"""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, BinaryIO, Literal

import typer

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.errors import NotFound
from airtable_connector.kernel.ids import RandomIds

if TYPE_CHECKING:
    from airtable_connector.database import Database
    from airtable_connector.records import MadeBase
    from airtable_connector.records.exchange import (
        Exported,
        Import,
        ImportOptions,
        ImportReport,
        Tally,
    )
    from airtable_connector.settings import Settings

FAILED = 1
INTERRUPTED = 130
"""What a shell shows for a program that Ctrl-C ended."""

STANDARD_OUTPUT = "-"

DataDir = Annotated[str, typer.Option(help="Folder of database and keys, before DATA_DIR.", show_default=False)]
GivenForm = Annotated[
    Literal["jsonl", "csv"] | None,
    typer.Option("--format", help="jsonl or csv; without it, the file's ending decides.", show_default=False),
]
InFile = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, show_default=False)]


class StoreMissing(NotFound):
    """A command that only reads found no store; it does not make an empty one."""

    code = "store-missing"

    def __init__(self) -> None:
        super().__init__("there is no store yet", hint="check DATA_DIR and DATABASE_URL; 'serve' or 'import' make one")


def add_base_commands(app: typer.Typer) -> typer.Typer:
    """Add export, import, backup, restore, audit and schema to the command line; return the group ``schema``."""
    app.command("export")(export_base)
    app.command("import")(import_file)
    app.command("backup")(backup)
    app.command("restore")(restore_backup)
    audit = typer.Typer(help="The history of every change.", no_args_is_help=True, rich_markup_mode=None)
    audit.command("verify")(verify_audit)
    audit.callback()(_group)
    app.add_typer(audit, name="audit")
    schema = typer.Typer(help="The tables of the base.", no_args_is_help=True, rich_markup_mode=None)
    schema.command("show")(show_schema)
    schema.command("add-table")(add_table)
    schema.command("bases")(show_bases)
    app.add_typer(schema, name="schema")
    return schema


def _group() -> None:
    """Keep a command's name although it is the only one of its group."""


# --- moving a base ----------------------------------------------------------------------------------------------


def export_base(
    *,
    table: Annotated[
        list[str] | None, typer.Option(help="A table by name or id; may be repeated. All, without it.")
    ] = None,
    form: GivenForm = None,
    to: Annotated[str, typer.Option(help="The file to write; '-' is the standard output.")] = STANDARD_OUTPUT,
    data_dir: DataDir = "",
) -> None:
    """Write the records of the base, or of some tables, as one moment shows them.

    CSV cells are written as they are. A spreadsheet may run a cell that begins with '=', '+', '-' or '@' as a formula:
    open files with cells from strangers as text only.
    """
    with ExitStack() as stack:
        if to == STANDARD_OUTPUT:
            file: BinaryIO = typer.get_binary_stream("stdout")
        else:
            from airtable_connector.records.exchange import whole_file

            file = stack.enter_context(whole_file(Path(to)))
        exported = asyncio.run(_export(settings_for(data_dir), table or [], _form_name(form, to), file))
    for name, count in exported.records.items():
        _say(f"{name}: {count} records")
    _say(f"{sum(exported.records.values())} records exported, as of feed position {exported.seq}")


async def _export(settings: "Settings", tables: list[str], form: str, file: BinaryIO) -> "Exported":
    from airtable_connector.records.exchange import Form, export_records

    async with open_existing(settings) as database:
        return await export_records(database, tables=tables, form=Form(form), write=file.write)


def import_file(
    file: InFile,
    *,
    table: Annotated[
        str | None,
        typer.Option(help="Take in only this table's rows, and rows that name no table. CSV needs it."),
    ] = None,
    form: GivenForm = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Refuse bad rows and go on, instead of stopping at the first.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, max=1_000, help="Rows written in one transaction.")] = 500,
    keep_ids: Annotated[
        bool, typer.Option("--keep-ids/--new-ids", help="Whether records keep the ids that the file gives them.")
    ] = True,
    on_key: Annotated[
        Literal["update", "refuse"], typer.Option(help="What becomes of rows whose id or key a record has already.")
    ] = "refuse",
    refused: Annotated[
        Path | None, typer.Option(help="Write the refused rows here, to be corrected and imported.")
    ] = None,
    data_dir: DataDir = "",
) -> None:
    """Take the rows of a file into the base; run it again after an interruption to go on where it was.

    Rows that are there already with the same cells are passed over. Exit code 1 if any row was refused.
    """
    from airtable_connector.records.exchange import (
        Form,
        ImportOptions,
        OnBad,
        OnKey,
        RowIds,
    )

    options = ImportOptions(
        Form(_form_name(form, file.name)),
        table,
        RowIds.KEEP if keep_ids else RowIds.NEW,
        OnKey(on_key),
        OnBad.SKIP if skip_bad else OnBad.STOP,
        batch,
    )
    if options.form is Form.CSV and table is None:
        raise typer.BadParameter("a CSV file does not say which table it belongs to", param_hint="--table")
    try:
        report = asyncio.run(_import(settings_for(data_dir), file, options, refused))
    except KeyboardInterrupt:
        _say("interrupted; run the same command again to go on")
        raise typer.Exit(INTERRUPTED) from None
    if report.tables_added:
        _say(f"tables added: {', '.join(report.tables_added)}; a running service shows them after a restart")
    if report.stopped_by is not None:
        _say(
            "stopped at the first bad row; the rows before it are written. Correct the file and run the same command"
            " again, which passes over them, or say --skip-bad"
        )
    if report.tally.refused:
        raise typer.Exit(FAILED)


async def _import(settings: "Settings", path: Path, options: "ImportOptions", refused: Path | None) -> "ImportReport":
    from airtable_connector.compose import open_base
    from airtable_connector.records import Actor
    from airtable_connector.records.exchange import Import

    clock, ids = SystemClock(), RandomIds()
    with ExitStack() as stack:
        file = stack.enter_context(path.open("rb"))
        take_refused = _refused_rows(stack, file, options, refused)
        progress = stack.enter_context(_progress("importing"))
        async with open_base(settings, clock=clock, ids=ids) as base:
            work = Import(
                base.database,
                base.workspace,
                file,
                options,
                actor=Actor(settings.droplet.id, ids.trace()),
                ids=ids,
                progress=progress,
                take_refused=lambda raw, _refusal: take_refused(raw),
            )
            return await _reported(work)


async def _reported(work: "Import") -> "ImportReport":
    """Run an import and tell what it did, also when it fails."""
    try:
        return await work.run()
    finally:
        _tell(work.tally)


def _tell(tally: "Tally") -> None:
    for refusal in tally.refused:
        field = f"{refusal.field}: " if refusal.field else ""
        _say(f"line {refusal.line}: {field}{refusal.message}" + (f" ({refusal.hint})" if refusal.hint else ""))
    _say(
        f"{tally.created} rows created, {tally.updated} updated, {tally.present} there already,"
        f" {len(tally.refused)} refused, {tally.left_out} of other tables left out"
    )


def _refused_rows(
    stack: ExitStack, source: BinaryIO, options: "ImportOptions", path: Path | None
) -> Callable[[bytes], None]:
    """Return what takes refused rows: a file in the form of the source, made when the first one comes."""
    from airtable_connector.records.exchange import preamble, whole_file

    if path is None:
        return lambda _raw: None
    before = preamble(source, options.form)
    files: list[BinaryIO] = []

    def take(raw: bytes) -> None:
        if not files:
            files.append(stack.enter_context(whole_file(path)))
            files[0].write(before)
        files[0].write(raw if raw.endswith(b"\n") else raw + b"\n")

    return take


def _form_name(given: str | None, file_name: str) -> str:
    return given or ("csv" if file_name.lower().endswith(".csv") else "jsonl")


# --- keeping a base ---------------------------------------------------------------------------------------------


def backup(
    *,
    to: Annotated[Path, typer.Option(help="The file to write.", show_default=False)],
    data_dir: DataDir = "",
) -> None:
    """Write everything into one file, consistent although others write meanwhile.

    It can be restored into SQLite and into PostgreSQL. It holds all records and their history: keep it as safe as the
    store.
    """
    asyncio.run(_back_up(settings_for(data_dir), to))


async def _back_up(settings: "Settings", path: Path) -> None:
    from airtable_connector.compose import attachment_files
    from airtable_connector.records.backup import back_up
    from airtable_connector.records.exchange import whole_file

    clock = SystemClock()
    files = attachment_files(settings, clock=clock)
    with _progress("backing up") as progress:
        async with open_existing(settings) as database:
            with whole_file(path) as file:
                kept = await back_up(database, file, clock=clock, files=files, progress=progress)
    _say(f"{sum(kept.rows.values())} rows backed up, {kept.rows['records']} of them records")
    _say(f"the feed ends at {kept.seq}, hash {kept.hash.hex()}")


def restore_backup(file: InFile, *, data_dir: DataDir = "") -> None:
    """Put a backup into the configured store, which must be an empty one that no service uses."""
    from airtable_connector.compose import attachment_files, database_location
    from airtable_connector.records import Damage
    from airtable_connector.records.backup import restore

    settings, clock = settings_for(data_dir), SystemClock()
    files = attachment_files(settings, clock=clock)
    with file.open("rb") as packed:
        restored = asyncio.run(restore(database_location(settings), packed, clock=clock, files=files))
    _say(f"{sum(restored.rows.values())} rows restored, {restored.rows['records']} of them records")
    if isinstance(restored.verdict, Damage):
        _say("the history was damaged before this backup was taken, and was restored as it is:")
        _tell_damage(restored.verdict.seq, restored.verdict.reason)
        raise typer.Exit(FAILED)
    _say(f"the feed ends at {restored.verdict.entries}, hash {restored.verdict.head.hex()}")


def verify_audit(*, data_dir: DataDir = "") -> None:
    """Check the history of every change from its first entry to its end; exit code 1 when it is damaged."""
    asyncio.run(_verify(settings_for(data_dir)))


async def _verify(settings: "Settings") -> None:
    from airtable_connector.records import Damage, verify_feed

    with _progress("verifying") as progress:
        async with open_existing(settings) as database:
            verdict = await verify_feed(database, progress=progress)
    if isinstance(verdict, Damage):
        _tell_damage(verdict.seq, verdict.reason)
        raise typer.Exit(FAILED)
    typer.echo(f"entries           {verdict.entries}")
    typer.echo(f"contents dropped  {verdict.without_content}")
    typer.echo(f"head              {verdict.head.hex()}")


def _tell_damage(seq: int, reason: str) -> None:
    _say(f"entry {seq} of the feed is not what was written: {reason}")


# --- its schema -------------------------------------------------------------------------------------------------


def show_schema(*, data_dir: DataDir = "") -> None:
    """Print the definitions of the tables as JSON."""
    typer.echo(asyncio.run(_schema(settings_for(data_dir))))


async def _schema(settings: "Settings") -> str:
    import orjson

    from airtable_connector.records import read_tables

    async with open_existing(settings) as database, database.reading() as reader:
        tables = await read_tables(reader)
    return orjson.dumps([table.definition() for table in tables], option=orjson.OPT_INDENT_2).decode()


def show_bases(*, data_dir: DataDir = "") -> None:
    """Print the workspace, then every base, one a line with tabs between: id, name, when it was made.

    The first base is the service's own. Clients of Airtable name the workspace when they make a base.
    """
    from airtable_connector.web.airtable_api import DERIVED_ID, WORKSPACE_ID

    settings = settings_for(data_dir)
    made = asyncio.run(_bases(settings))
    own = (settings.airtable_api.base_id or DERIVED_ID, settings.droplet.name, "")
    typer.echo(f"{WORKSPACE_ID}\tworkspace\t")
    for shown in (own, *((base.id, base.name, base.created_at) for base in made)):
        typer.echo("\t".join(shown))


async def _bases(settings: "Settings") -> "list[MadeBase]":
    from airtable_connector.records import read_bases

    async with open_existing(settings) as database, database.reading() as reader:
        return await read_bases(reader)


def add_table(file: InFile, *, data_dir: DataDir = "") -> None:
    """Add a table from a definition as 'schema show' prints them; ids that are missing are made."""
    asyncio.run(_add_table(settings_for(data_dir), file.read_bytes()))


async def _add_table(settings: "Settings", text: bytes) -> None:
    import orjson

    from airtable_connector.compose import open_base
    from airtable_connector.records import Actor, InvalidSchema
    from airtable_connector.records.exchange import complete_definition

    try:
        definition = orjson.loads(text)
    except orjson.JSONDecodeError as cause:
        raise InvalidSchema("the file is not JSON", hint="write one object, as 'schema show' prints them") from cause
    clock, ids = SystemClock(), RandomIds()
    async with open_base(settings, clock=clock, ids=ids) as base:
        table = complete_definition(definition, tables=base.workspace.every_table, ids=ids)
        await base.workspace.add_table(table, actor=Actor(settings.droplet.id, ids.trace()))
    _say(f"{table.name} added; a running service shows it at once")
    typer.echo(table.id)


# --- what they share --------------------------------------------------------------------------------------------


def settings_for(data_dir: str) -> "Settings":
    """Read the settings; the folder given to the command wins."""
    from airtable_connector.settings import load_settings

    return load_settings(Path.cwd(), command_line={"DATA_DIR": data_dir})


@asynccontextmanager
async def open_existing(settings: "Settings") -> AsyncIterator["Database"]:
    """Open the configured store for a command that adds nothing to it.

    Raises:
        StoreMissing: there is none.
    """
    from airtable_connector.compose import database_location
    from airtable_connector.database import SqliteFile, open_database

    location = database_location(settings)
    if isinstance(location, SqliteFile) and not location.path.exists():
        raise StoreMissing
    async with open_database(location, clock=SystemClock()) as database:
        yield database


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on the standard error while it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, all_: bar.update(task, completed=done, total=all_)


def _say(line: str) -> None:
    typer.echo(line, err=True)
