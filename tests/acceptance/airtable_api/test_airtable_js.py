"""airtable.js as it is, pointed at the connector by ``endpointUrl`` and nothing else."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire
from tests.service import Service

from airtable_connector.web.airtable_api import DERIVED_ID

CLIENT = "airtable@0.12.2"
SCRIPT = Path(__file__).with_name("airtable_js_client.js")


@pytest.fixture(scope="package")
def modules(request: pytest.FixtureRequest) -> Path:
    """The folder with airtable.js, installed once and kept between runs."""
    npm, cache = shutil.which("npm"), request.config.cache
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    assert cache is not None
    folder = cache.mkdir(CLIENT.replace("@", "-"))
    if not (folder / "node_modules" / "airtable").is_dir():
        install = [npm, "install", "--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(folder)]
        done = subprocess.run([*install, CLIENT], capture_output=True, text=True, timeout=300, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install {CLIENT}: {done.stderr.strip().splitlines()[-1:]}")
    return folder / "node_modules"


def run(modules: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        ["node", str(SCRIPT), *arguments],
        env={"PATH": os.environ["PATH"], "NODE_PATH": str(modules), "NODE_NO_WARNINGS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_walk_through_airtable_js(served: Service, wire: Wire, modules: Path) -> None:
    name = wire.some_name()
    told = run(modules, served.address, served.token(), DERIVED_ID, name)
    assert told.pop("createdTime").endswith("Z")
    assert told == {
        "created": {"name": name, "cpu": 0},
        "createdMany": [{"name": name, "cpu": 1}, {"name": name, "cpu": 2}],
        "found": 0,
        "updated": {"name": name, "cpu": 0, "mem": 5},
        "updatedMany": [{"name": name, "cpu": 1, "mem": 6}],
        "replaced": {"name": name, "cpu": 9},
        "replacedMany": [{"name": name, "cpu": 8}],
        "upserted": [{"name": name, "cpu": 8, "disk": 1}],
        "pages": [[9, 8], [2]],
        "all": [{"cpu": 9}],
        "byPost": 3,
        "firstPage": 3,
        "listed": 1,
        "unknownField": [422, "UNKNOWN_FIELD_NAME", 'Unknown field name: "nope"'],
        # the client has words of its own for 403 and 404
        "missing": [403, "NOT_AUTHORIZED", "You are not authorized to perform this operation"],
        "malformed": [404, "NOT_FOUND", "Could not find what you are looking for"],
        "destroyed": True,
        "destroyedMany": 2,
    }
