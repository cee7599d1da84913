"""The command ``token``: tokens of the mesh, signed and forgotten; and access tokens, which the store keeps."""

# ruff: noqa: PLC0415 - a command imports what it needs when it runs

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from airtable_connector.cli.base_commands import DataDir, open_existing, settings_for
from airtable_connector.kernel.clock import SystemClock, iso
from airtable_connector.kernel.ids import RandomIds, looks_like_base_id

if TYPE_CHECKING:
    from airtable_connector.kernel.secret import Secret
    from airtable_connector.mesh import AccessToken, AccessTokens
    from airtable_connector.settings import Settings

T = TypeVar("T")

MOST_BASES: Final = 100
"""Bases that one access token names."""


LONGEST_NAME: Final = 100
"""Characters of an access token's name."""


def add_token_commands(app: typer.Typer) -> None:
    """Add token, and what it does with access tokens, to the command line."""
    tokens = typer.Typer(invoke_without_command=True, rich_markup_mode=None)
    tokens.callback()(print_token)
    tokens.command("create")(create_access_token)
    tokens.command("list")(list_access_tokens)
    tokens.command("revoke")(revoke_access_token)
    app.add_typer(tokens, name="token")


# --- tokens of the mesh -----------------------------------------------------------------------------------------


class TokenReader(StrEnum):
    """Who a token is for."""

    OWN = "own"
    ORCHESTRATOR = "orchestrator"


def print_token(
    context: typer.Context,
    *,
    reader: Annotated[
        TokenReader,
        typer.Option(
            "--for", help="own: for callers of this service; orchestrator: signed with the key that the mesh shares."
        ),
    ] = TokenReader.OWN,
    droplet: Annotated[
        int | None,
        typer.Option(
            "--id", min=1, help="Number of the droplet that will call; for the Orchestrator, our own without it."
        ),
    ] = None,
    permissions: Annotated[str, typer.Option(help="Comma separated: read, write, admin.")] = "read",
    hours: Annotated[float, typer.Option(min=0.001, max=8_784, help="How long it is valid.")] = 24.0,
    steward: Annotated[str, typer.Option(help="Who answers for that droplet.", show_default=False)] = "",
    data_dir: DataDir = "",
) -> None:
    """Print a token of the mesh, and nothing else; or make, list and revoke access tokens.

    One for own callers is believed by services with the same DATA_DIR. One for the Orchestrator is what the service
    makes for itself: it needs ORCHESTRATOR_PRIVATE_KEY_FILE. Access tokens are opaque and long-lived, for clients of
    Airtable.
    """
    if context.invoked_subcommand is not None:
        _refuse_own_options(context)
        return
    from airtable_connector.cli.own_keys import issue_shared_token, issue_token, parse_permissions

    granted = _checked(lambda: parse_permissions(permissions), option="--permissions")
    lifetime = _checked(lambda: timedelta(hours=hours), option="--hours")
    settings = settings_for(data_dir)
    said_by = steward or settings.droplet.steward
    now = SystemClock().now()
    if reader is TokenReader.ORCHESTRATOR:
        file = settings.mesh.private_key_file
        if file is None:
            raise typer.BadParameter("ORCHESTRATOR_PRIVATE_KEY_FILE is not set", param_hint="--for")
        whom = droplet or settings.droplet.id
        typer.echo(
            issue_shared_token(file, droplet=whom, permissions=granted, lifetime=lifetime, steward=said_by, at=now)
        )
        return
    if droplet is None:
        raise typer.BadParameter("the droplet's number is needed", param_hint="--id")
    text, made_keys = issue_token(
        settings.store.keys_dir, droplet=droplet, permissions=granted, lifetime=lifetime, steward=said_by, at=now
    )
    if made_keys:
        _say(f"made a key pair in {settings.store.keys_dir}")
    typer.echo(text)


def _refuse_own_options(context: typer.Context) -> None:
    """Refuse options that stand before a subcommand, which would not see them."""
    sources = [context.get_parameter_source(name) for name in context.params]
    if any(source is not None and source.name == "COMMANDLINE" for source in sources):
        raise typer.BadParameter(f"put the options behind '{context.invoked_subcommand}'")


# --- access tokens ----------------------------------------------------------------------------------------------


def create_access_token(
    *,
    scopes: Annotated[
        str, typer.Option(help="Comma separated, such as data.records:read,data.records:write.", show_default=False)
    ],
    base: Annotated[
        list[str], typer.Option(help="Id of a base that it opens, app…; may be repeated. Or: all.", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="What it is for, to know it again in the list.", show_default=False)] = "",
    droplet: Annotated[
        int | None,
        typer.Option(min=1, max=2**31 - 1, help="Number of the droplet that it acts as; our own without it."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3_660, help="How long it is valid.")] = 365,
    data_dir: DataDir = "",
) -> None:
    """Make an access token for a client of Airtable, and print its key, which nothing shows again.

    A running service takes it within seconds.
    """
    from airtable_connector.mesh import ALL_BASES
    from airtable_connector.web.airtable_api import DERIVED_ID

    granted = _checked(lambda: _read_scopes(scopes), option="--scopes")
    bases = _checked(lambda: _read_bases(base), option="--base")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise typer.BadParameter(f"a name has at most {LONGEST_NAME} printable characters", param_hint="--name")
    settings = settings_for(data_dir)
    here = settings.airtable_api.base_id or DERIVED_ID
    token, key, made = asyncio.run(
        _create(
            settings,
            name=name,
            scopes=granted,
            bases=bases,
            droplet=droplet or settings.droplet.id,
            lifetime=timedelta(days=days),
        )
    )
    for unknown in sorted(bases - {here, *made, ALL_BASES}):
        _say(f"{unknown} is no base here, and the token opens nothing of it; the base of this service is {here}")
    _say(f"made {token.id}, valid until {iso(token.expires)}; keep the key, it is not shown again")
    typer.echo(key.reveal())


