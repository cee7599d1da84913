"""Which build this is: told by the build itself, else by the checkout that the program runs from, else not known."""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

BUILD_FILE: Final = "build_info.json"
"""Written into the package when an image or an installation is made: ``{"commit", "built_at", "deployed_by"}``."""

GIT_LIMIT: Final = 1.0
"""Seconds that each of two questions to git may take."""

MODIFIED: Final = "-modified"


@dataclass(frozen=True)
class Build:
    """What is known of the running program; what is not known is None.

    ``built_at`` of a checkout is when its commit was made, and ``modified`` whether its files differ from the commit.
    """

    source: Literal["build", "checkout", "unknown"]
    commit: str | None = None
    built_at: str | None = None
    deployed_by: str | None = None
    modified: bool | None = None


def find_build(package: Path) -> Build:
    """Find out about the program in the folder ``package``. Blocking, two seconds at most."""
    try:
        return _told_by_the_build((package / BUILD_FILE).read_bytes())
    except OSError:
        return _told_by_the_checkout(package)


def _told_by_the_build(content: bytes) -> Build:
    try:
        facts = json.loads(content)
    except ValueError:
        facts = None
    if not isinstance(facts, dict):
        return Build("unknown")
    commit, built_at, deployed_by = (facts.get(name) for name in ("commit", "built_at", "deployed_by"))
    return Build("build", commit=_text(commit), built_at=_text(built_at), deployed_by=_text(deployed_by))


def _told_by_the_checkout(package: Path) -> Build:
    root = package.parent.parent
    # an installed package may lie inside the checkout of something else, such as its .venv
    if package.parent.name != "src" or not (root / ".git").exists():
        return Build("unknown")
    committed = _ask_git(root, "show", "--no-patch", "--format=%H %cI", "HEAD")
    described = _ask_git(root, "describe", "--always", "--exclude=*", f"--dirty={MODIFIED}")
    if committed is None or described is None:
        return Build("unknown")
    commit, _, built_at = committed.partition(" ")
    return Build("checkout", commit=commit, built_at=built_at, modified=described.endswith(MODIFIED))


def _ask_git(root: Path, *question: str) -> str | None:
    git = shutil.which("git")
    if git is None:
        return None
    # the place is named, so that neither the environment nor another folder's owner changes what is asked
    place = (f"--git-dir={root / '.git'}", f"--work-tree={root}", "--no-optional-locks")
    try:
        answer = subprocess.run(  # noqa: S603 - fixed words and our own folder
            (git, *place, *question), check=True, capture_output=True, text=True, timeout=GIT_LIMIT
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
