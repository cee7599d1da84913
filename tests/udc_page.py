"""The examples of docs/udc.md: read from the page, asked of started connectors, and written back.

An example is a request as it is sent, then its HTTP status, then its answer. A token is written as what it is for, such
as ``<droplet 5: read, write>``. The examples are asked in the page's order of one connector that is a member of a mesh,
so that each finds what those before it have done; those that end a process have one of their own.

``python -m tests.udc_page`` asks them all and puts the answers that are no longer true right; the words around them are
for a person to check.
"""

import json
import re
import socket
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from tests.localmesh_process import LocalMesh, running_mesh
from tests.service import Place, Service, eventually, free_port, running

PAGE: Final = Path(__file__).parents[1] / "docs" / "udc.md"

Json: TypeAlias = Any

WIDTH: Final = 120
"""Characters of a printed line that are aimed at; a long text may need more."""

_EXAMPLE: Final = re.compile(r"```http\n(.*?)```\n\n`(\d{3})`\n\n```json\n(.*?)```", re.DOTALL)
_ARRIVED: Final = re.compile(r"```json arrived\n(.*?)```", re.DOTALL)
_TOKEN: Final = re.compile(r"Bearer <droplet (\d+): ([a-z, ]+)>")

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|\+00:00)?")
_RECORD: Final = re.compile(r"\brec[A-Za-z0-9]{14}\b")
_SHA256: Final = re.compile(r"\b[0-9a-f]{64}\b")

_MEASURED: Final = frozenset(
    {
        "cpu_percent", "memory_mb", "uptime_seconds", "requests_total", "requests_per_minute", "latency_ms", "took_ms",
        "head", "position", "cache_bytes",
    }
)  # fmt: skip
"""Members whose number is another one each time."""

_OF_THE_BUILD: Final = frozenset({"version", "build_date", "commit_hash", "deployed_by"})
"""Members that tell which program answers."""

_KNOWN_FROM: Final = frozenset({"build", "checkout", "unknown"})
"""What ``source`` says of the same; the source of a message is a droplet."""

_ENDS_THE_PROCESS: Final = frozenset({"/shutdown", "/emergency-stop"})

SPRINTS: Final = (
    {"Sprint_ID": "SPRINT-0041", "Name": "Retry queue", "Status": "Active", "Time_Spent_hr": 6.5},
    {"Sprint_ID": "SPRINT-0042", "Name": "Proof upload", "Status": "Active", "Time_Spent_hr": 2},
    {"Sprint_ID": "SPRINT-0043", "Name": "Key rotation", "Status": "Done", "Time_Spent_hr": 17.75},
)

OTHER_SETTINGS: Final = {
    ".env": "MESSAGE_RATE_PER_MINUTE=200\n",
    "udc_config.json": '{"registry": {"heartbeat_interval": 60}}\n',
}
"""Files that appear after the start, for ``/reload-config``."""


@dataclass(frozen=True)
class Told:
    """An answer: its HTTP status and its body."""

    status: int
    body: Json


