"""The continuous integration that a hosted repository runs."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tests.deployment.scripts import ROOT, SCRIPTS

FILE = ROOT / ".github" / "workflows" / "ci.yml"


def jobs() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["jobs"]
    return found


def runs() -> list[str]:
    return [step["run"] for job in jobs().values() for step in job["steps"] if "run" in step]


def test_it_is_a_workflow() -> None:
    checker = Path(sys.executable).with_name("check-jsonschema")
    command = [checker, "--builtin-schema", "vendor.github-workflows", FILE]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout


def test_what_others_made_is_named_by_its_commit_and_may_only_read() -> None:
    used = re.findall(r"uses: (\S+)", FILE.read_text())
    assert used
    assert [each for each in used if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", each)] == []
    assert yaml.safe_load(FILE.read_text())["permissions"] == {"contents": "read"}


def test_it_does_what_a_developer_does_and_then_what_only_it_can() -> None:
    assert {"make check", "make test"} <= set(runs())
    assert list(jobs()) == ["check", "test", "doctor", "image"]
    assert all("timeout-minutes" in job for job in jobs().values())


def test_the_scripts_that_it_runs_are_there() -> None:
    named = {name for run in runs() for name in re.findall(r"^\./(\S+)", run)}
    assert named <= set(SCRIPTS)
    assert named == {"deploy.sh", "install.sh", "monitor.sh"}
