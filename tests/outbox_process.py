"""A process that writes and sends, to be killed: tells each write on its output as soon as it is acknowledged.

Its arguments: the SQLite file or PostgreSQL URL, the address of Airtable, the key, the table, a name for its writes.
"""

import asyncio
import sys
from pathlib import Path

from tests.factories.cloud import HERE, one_side

from airtable_connector.database import DatabaseLocation, PostgresServer, SqliteFile
from airtable_connector.kernel.secret import Secret
from airtable_connector.records import Create, Update

WRITES = 25


async def main(place: str, address: str, key: str, table: str, name: str) -> None:
    location: DatabaseLocation = PostgresServer(Secret(place)) if "://" in place else SqliteFile(Path(place))
    async with one_side(location, address, key) as here:
        here.start()
        for number in range(WRITES):
            done = await here.write(Create(HERE[table], {"Name": f"{name}-{number}"}))
            record = done.written[0].record
            assert record is not None
            print(f"{name}-{number}", flush=True)  # noqa: T201 - what the test reads
            await here.write(Update(HERE[table], record.id, {"Age": number}))
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
