"""The Dockerfile: linted, held to our rules, and its own steps done in a clean folder by somebody without rights.

No engine is needed for that, and none stands behind it: that the base image has what the steps want is shown where an
image is built.
"""

import fnmatch
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from tests.deployment.scripts import ROOT, machine_settings
from tests.service import eventually

NOBODY = 65_534


WITHOUT_RIGHTS = (
    f"setpriv --reuid {NOBODY} --regid {NOBODY} --clear-groups"
    " --inh-caps +dac_read_search --ambient-caps +dac_read_search --"
).split()
"""May write what is its own, and read everything: the tests' own Python may lie where nobody else may look."""


@dataclass(frozen=True)
class Step:
    """One instruction of the Dockerfile."""

    stage: int
    word: str
    rest: str


def steps() -> list[Step]:
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Step] = []
    stage = -1
    for line in filter(str.strip, text.splitlines()):
        word, rest = line.split(maxsplit=1)
        stage += word == "FROM"
        found.append(Step(stage, word, " ".join(rest.split())))
    return found


def of(word: str, *, stage: int | None = None) -> list[str]:
    return [step.rest for step in steps() if step.word == word and stage in {None, step.stage}]


def is_sent(path: str) -> bool:
    """Tell whether .dockerignore lets a file into the build; the last rule that fits counts, as the engine does it."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        rule = line.removeprefix("!")
        if not rule or rule.startswith("#"):
            continue
        ends = [path, *(str(parent) for parent in Path(path).parents)]
        pattern = rule.removeprefix("**/")
        names = [name for end in ends for name in ([Path(end).name] if rule.startswith("**/") else [end])]
        if any(fnmatch.fnmatchcase(name, pattern) for name in names):
            sent = line.startswith("!")
    return sent


def test_hadolint_finds_nothing() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    ended = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_bases_are_one_and_named_by_their_full_version() -> None:
    bases = {base.split(" AS ")[0] for base in of("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+(@sha256:[0-9a-f]{64})?", bases.pop())


def test_it_runs_as_nobody_of_the_base_image_and_as_who_owns_the_data() -> None:
    user = of("USER", stage=1)[-1]
    uid, gid = user.split(":")
    accounts = of("RUN", stage=1)[0]
    assert f"--uid {uid} " in accounts
    assert f"--gid {gid} " in accounts
    assert "-m 0700 /data" in accounts
    assert int(uid) >= 10_000


def test_what_is_shipped_has_no_build_tools() -> None:
    words = " ".join(of("RUN", stage=1) + of("COPY", stage=1))
    assert "pip" not in words
    assert "requirements" not in words
    assert of("COPY", stage=1)[0] == "--from=build /opt/airtable-connector /opt/airtable-connector"


def test_it_listens_to_all_and_keeps_its_data_in_the_volume() -> None:
    environment = dict(word.split("=", 1) for rest in of("ENV", stage=1) for word in rest.split())
    assert (environment["HOST"], environment["PORT"], environment["DATA_DIR"]) == ("0.0.0.0", "8000", "/data")
    assert of("VOLUME") == ["/data"]
    assert of("EXPOSE") == ["8000"]


def test_the_build_tools_are_pinned_as_the_developers_have_them() -> None:
    pins = re.compile(r"^([\w.-]+==\S+) \\$", re.MULTILINE)
    lines = (ROOT / "requirements-build.txt").read_text()
    assert pins.findall(lines)
    assert set(pins.findall(lines)) <= set(pins.findall((ROOT / "requirements-dev.txt").read_text()))
    assert [line for line in lines.splitlines() if re.match("-|.*://", line)] == []


@pytest.mark.parametrize(
    "path",
    [".env", "deploy/.env", ".git/config", "data/connector.sqlite3", "data/keys/own.pem", "secrets/postgres_password",
     "src/key.pem", "tests/conftest.py", ".venv/bin/python", "src/airtable_connector/build_info.json",
     "src/airtable_connector/__pycache__/a.pyc", "src/airtable_connector.egg-info/PKG-INFO"],
)  # fmt: skip
def test_the_build_is_not_sent(path: str) -> None:
    assert not is_sent(path)


def test_the_build_is_sent_what_it_copies() -> None:
    for rest in of("COPY"):
        for source in shlex.split(rest)[:-1]:
            if not rest.startswith("--from"):
                assert (ROOT / source).exists(), source
                assert is_sent(source), source


# --- its steps, done ----------------------------------------------------------------------------------------------


class Clean:
    """An empty root folder and an account without rights; paths of the image stand under the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.place = folder
        self.variables = {
            "PATH": f"{folder}/base/bin:/usr/bin:/bin", "HOME": os.environ["HOME"], "TMPDIR": f"{folder}/tmp",
            **machine_settings(), "COMMIT": "abc123", "BUILD_DATE": "", "DEPLOYED_BY": "",
        }  # fmt: skip
        for name in ("tmp", "data", "app"):
            (folder / name).mkdir()
        # the python of the base image, into which the build's own tools are installed
        self.run(f"{sys.executable} -m venv {folder}/base")

    def inside(self, text: str) -> str:
        return re.sub(r"(?<![\w./])/(opt|app|data|build)\b", rf"{self.folder}/\1", text)

    def run(self, command: str) -> None:
        ended = self.start(["sh", "-ec", self.inside(command)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = ended.communicate(timeout=120)
        assert ended.returncode == 0, output

    def start(
        self, command: list[str], *, stdout: int | None = None, stderr: int | None = None
    ) -> "subprocess.Popen[str]":
        if os.geteuid() == 0:
            for each in (self.folder, *self.folder.iterdir()):
                os.chown(each, NOBODY, NOBODY)
            command = [*WITHOUT_RIGHTS, *command]
        return subprocess.Popen(command, cwd=self.place, env=self.variables, text=True, stdout=stdout, stderr=stderr)

    def copy(self, rest: str) -> None:
        *sources, target = shlex.split(rest)
        if sources[0].startswith("--from"):
            return  # both stages are done in the same folder
        for source in sources:
            for file in [ROOT / source, *sorted((ROOT / source).rglob("*"))]:
                name = file.relative_to(ROOT).as_posix()
                if file.is_file() and is_sent(name):
                    inner = file.relative_to(ROOT / source) if (ROOT / source).is_dir() else Path(file.name)
                    to = self.place / target / inner
                    to.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, to)
        if os.geteuid() == 0:
            for each in self.place.rglob("*"):
                os.chown(each, NOBODY, NOBODY)

    def do(self, step: Step) -> None:
        match step.word:
            case "WORKDIR":
                self.place = Path(self.inside(step.rest))
                self.place.mkdir(exist_ok=True)
            case "COPY":
                self.copy(step.rest)
            case "ENV":
                for word in step.rest.split():
                    name, value = word.split("=", 1)
                    self.variables[name] = self.inside(value).replace("$PATH", self.variables["PATH"])
            case "RUN" if step.stage == 0:  # the other stage's makes accounts, for which one needs rights
                self.run(step.rest)
            case _:
                pass


@pytest.fixture(scope="module")
def image() -> Iterator[Clean]:
    # not pytest's folder, into which nobody else may look
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)
    try:
        clean = Clean(folder)
        for step in steps():
            clean.do(step)
        yield clean
    finally:
        shutil.rmtree(folder)