@dataclass(frozen=True)
class Example:
    """A request of the page, and what the page says that it is answered."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: str
    printed: Told

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


@dataclass(frozen=True)
class Heard:
    """What came of asking the whole page."""

    answers: Sequence[Told]
    arrived: Json
    """The first message that reached the Orchestrator."""

    ended: Mapping[str, int]
    """By path, the exit codes of the processes that the page ends."""


def examples(page: str) -> list[Example]:
    """Read the examples of a page; every request has an answer."""
    found = [_example(match) for match in _EXAMPLE.finditer(page)]
    assert len(found) == page.count("```http"), "a request of the page has no status and answer under it"
    return found


def arrived(page: str) -> Json:
    """Read what the page says that a message of ours looks like."""
    (printed,) = _ARRIVED.findall(page)
    return json.loads(printed)


def comparable(value: Json, *, fixed: str, key: str = "") -> Json:
    """Put placeholders for what differs each time: moments, ids, hashes, measured numbers, facts of the build.

    Identifiers that occur in ``fixed``, which are those that a request names, stay.
    """
    match value:
        case dict():
            return {name: comparable(member, fixed=fixed, key=name) for name, member in value.items()}
        case list():
            return [comparable(item, fixed=fixed) for item in value]
        case bool() | None:
            return "<known or not>" if key == "modified" else value
        case int() | float():
            return "<number>" if key in _MEASURED else value
        case str():
            of_the_build = key in _OF_THE_BUILD or (key == "source" and value in _KNOWN_FROM)
            return "<text>" if of_the_build else _without_ids(value, fixed)
    raise AssertionError(f"not JSON: {value!r}")


def ask_all(wanted: Sequence[Example], folder: Path) -> Heard:
    """Start a mesh, a member of it and what else is needed, and ask the examples in their order."""
    with ExitStack() as stack:
        conversation = stack.enter_context(_conversation(folder))
        answers = [conversation.ask(example) for example in wanted]
        seen = conversation.mesh.seen("orchestrator", "/message")
        ended = {path: service.wait() for path, service in conversation.own.items()}
    return Heard(answers, seen[0]["body"], ended)


def rewritten(page: str, heard: Heard) -> str:
    """Return the page with true answers; those that are true but for moments and ids stay as they are."""
    fixed = requests_of(page)
    answers = iter(heard.answers)

    def answer(match: "re.Match[str]") -> str:
        told = next(answers)
        if _same(_example(match).printed, told, fixed):
            return match[0]
        return f"```http\n{match[1]}```\n\n`{told.status}`\n\n```json\n{printed(told.body)}\n```"

    def message(match: "re.Match[str]") -> str:
        if _same(json.loads(match[1]), heard.arrived, fixed):
            return match[0]
        return f"```json arrived\n{printed(heard.arrived)}\n```"

    return _ARRIVED.sub(message, _EXAMPLE.sub(answer, page))


def requests_of(page: str) -> str:
    """Return the text of all requests."""
    return "\n".join(match[1] for match in _EXAMPLE.finditer(page))


def printed(value: Json, *, indent: int = 0, after: int = 0) -> str:
    """Write JSON for people, in few lines; ``after`` characters stand before it."""
    line = json.dumps(value, ensure_ascii=False)
    if indent + after + len(line) <= WIDTH or not isinstance(value, dict | list) or not value:
        return line
    inner = indent + 1
    if isinstance(value, dict):
        named = {json.dumps(name) + ": ": item for name, item in value.items()}
        members = [name + printed(item, indent=inner, after=len(name)) for name, item in named.items()]
    else:
        members = [printed(item, indent=inner) for item in value]
    first, last = "{}" if isinstance(value, dict) else "[]"
    return first + _filled(members, inner) + last


def _filled(members: Sequence[str], indent: int) -> str:
    """Put as many members on a line as fit; one of several lines begins one of its own."""
    lines = [members[0]]
    for member in members[1:]:
        if "\n" in lines[-1] + member or indent + len(lines[-1]) + len(member) + len(", ,") > WIDTH:
            lines.append(member)
        else:
            lines[-1] += f", {member}"
    return (",\n" + " " * indent).join(lines)


@dataclass
class _Conversation:
    mesh: LocalMesh
    member: Service
    folder: Path
    stack: ExitStack
    addresses: Mapping[str, str]
    own: dict[str, Service]

    def ask(self, example: Example) -> Told:
        service = self._asked(example.path)
        headers = {name: _with_token(value, service) for name, value in example.headers.items()}
        with service.client(headers) as client:
            answer = client.request(example.method, example.target, content=example.body or None)
        text = answer.text
        for address, shown in self.addresses.items():
            text = text.replace(address, shown)
        return Told(answer.status_code, json.loads(text))

    def _asked(self, path: str) -> Service:
        if path not in _ENDS_THE_PROCESS:
            return self.member
        if path not in self.own:
            place = Place(self.folder / path.removeprefix("/"))
            self.own[path] = self.stack.enter_context(running(place))
        return self.own[path]


@contextmanager
def _conversation(folder: Path) -> Iterator[_Conversation]:
    with (
        ExitStack() as stack,
        running_mesh(folder / "mesh") as mesh,
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
    ):
        silent_address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        dead_address = f"http://127.0.0.1:{free_port()}"
        _register(mesh, 4, "Multi-Cloud Manager", silent_address)
        _register(mesh, 12, "Chat Orchestrator", dead_address)
        member = stack.enter_context(running(Place(folder / "member"), _settings(mesh)))
        _prepare(member)
        addresses = {
            # the ports that docs/local-mesh.md uses, and two beside them
            mesh.registry: "http://127.0.0.1:8118",
            mesh.orchestrator: "http://127.0.0.1:8110",
            silent_address: "http://127.0.0.1:8104",
            dead_address: "http://127.0.0.1:8112",
        }
        yield _Conversation(mesh, member, folder, stack, addresses, {})


def _settings(mesh: LocalMesh) -> dict[str, str]:
    return {
        "REGISTRY_URL": mesh.registry,
        "REGISTRY_KEY": mesh.registry_key,
        "ORCHESTRATOR_URL": mesh.orchestrator,
        "ORCHESTRATOR_PRIVATE_KEY_FILE": str(mesh.mesh_private_key_file),
        # an attempt at the silent droplet lasts longer than the whole page
        "PEER_TIMEOUT_SECONDS": "60",
    }


def _register(mesh: LocalMesh, number: int, name: str, endpoint: str) -> None:
    introduction = {"droplet_id": number, "name": name, "endpoint": endpoint}
    token = {"Authorization": f"Bearer {mesh.orchestrator_token(number)}"}
    # the first registration answers 500 and is one all the same (mesh-contract.md 2.4)
    mesh.ask("orchestrator", "POST", "/droplets/register", headers=token, json=introduction)
    answer = mesh.ask("orchestrator", "POST", "/droplets/register", headers=token, json=introduction)
    assert answer.status_code == 201, answer.text


def _prepare(member: Service) -> None:
    for peer in ("registry", "orchestrator"):
        member.wait_for_log("registered", peer=peer)
    with member.client() as client:
        for sprint in SPRINTS:
            assert client.post("/sprints", json=sprint).status_code == 201
        eventually(lambda: len(client.get("/dependencies").json()["optional"]) == 2)
        # the directories are read again for a target that is not known, but not within two seconds of the first look
        eventually(lambda: client.get("/state").json()["uptime_seconds"] > 3)
    for name, text in OTHER_SETTINGS.items():
        (member.place.data_dir / name).write_text(text)


def _example(match: "re.Match[str]") -> Example:
    head, _, body = match[1].partition("\n\n")
    first, *lines = head.strip().split("\n")
    method, target = first.split(" ")
    headers = dict(line.split(": ", 1) for line in lines)
    return Example(method, target, headers, body.strip(), Told(int(match[2]), json.loads(match[3])))


def _with_token(value: str, service: Service) -> str:
    match = _TOKEN.fullmatch(value)
    if match is None:
        return value
    return f"Bearer {service.token(match[2].replace(' ', ''), droplet=int(match[1]))}"


def _without_ids(text: str, fixed: str) -> str:
    text = _UUID.sub(lambda found: found[0] if found[0] in fixed else "<uuid>", text)
    text = _MOMENT.sub(lambda found: re.sub(r"\d", "0", found[0]), text)
    return _SHA256.sub("<sha256>", _RECORD.sub("<record>", text))


def _same(one: Json, other: Json, fixed: str) -> bool:
    if isinstance(one, Told):
        return bool(one.status == other.status) and _same(one.body, other.body, fixed)
    return bool(comparable(one, fixed=fixed) == comparable(other, fixed=fixed))


def main() -> None:
    """Write the page's answers anew."""
    page = PAGE.read_text()
    with tempfile.TemporaryDirectory() as folder:
        heard = ask_all(examples(page), Path(folder))
    PAGE.write_text(rewritten(page, heard))


if __name__ == "__main__":
    main()
