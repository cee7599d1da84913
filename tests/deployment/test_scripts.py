"""What holds for every script."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.deployment.scripts import ROOT, SCRIPTS, Host


@pytest.mark.parametrize("name", SCRIPTS)
def test_shellcheck_finds_nothing(name: str) -> None:
    checker = Path(sys.executable).with_name("shellcheck")
    # left out: braces around every variable, and what it says of functions called in conditions, which is meant
    command = [checker, "--enable=all", "--exclude=SC2250,SC2310,SC2311,SC2312", ROOT / name]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout == ""
    assert ended.returncode == 0


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_can_be_run_and_stops_at_the_first_failure(name: str) -> None:
    assert os.access(ROOT / name, os.X_OK)
    lines = (ROOT / name).read_text().splitlines()
    assert lines[0] == "#!/usr/bin/env bash"
    assert lines[2] in {"set -euo pipefail", "set -Eeuo pipefail"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_needs_nothing_and_names_exactly_the_options_there_are(name: str, host: Host) -> None:
    ran = host.run(ROOT / name, "--help")
    assert ran.code == 0
    assert ran.output.startswith(f"Usage: {name} ")
    assert "Exit codes: 0 " in ran.output
    told = set(re.findall(r"^  (--[a-z-]+)", ran.output, re.MULTILINE))
    labels = re.findall(r"^ +(--[a-z-]+(?: \| --?[a-z-]+)*)\)", (ROOT / name).read_text(), re.MULTILINE)
    known = {option for label in labels for option in label.split(" | ")}
    assert told == known - {"--help", "-h"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_unknown_option_is_refused_by_name(name: str, host: Host) -> None:
    ran = host.run(ROOT / name, "--dryrun")
    assert ran.code == 2
    assert "--dryrun" in ran.output
