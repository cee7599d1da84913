"""What the demo adds: sample data, and the way to it."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from airtable_connector.records import Actor, Create, FieldType, Query, Table, Workspace, WriteRequest
from airtable_connector.settings import Settings

DEMO_CALLER = 5
"""The droplet for whom the demo mints a token: the Dashboard."""

SAMPLE_BATCH = 500
"""Sample records written in one transaction."""

SampleTables = Callable[[datetime], Mapping[str, Sequence[Mapping[str, object]]]]
"""Makes rows by table name, as they would look at a moment."""


async def load_sample(
    workspace: Workspace, tables: Mapping[str, Sequence[Mapping[str, object]]], *, droplet: int
) -> None:
    """Fill an empty base; one that holds records is left as it is."""
    actor = Actor(droplet, "sample-data")
    for name, rows in tables.items():
        table = workspace.table(name)
        if (await workspace.page(Query(table, page_size=1))).records:
            continue
        creations = [Create(table, *_dated(row, table)) for row in rows]
        for start in range(0, len(creations), SAMPLE_BATCH):
            await workspace.write(WriteRequest(actor, tuple(creations[start : start + SAMPLE_BATCH])))


def _dated(row: Mapping[str, object], table: Table) -> tuple[Mapping[str, object], None, str | None]:
    """Bring a computed moment of creation into the record itself."""
    computed = {field.name for field in table.fields if field.type is FieldType.CREATED_TIME}
    moment = next((str(row[name]) for name in computed if name in row), None)
    return {name: value for name, value in row.items() if name not in computed}, None, moment


def directions(address: str, token: str, settings: Settings) -> str:
    """Say where the demo is, with a token and lines to try."""
    return f"""
The Airtable Connector serves sample data from {settings.store.data_dir} at

    {address}

to callers with a token, such as this one (droplet {DEMO_CALLER}, read and write, 24 hours):

    TOKEN={token}

Try:

    curl -s {address}/health
    curl -s -H "Authorization: Bearer $TOKEN" "{address}/sprints?Status=Active&sort=-Time_Spent_hr&page_size=3"
    curl -s -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
         -d '{{"Sprint_ID":"SPRINT-9001","Name":"Try the connector","Status":"Active"}}' "{address}/sprints?upsert=true"

It is a member of a mesh on this machine, with a Registry at {settings.mesh.registry_url} and an Orchestrator at
{settings.mesh.orchestrator_url}. See what it knows of them, and have it send the Orchestrator a message:

    curl -s -H "Authorization: Bearer $TOKEN" {address}/dependencies
    curl -s -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
         -d '{{"target":"orchestrator","message_type":"query","payload":{{"query":"droplet_list"}}}}' {address}/send

Ctrl-C stops it; it says goodbye to both.
"""
