"""What a start may load: whoever starts the service waits for every module of it."""

import subprocess
import sys
from pathlib import Path

from airtable_connector.mesh import create_key_pair

SERVE = """
import asyncio, sys
from pathlib import Path

from airtable_connector.cli.serving import read_plain

from airtable_connector.compose import open_rooms
from airtable_connector.kernel.clock import SystemClock
from airtable_connector.kernel.ids import RandomIds
from airtable_connector.ops import LogForm, configure_logging
from airtable_connector.settings import Configuration
from airtable_connector.web.http import Lifecycle
from airtable_connector.web import server


async def start(command_line):
    configuration = Configuration(Path(sys.argv[2]), command_line=command_line)
    clock = SystemClock()
    logs = configure_logging("info", LogForm.JSON, lambda line: None, clock=clock)
    async with open_rooms(
        configuration.read(), configuration, clock=clock, ids=RandomIds(), logs=logs, lifecycle=Lifecycle()
    ):
        print(*sys.modules)
    logs.close()


asyncio.run(start(read_plain(["serve", *sys.argv[1:]])))
"""

LATER = {
    "asyncpg",
    "cryptography",
    "dotenv",
    "fastapi",
    "httpx2",
    "jwt",
    "opentelemetry",
    "prometheus_client",
    "psutil",
    "pydantic",
    "re2",
    "starlette",
    "typer",
    "airtable_connector.cli.app",
    "airtable_connector.mesh.doctor",
    "airtable_connector.records.exchange",
    "airtable_connector.records.formula.formula",
    "airtable_connector.web.airtable_api.routes",
    "airtable_connector.web.document",
}
"""What the first answer needs none of. A name that must leave this list makes every start longer."""


def test_a_plain_serve_loads_nothing_that_its_first_answer_does_not_need(tmp_path: Path) -> None:
    create_key_pair(tmp_path / "keys")  # the very first start makes one, which takes longer than all else
    started = subprocess.run(
        [sys.executable, "-c", SERVE, "--data-dir", str(tmp_path)],
        check=True, capture_output=True, text=True, timeout=60, env={}, cwd=tmp_path,
    )  # fmt: skip
    loaded = set(started.stdout.split())
    assert "airtable_connector.web.http.edge" in loaded
    assert loaded & LATER == set()