async def _create(
    settings: "Settings", *, name: str, scopes: frozenset[str], bases: frozenset[str], droplet: int, lifetime: timedelta
) -> tuple["AccessToken", "Secret", list[str]]:
    """Make a token, and return it with its key and the ids of the bases that clients made."""
    from airtable_connector.compose import database_location
    from airtable_connector.database import open_database
    from airtable_connector.mesh import AccessTokens
    from airtable_connector.records import read_bases

    clock = SystemClock()
    async with open_database(database_location(settings), clock=clock) as database:
        tokens = AccessTokens(database, clock=clock, ids=RandomIds())
        token, key = await tokens.create(name=name, scopes=scopes, bases=bases, droplet=droplet, lifetime=lifetime)
        async with database.reading() as reader:
            return token, key, [made.id for made in await read_bases(reader)]


def list_access_tokens(*, data_dir: DataDir = "") -> None:
    """Print every access token, one a line, with tabs between its facts.

    They are: id, state, droplet, bases, when it was made, when it ends, when it was used last, scopes, name.
    A use is shown some seconds after it, further ones at most once a minute.
    """
    now = SystemClock().now()
    for token in asyncio.run(_list(settings_for(data_dir))):
        used = "never" if token.last_used is None else iso(token.last_used)
        shown = [token.id, _state(token, now), str(token.droplet), ",".join(sorted(token.bases))]
        shown += [iso(token.created), iso(token.expires), used, ",".join(sorted(token.scopes)), token.name]
        typer.echo("\t".join(shown))


async def _list(settings: "Settings") -> list["AccessToken"]:
    async with _existing_tokens(settings) as tokens:
        return list(await tokens.list())


def revoke_access_token(
    token_id: Annotated[
        str, typer.Argument(metavar="ID", help="The token's id: pat and 14 characters.", show_default=False)
    ],
    *,
    data_dir: DataDir = "",
) -> None:
    """End an access token for good; a running service refuses it within seconds."""
    from airtable_connector.mesh import is_token_id

    if not is_token_id(token_id):  # it may be a whole key: not to be shown
        raise typer.BadParameter("an id is pat and 14 letters or digits, the part of the key before the dot")
    token = asyncio.run(_revoke(settings_for(data_dir), token_id))
    assert token.revoked is not None
    _say(f"{token.id} is revoked since {iso(token.revoked)}")


async def _revoke(settings: "Settings", token_id: str) -> "AccessToken":
    async with _existing_tokens(settings) as tokens:
        return await tokens.revoke(token_id)


@asynccontextmanager
async def _existing_tokens(settings: "Settings") -> AsyncIterator["AccessTokens"]:
    from airtable_connector.mesh import AccessTokens

    async with open_existing(settings) as database:
        yield AccessTokens(database, clock=SystemClock(), ids=RandomIds())


def _read_scopes(text: str) -> frozenset[str]:
    """Read a comma separated list of scopes; ValueError says which there are."""
    from airtable_connector.web.airtable_api import Scope

    words = [word.strip() for word in text.split(",") if word.strip()]
    strangers = [word for word in words if word not in set(Scope)]
    if strangers or not words:
        wrong = f"{strangers[0][:40]!r} is no scope" if strangers else "no scope is given"
        raise ValueError(f"{wrong}; known: {', '.join(Scope)}")
    return frozenset(words)


def _read_bases(named: Sequence[str]) -> frozenset[str]:
    """Read ids of bases, or the word for all; ValueError says what is wrong."""
    from airtable_connector.mesh import ALL_BASES

    bases = frozenset(named)
    if bases == {ALL_BASES}:
        return bases
    if len(bases) > MOST_BASES or not all(map(looks_like_base_id, bases)):
        raise ValueError(
            f"a base's id is app and 14 letters or digits; name {MOST_BASES} of them at most, or 'all' alone"
        )
    return bases


def _state(token: "AccessToken", now: datetime) -> str:
    if token.revoked is not None:
        return "revoked"
    return "expired" if now >= token.expires else "valid"


def _checked(parse: Callable[[], T], *, option: str) -> T:
    try:
        return parse()
    except ValueError as cause:
        raise typer.BadParameter(str(cause), param_hint=option) from cause


def _say(line: str) -> None:
    typer.echo(line, err=True)
