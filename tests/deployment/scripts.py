"""The scripts at the repository's root, run by a real bash, with programs of our own in the place of those they call.

Those stand at the edge: no test machine has an engine or a service manager to spare. Each keeps its state as files in
a folder, and writes down how it was called.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("deploy.sh", "install.sh", "monitor.sh")

SECRET = "pat-that-nobody-may-see"
"""Stands in what the scripts read; no output of any run may show it."""

LIMIT_S = 50.0

TOOLS = """
    bash awk cat chgrp chmod chown cmp cp cut date df dirname find flock git grep id install ln ls mkdir mv readlink rm
    sed sha256sum sleep sort tail touch tr xargs
"""
"""What a bare host has; docker, systemctl and the like are added by the test that wants them."""


@dataclass
class Ran:
    """A script's end, and all it printed."""

    code: int
    output: str


@dataclass
class Host:
    """A machine that has the usual tools and those added; ``state`` holds the files that the added ones look at."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.programs = self.folder / "programs"
        self.state = self.folder / "state"
        for each in (self.programs, self.state):
            each.mkdir(parents=True)
        for name in TOOLS.split():
            if found := shutil.which(name):
                (self.programs / name).symlink_to(found)

    def add(self, name: str, script: str) -> None:
        """Add a program; it finds ``$STATE``, and its calls are written down there before it begins."""
        file = self.programs / name
        file.write_text(f'#!/bin/bash\nSTATE="{self.state}"\necho "{name} $*" >> "$STATE/calls"\n{script}')
        file.chmod(0o755)

    def add_real(self, name: str) -> None:
        found = shutil.which(name)
        assert found, f"this test needs {name}"
        (self.programs / name).symlink_to(found)

    def say(self, name: str, text: str = "") -> None:
        (self.state / name).write_text(text)

    def unsay(self, name: str) -> None:
        (self.state / name).unlink()

    def calls(self) -> list[str]:
        file = self.state / "calls"
        return file.read_text().splitlines() if file.exists() else []

    def forget_calls(self) -> None:
        (self.state / "calls").unlink(missing_ok=True)

    def run(self, script: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> Ran:
        """Run a script, and see that it keeps the secret."""
        ended = subprocess.run(
            [str(script), *arguments],
            env={"PATH": str(self.programs), "LANG": "C.UTF-8", **self.environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        assert SECRET not in ended.stdout
        return Ran(ended.returncode, ended.stdout)


def copy_project(to: Path) -> Path:
    """Copy what the scripts use into a folder of its own, so that a test may change it."""
    to.mkdir(parents=True)
    for name in (*SCRIPTS, "Dockerfile", "docker-compose.yml", ".env.example", "udc_config.json", "README.md"):
        shutil.copy(ROOT / name, to / name)
    for name in ("requirements.txt", "requirements-build.txt", "pyproject.toml", "airtable-server.service"):
        shutil.copy(ROOT / name, to / name)
    left_out = shutil.ignore_patterns("__pycache__", "*.egg-info", "build_info.json")
    for name in ("deploy", "src"):
        shutil.copytree(ROOT / name, to / name, ignore=left_out)
    return to


def machine_settings() -> dict[str, str]:
    """Return what this machine says about where packages come from; it is nobody else's business."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
