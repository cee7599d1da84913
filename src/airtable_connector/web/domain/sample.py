"""``/read`` and ``/write``: a look at the data and a write to try, for laptops and tests; refused in production."""

from typing import Final

import orjson

from airtable_connector.kernel.clock import Clock, iso
from airtable_connector.kernel.ids import Ids
from airtable_connector.records import (
    CELLS,
    HEARTBEATS,
    PROOF,
    SPRINTS,
    Actor,
    Create,
    Query,
    Replayed,
    Workspace,
    WriteRequest,
)
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import NotInProduction, UnknownParameter
from airtable_connector.web.http import Answer, Call

SHOWN: Final = 5
"""Records of each table in a look."""


class SampleEndpoints:
    """HTTP endpoints over sample data."""

    def __init__(self, workspace: Workspace, envelopes: Envelopes, *, clock: Clock, ids: Ids, production: bool) -> None:
        self._workspace = workspace
        self._envelopes = envelopes
        self._clock = clock
        self._ids = ids
        self._production = production

    async def read(self, call: Call) -> Answer:
        """Answer ``GET /read``: the first records of each table."""
        self._refuse_in_production()
        _refuse_parameters(call)
        shown = {}
        for table in self._workspace.tables.values():
            page = await self._workspace.page(Query(table, page_size=SHOWN))
            shown[table.name] = [orjson.Fragment(blob) for blob in page.records]
        return Answer(200, self._envelopes.data(orjson.dumps(shown)))

    async def write(self, call: Call) -> Answer:
        """Answer ``POST /write``: add one sprint, its cell, its proof and a heartbeat, and show them."""
        self._refuse_in_production()
        _refuse_parameters(call)
        request = WriteRequest(Actor(call.caller.droplet, call.trace_id), self._sample())
        outcome = await self._workspace.write(request)
        assert not isinstance(outcome, Replayed)
        shown = {
            written.table.name: orjson.Fragment(written.table.encode(written.record))
            for written in outcome.written
            if written.table is not None and written.record is not None
        }
        return Answer(201, self._envelopes.data(orjson.dumps(shown)))

    def _sample(self) -> tuple[Create, ...]:
        table = self._workspace.table
        mark = self._ids.mint("rec")[3:]
        sprint, cell = f"SAMPLE-{mark}", f"sample-cell-{mark}"
        return (
            Create(
                table(SPRINTS.name),
                {"Sprint_ID": sprint, "Name": "A sprint to try things with", "Dev_Name": "Sample", "Status": "Active"},
            ),
            Create(table(CELLS.name), {"Cell_ID": cell, "Role": "Builder", "Health_Status": "OK"}),
            Create(
                table(PROOF.name),
                {
                    "Proof_ID": f"proof-{mark}",
                    "Sprint_ID": sprint,
                    "Result": "passed: sample",
                    "Timestamp": iso(self._clock.now()),
                },
            ),
            Create(table(HEARTBEATS.name), {"Cell_ID": cell, "CPU_Usage": 12.5, "RAM_Usage": 40, "Status": "active"}),
        )

    def _refuse_in_production(self) -> None:
        if self._production:
            raise NotInProduction


def _refuse_parameters(call: Call) -> None:
    for name, _ in call.query:
        raise UnknownParameter(name, ())
