"""The commands of ``airtable-connector``.

What a command was asked for goes to the standard output, everything else to the standard error.

A command imports what it needs when it runs: ``--help`` must not wait for a web framework.
"""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from airtable_connector.cli.base_commands import add_base_commands
from airtable_connector.cli.doctor_command import add_doctor_command
from airtable_connector.cli.formula_command import add_formula_command
from airtable_connector.cli.mesh_command import add_mesh_command
from airtable_connector.cli.schema_commands import add_schema_commands
from airtable_connector.cli.serving import PROGRAM, given, nothing_collected, serve_until_stopped, tell_not_used
from airtable_connector.cli.sync_commands import add_sync_commands
from airtable_connector.cli.token_commands import add_token_commands

DEMO_DEFAULTS: Mapping[str, str] = {"DATA_DIR": ".local/demo", "PORT": "0"}
"""Where the demo departs from the defaults: data that may be thrown away, and a port that is free."""

app = typer.Typer(
    name=PROGRAM,
    help="Droplet #2: the one door between a mesh of small services and Airtable.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Host = Annotated[str, typer.Option(help="Address to listen on, before HOST.", show_default=False)]
Port = Annotated[
    int | None, typer.Option(min=0, max=65_535, help="Port to listen on, before PORT; 0 takes a free one.")
]
DataDir = Annotated[str, typer.Option(help="Folder of database and keys, before DATA_DIR.", show_default=False)]


@app.command()
def serve(*, host: Host = "", port: Port = None, data_dir: DataDir = "") -> None:
    """Serve the base until a signal says stop."""
    raise typer.Exit(serve_until_stopped(given(host, port, data_dir)))


@app.command()
def demo(*, host: Host = "", port: Port = None, data_dir: DataDir = "") -> None:
    """Serve realistic sample data in a mesh of its own, and print an address, a token and lines to try.

    The mesh is a Registry and an Orchestrator on this machine; whatever mesh and whatever base at Airtable the settings
    name are left alone.
    """
    with nothing_collected():
        from airtable_connector import compose
        from airtable_connector.cli.demo_mesh import demo_mesh, free_port
        from airtable_connector.cli.sample import sample_tables
        from airtable_connector.settings import Configuration

    said = given(host, port, data_dir)
    asked = Configuration(Path.cwd(), command_line=said, defaults=DEMO_DEFAULTS).read()
    folder = asked.store.data_dir.parent / "mesh"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with demo_mesh(folder) as joining:
        here = str(asked.server.port or free_port())
        said |= {"PORT": here, "DROPLET_URL": f"http://127.0.0.1:{here}", **joining}
        configuration = Configuration(Path.cwd(), command_line=said, defaults=DEMO_DEFAULTS)
        settings = configuration.read().embedded()
        tell_not_used(settings.not_used)
        ended = compose.demo(settings, configuration, sample_tables)
    raise typer.Exit(ended)


@app.command()
def demo_mirror(
    *,
    records: Annotated[int, typer.Option(min=100, max=50_000, help="How many the base has when it is made.")] = 20_000,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the mirror; 0 takes a free one.")] = 0,
    airtable_port: Annotated[int, typer.Option(min=0, max=65_535, help="Port of the stand-in for Airtable.")] = 0,
    away_seconds: Annotated[
        float, typer.Option(min=1, max=3_600, help="How long the stand-in stays away when it was ended.")
    ] = 30,
    data_dir: Annotated[Path, typer.Option(help="Folder of both; remove it to see the first copy again.")] = Path(
        ".local/mirror"
    ),
) -> None:
    """Mirror a large base of a stand-in for Airtable, and print addresses, tokens and lines to try.

    The stand-in is a connector of its own with Airtable's pace; whatever base the settings name is left alone.
    """
    from airtable_connector.cli.demo_mirror import MirrorDemo, run_mirror_demo
    from airtable_connector.kernel.clock import SystemClock
    from airtable_connector.kernel.ids import RandomIds

    wished = MirrorDemo(data_dir.resolve(), records, port, airtable_port, timedelta(seconds=away_seconds))
    run_mirror_demo(wished, clock=SystemClock(), ids=RandomIds())


@app.command()
def keys(
    *,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of the present one, whose tokens end with it.")
    ] = False,
    shared: Annotated[
        Path | None,
        typer.Option(help="Make the pair that a mesh shares, in this folder, instead of our own.", show_default=False),
    ] = None,
    data_dir: DataDir = "",
) -> None:
    """Make the key pair that signs this droplet's own tokens, and print its id.

    With --shared: make private_key.pem and public_key.pem for the droplets of a mesh, and print where they are.
    """
    from airtable_connector.mesh import create_key_pair, create_shared_pair, replace_key_pair
    from airtable_connector.settings import load_settings

    if shared is not None:
        if replace:
            raise typer.BadParameter("a shared pair is never replaced", param_hint="--replace")
        for file in create_shared_pair(shared):
            typer.echo(file)
        return
    folder = load_settings(Path.cwd(), command_line=given("", None, data_dir)).store.keys_dir
    pair = replace_key_pair(folder) if replace else create_key_pair(folder)
    typer.echo(f"made a key pair in {folder}", err=True)
    typer.echo(pair.key_id)


class SettingsForm(StrEnum):
    """How `settings` prints."""

    EFFECTIVE = "effective"
    ENV = "env"
    MARKDOWN = "markdown"


@app.command()
def settings(
    *,
    form: Annotated[
        SettingsForm, typer.Option("--as", help="effective: what holds here; env, markdown: every setting explained.")
    ] = SettingsForm.EFFECTIVE,
) -> None:
    """Print the settings that hold here and where each came from; secrets stay hidden."""
    from airtable_connector.cli import reference
    from airtable_connector.settings import load_settings, shown

    if form is SettingsForm.ENV:
        typer.echo(reference.env_file(), nl=False)
        return
    if form is SettingsForm.MARKDOWN:
        typer.echo(reference.markdown(), nl=False)
        return
    effective = load_settings(Path.cwd())
    for name, value, source in shown(effective):
        typer.echo(f"{name:<28} {value:<32} {source}")
    tell_not_used(effective.not_used)


@app.command()
def version() -> None:
    """Print the version."""
    from airtable_connector import __version__

    typer.echo(__version__)


add_schema_commands(add_base_commands(app))
add_sync_commands(app)
add_mesh_command(app)
add_doctor_command(app)
add_formula_command(app)
add_token_commands(app)