@pytest.mark.slow
def test_the_steps_make_a_service_that_its_own_health_check_finds_well(image: Clean) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = str(free.getsockname()[1])
    check = json.loads(of("HEALTHCHECK")[0].partition("CMD ")[2])
    command = json.loads(of("CMD")[0])
    # within tests nothing listens to all, and ports are free ones
    image.variables |= {"HOST": "127.0.0.1", "PORT": port, "ENVIRONMENT": "production"}
    asks = [image.inside(word).replace("8000", port) for word in check]
    assert image.start(asks, stdout=subprocess.DEVNULL).wait(20) == 1
    service = image.start(command, stderr=subprocess.DEVNULL)
    try:
        eventually(lambda: image.start(asks, stdout=subprocess.DEVNULL).wait(20) == 0)
        assert httpx2.get(f"http://127.0.0.1:{port}/health", trust_env=False).json()["status"] == "active"
    finally:
        service.terminate()
    assert service.wait(20) == 0
    assert (image.folder / "data" / "connector.sqlite3").exists()


@pytest.mark.slow
def test_the_image_says_what_was_built_and_nothing_that_is_not_known(image: Clean) -> None:
    packages = image.folder / "opt/airtable-connector/lib"
    info = json.loads(next(packages.glob("python*/site-packages/airtable_connector/build_info.json")).read_text())
    assert (info["commit"], info["deployed_by"]) == ("abc123", None)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", info["built_at"])


@pytest.mark.slow
def test_the_image_can_run_its_commands_and_holds_no_secret(image: Clean) -> None:
    image.run("airtable-connector version")
    found = [file for file in (image.folder / "app").rglob("*") if file.suffix == ".pem" or file.name == ".env"]
    assert found == []
    assert not any(re.search("KEY|TOKEN|PASSWORD|SECRET", rest) for rest in of("ENV") + of("ARG"))
