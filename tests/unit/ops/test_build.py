import json
import subprocess
from pathlib import Path

import pytest

from airtable_connector.ops import BUILD_FILE, Build, find_build

COMMITTED = "2026-01-30T10:12:00+00:00"


def git(root: Path, *words: str) -> str:
    who = ("-c", "user.name=Ada", "-c", "user.email=ada@mesh.example", "-c", "commit.gpgsign=false")
    answer = subprocess.run(
        ("git", *who, "-C", str(root), *words),
        check=True,
        capture_output=True,
        text=True,
        env={"GIT_AUTHOR_DATE": COMMITTED, "GIT_COMMITTER_DATE": COMMITTED, "PATH": "/usr/local/bin:/usr/bin:/bin"},
    )
    return answer.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The package's folder in a checkout with one commit."""
    package = tmp_path / "src" / "airtable_connector"
    package.mkdir(parents=True)
    (package / "module.py").write_text("one = 1\n")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "Begin")
    return package


def test_the_build_tells_what_it_is(tmp_path: Path) -> None:
    facts = {"commit": "99b0462c", "built_at": "2026-01-31T12:00:00Z", "deployed_by": "Ada"}
    (tmp_path / BUILD_FILE).write_text(json.dumps(facts))
    assert find_build(tmp_path) == Build("build", "99b0462c", "2026-01-31T12:00:00Z", "Ada")


def test_the_build_may_leave_out_what_it_does_not_know(tmp_path: Path) -> None:
    (tmp_path / BUILD_FILE).write_text('{"commit": null, "built_at": "", "deployed_by": 7}')
    assert find_build(tmp_path) == Build("build")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_a_build_file_that_is_none_tells_nothing(content: bytes, checkout: Path) -> None:
    (checkout / BUILD_FILE).write_bytes(content)
    assert find_build(checkout) == Build("unknown")


def test_a_checkout_tells_its_commit(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert find_build(checkout) == Build("checkout", head, COMMITTED, modified=False)


def test_a_checkout_whose_files_were_changed_says_so(checkout: Path) -> None:
    (checkout / "module.py").write_text("one = 2\n")
    assert find_build(checkout).modified is True


def test_a_worktree_of_a_checkout_tells_its_own_commit(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("worktree") / "other"
    git(checkout, "worktree", "add", "--quiet", "--detach", str(other))
    git(other, "commit", "--quiet", "--allow-empty", "-m", "Go on")
    found = find_build(other / "src" / "airtable_connector")
    assert found.commit == git(other, "rev-parse", "HEAD") != git(checkout, "rev-parse", "HEAD")


def test_a_folder_named_by_the_environment_is_not_asked(
    checkout: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path_factory.mktemp("foreign")
    git(foreign, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(foreign / ".git"))
    assert find_build(checkout).source == "checkout"


@pytest.mark.parametrize("place", [".venv/lib/python3.11/site-packages", "vendor"])
def test_an_installation_inside_a_foreign_checkout_is_not_taken_for_it(place: str, checkout: Path) -> None:
    installed = checkout.parents[1] / place / "airtable_connector"
    installed.mkdir(parents=True)
    assert find_build(installed) == Build("unknown")


def test_a_checkout_without_a_commit_tells_nothing(tmp_path: Path) -> None:
    package = tmp_path / "src" / "airtable_connector"
    package.mkdir(parents=True)
    git(tmp_path, "init", "--quiet")
    assert find_build(package) == Build("unknown")


def test_without_git_nothing_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert find_build(checkout) == Build("unknown")
