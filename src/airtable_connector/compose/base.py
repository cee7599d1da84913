"""Opening the base alone: what the command line needs, and what serving begins with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from airtable_connector.database import Database, DatabaseLocation, PostgresServer, SqliteFile, open_database
from airtable_connector.kernel.clock import Clock
from airtable_connector.kernel.ids import Ids
from airtable_connector.kernel.observer import BlindObserver, Observer
from airtable_connector.records import STANDARD_TABLES, AttachmentFiles, Workspace, WorkspaceSettings, open_workspace
from airtable_connector.settings import Settings


@dataclass(frozen=True)
class Base:
    """An open base: its database, and the workspace over it."""

    database: Database
    workspace: Workspace


@asynccontextmanager
async def open_base(
    settings: Settings, *, clock: Clock, ids: Ids, observer: Observer | None = None
) -> AsyncIterator[Base]:
    """Open the configured store and its base, migrating it first.

    Raises:
        StoreUnavailable: the database cannot be opened.
        NewerDatabase: it was written by a later version.
    """
    kept = WorkspaceSettings(
        settings.store.cache_max_bytes,
        settings.store.idempotency_keep,
        keep_messages=settings.messages.keep,
        clock_interval=settings.store.formula_clock,
        droplet=settings.droplet.id,
    )
    async with (
        open_database(database_location(settings), clock=clock) as database,
        open_workspace(
            database,
            clock=clock,
            ids=ids,
            observer=observer or BlindObserver(),
            # the tables of a mirror are Airtable's
            tables=() if settings.mirrors else STANDARD_TABLES,
            settings=kept,
        ) as workspace,
    ):
        yield Base(database, workspace)


def attachment_files(settings: Settings, *, clock: Clock) -> AttachmentFiles:
    """Return the files of attachments; a folder that is missing is made when there is something for it."""
    return AttachmentFiles(settings.store.attachments_dir, most_bytes=settings.store.attachments_max_bytes, clock=clock)


def database_location(settings: Settings) -> DatabaseLocation:
    """Say where the configured store is: DATABASE_URL, else a SQLite file in DATA_DIR."""
    url = settings.store.database_url
    return SqliteFile(settings.store.sqlite_file) if url is None else PostgresServer(url)
