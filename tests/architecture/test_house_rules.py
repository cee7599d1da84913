import ast
import importlib
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import airtable_connector
from airtable_connector.kernel.errors import ConnectorError

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "airtable_connector"

# in halves, so that this file does not find itself
REGISTRY_HOSTS = ["pypi" + ".org", "files.python" + "hosted.org", "registry.npm" + "js.org"]
MACHINE_PATHS = re.compile("/ho" + r"me/\w+/|" + "/Us" + r"ers/\w+/")


@cache
def project_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    names = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [name for name in names if name.is_file()]


@cache
def all_errors() -> list[type[ConnectorError]]:
    for module in pkgutil.walk_packages(airtable_connector.__path__, "airtable_connector."):
        importlib.import_module(module.name)
    found: set[type[ConnectorError]] = set()
    waiting = [ConnectorError]
    while waiting:
        found.update(children := waiting.pop().__subclasses__())
        waiting.extend(children)
    ours = [error for error in found if error.__module__.startswith("airtable_connector.")]
    return sorted(ours, key=lambda error: f"{error.__module__}.{error.__qualname__}")


def leaves() -> list[type[ConnectorError]]:
    return [error for error in all_errors() if not error.__subclasses__()]


def imports_of(file: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found.update(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or ".")
    return found


def pins(file: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / file).read_text(), re.MULTILINE))


def test_the_kernel_uses_the_standard_library_only() -> None:
    strangers = {
        (file.name, module)
        for file in (SOURCE / "kernel").rglob("*.py")
        for module in imports_of(file)
        if module.partition(".")[0] not in sys.stdlib_module_names
        and not module.startswith("airtable_connector.kernel.")
    }
    assert strangers == set()


def test_the_kernel_stays_small() -> None:
    lines = sum(len(file.read_text().splitlines()) for file in (SOURCE / "kernel").rglob("*.py"))
    assert lines <= 700


def test_every_leaf_has_a_code_of_its_own() -> None:
    codes = [error.code for error in leaves()]
    assert [error.__qualname__ for error in leaves() if "code" not in vars(error)] == []
    assert sorted({code for code in codes if codes.count(code) > 1}) == []
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []


def test_every_leaf_has_a_line_in_the_manual_and_every_line_a_leaf() -> None:
    manual = (ROOT / "docs" / "errors.md").read_text()
    explained = set(re.findall(r"^\| `([a-z-]+)` \|", manual, re.MULTILINE))
    codes = {error.code for error in leaves()}
    assert sorted(codes - explained) == []
    assert sorted(explained - {error.code for error in all_errors()}) == []


def test_nothing_names_a_machine_or_a_package_registry() -> None:
    words = [*REGISTRY_HOSTS, f"{ROOT}/"]
    found = [
        (file.relative_to(ROOT).as_posix(), number)
        for file in project_files()
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)
        if any(word in line for word in words) or MACHINE_PATHS.search(line)
    ]
    assert found == []


def test_requirements_are_names_versions_and_hashes_only() -> None:
    allowed = re.compile(r"#.*|\s+# via .*|[\w.-]+==[\w.+!-]+ \\|\s+--hash=sha256:[0-9a-f]{64}( \\)?|")
    for file in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / file).read_text().splitlines()
        assert [line for line in lines if not allowed.fullmatch(line)] == []


def test_what_the_project_asks_for_is_pinned_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {re.split(r"[<>=~!\[; ]", each)[0].lower() for each in project["dependencies"]}
    asked_for_work = {re.split(r"[<>=~!\[; ]", each)[0].lower() for each in project["optional-dependencies"]["dev"]}
    runtime, dev = pins("requirements.txt"), pins("requirements-dev.txt")
    assert sorted(asked - runtime.keys()) == []
    assert sorted(asked_for_work - dev.keys()) == []
    assert runtime.items() <= dev.items()


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    config = json.loads((ROOT / "udc_config.json").read_text())
    assert project["version"] == airtable_connector.__version__ == config["droplet"]["version"]
