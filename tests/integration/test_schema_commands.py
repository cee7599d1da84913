"""``schema plan``, ``apply`` and ``export`` as processes, over a second connector that stands for Airtable."""

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.acceptance.airtable_api.conftest import Wire
from tests.faults import Fault, FaultyProxy, Limits
from tests.service import COMMAND, Place, Service, environment, running

from airtable_connector.web.airtable_api import DERIVED_ID

LIMIT_S = 60.0
TABLES = f"/v0/meta/bases/{DERIVED_ID}/tables"
KEYS = {("Sprints", "CONNECTOR_KEY"), ("Cells", "CONNECTOR_KEY"), ("Proof", "CONNECTOR_KEY")}
KEYS |= {("Heartbeats", "CONNECTOR_KEY"), ("Daily_Digest", "CONNECTOR_KEY")}

WANTED: list[dict[str, Any]] = [
    {
        "id": "tblTeams",
        "name": "Teams",
        "fields": [
            {"name": "Name", "type": "singleLineText"},
            {"name": "Founded", "type": "date"},
            {"name": "Made", "type": "createdTime"},
            {"name": "Members", "type": "multipleRecordLinks", "options": {"linkedTableId": "tblPeople"}},
        ],
    },
    {
        "id": "tblPeople",
        "name": "People",
        "description": "Who works here",
        "fields": [
            {"name": "Name", "type": "singleLineText"},
            {"name": "Role", "type": "singleSelect", "options": {"choices": [{"name": "Lead"}, {"name": "Guest"}]}},
        ],
    },
]


@dataclass
class Desk:
    """Where somebody types commands about the base behind an address."""

    service: Service
    address: str
    folder: Path

    def run(self, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
        there = {
            "AIRTABLE_API_KEY": self.service.token("read,write,admin"),
            "BASE_ID": DERIVED_ID,
            "AIRTABLE_ENDPOINT_URL": self.address,
        }
        return subprocess.run(
            [*COMMAND, "schema", *arguments], cwd=self.folder, env=environment(there, settings),
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip

    def report(self, *arguments: str, ends: int) -> dict[str, Any]:
        ended = self.run(*arguments, "--json")
        assert ended.returncode == ends, ended.stderr + ended.stdout
        said: dict[str, Any] = json.loads(ended.stdout)
        return said

    def write(self, definitions: object) -> str:
        file = self.folder / "wanted.json"
        file.write_text(json.dumps(definitions))
        return str(file)

    def tables(self) -> dict[str, dict[str, Any]]:
        """Return the tables that the base has, each with its fields by name."""
        with self.service.client(self.service.headers("read,write,admin")) as client:
            _, body = Wire(client).ask("GET", TABLES)
        named = [(table["name"], {field["name"]: field for field in table["fields"]}) for table in body["tables"]]
        assert len(dict(named)) == len(named)
        return dict(named)

    def change(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """Change the schema as a person would, past the proxy."""
        with self.service.client(self.service.headers("read,write,admin")) as client:
            status, said = Wire(client).ask(method, f"{TABLES}{path}", json=body)
        assert status == 200, said
        return dict(said)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new base, which has the mesh's tables, and nothing between it and the commands."""
    with running(Place(tmp_path / "data")) as service:
        yield Desk(service, service.address, tmp_path)


@pytest.fixture
def proxy(desk: Desk) -> Iterator[FaultyProxy]:
    with FaultyProxy(desk.service.address) as opened:
        desk.address = opened.address
        yield opened


def places(findings: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    return {(each["table"], each.get("field")) for each in findings}


def test_a_base_with_the_meshs_tables_lacks_the_key_fields_and_apply_adds_them(desk: Desk) -> None:
    planned = desk.report("plan", ends=1)
    assert (planned["base"], planned["complete"]) == (DERIVED_ID, False)
    assert {each["kind"] for each in planned["findings"]} == {"new-field"}
    assert places(planned["findings"]) == KEYS
    assert all("CONNECTOR_KEY" not in fields for fields in desk.tables().values())

    applied = desk.report("apply", ends=0)
    assert places(applied["made"]) == KEYS
    assert (applied["refused"], applied["findings"]) == ([], [])
    assert {fields["CONNECTOR_KEY"]["type"] for fields in desk.tables().values()} == {"singleLineText"}

    again = desk.run("plan")
    assert (again.returncode, again.stdout) == (0, f"{DERIVED_ID}: nothing is missing\n")
    assert desk.report("apply", ends=0)["made"] == []


def test_tables_fields_links_and_choices_are_made_from_a_file_and_the_rest_is_told(desk: Desk) -> None:
    guests = {"name": "Role", "type": "singleSelect", "options": {"choices": [{"name": "Boss", "color": "redBright"}]}}
    people = desk.change("POST", "", name="PEOPLE", fields=[{"name": "Name", "type": "singleLineText"}, guests])
    file = desk.write(WANTED)
    planned = desk.run("plan", "--file", file)
    assert planned.returncode == 1
    assert planned.stdout.splitlines() == [
        "+ table Teams: Name (singleLineText), Founded (date), CONNECTOR_KEY (singleLineText)",
        "+ field People.CONNECTOR_KEY: singleLineText",
        "+ field Teams.Members: multipleRecordLinks",
        "+ choices of People.Role: Lead, Guest",
        "! in Airtable's page: add the field Made of type Created time to the table Teams",
        "~ People: name is PEOPLE, expected People; it is left as it is",
        f"{DERIVED_ID}: 4 to make, 1 for people to do",
    ]
    applied = desk.run("apply", "--file", file)
    assert applied.returncode == 1
    assert applied.stderr.splitlines() == [
        "made table Teams",
        "made field People.CONNECTOR_KEY",
        "made field Teams.Members",
        "made choices of People.Role",
    ]
    assert applied.stdout.splitlines()[-1] == f"{DERIVED_ID}: 0 to make, 1 for people to do"
    tables = desk.tables()
    assert tables["Teams"]["Members"]["options"]["linkedTableId"] == people["id"]
    choices = tables["PEOPLE"]["Role"]["options"]["choices"]
    assert [each["name"] for each in choices] == ["Boss", "Lead", "Guest"]
    assert choices[0] == people["fields"][1]["options"]["choices"][0]

    teams = {**WANTED[0], "fields": [field for field in WANTED[0]["fields"] if field["name"] != "Made"]}
    assert desk.run("plan", "--file", desk.write([teams, WANTED[1]])).returncode == 0


def test_what_differs_is_told_and_left_as_it_is(desk: Desk) -> None:
    status = {"name": "status", "type": "singleLineText"}
    hours = {"name": "Hours", "type": "number", "options": {"precision": 1}}
    desk.change("POST", "", name="Jobs", fields=[{"name": "Name", "type": "singleLineText"}, status, hours])
    before = desk.tables()["Jobs"]
    choices = {"options": {"choices": [{"name": "Open"}]}}
    fields = [
        {"name": "Name", "type": "singleLineText"},
        {"name": "Status", "type": "singleSelect", **choices},
        {"name": "Hours", "type": "number", "options": {"precision": 2}},
    ]
    file = desk.write([{"name": "Jobs", "fields": fields}])
    left = desk.report("apply", "--file", file, ends=1)["findings"]
    assert [(each["field"], each["what"], each["wanted"], each["found"], each["matters"]) for each in left] == [
        ("Status", "name", "Status", "status", True),
        ("Status", "type", "singleSelect", "singleLineText", True),
        ("Hours", "precision", "2", "1", False),
    ]
    after = desk.tables()["Jobs"]
    assert after.pop("CONNECTOR_KEY")
    assert after == before


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.BROKEN_ANSWER, Fault.LATE_502, Fault.LATE_500])
def test_a_step_whose_answer_is_lost_is_looked_at_and_made_once(desk: Desk, proxy: FaultyProxy, fault: Fault) -> None:
    file = desk.write([WANTED[1]])
    proxy.order(fault, method="POST")
    applied = desk.report("apply", "--file", file, ends=0)
    assert places(applied["made"]) == {("People", None)}
    assert proxy.answered("POST") == 1
    assert list(desk.tables()).count("People") == 1

    more = {**WANTED[1], "fields": [*WANTED[1]["fields"], {"name": "Age", "type": "number"}]}
    more["fields"][1] = {"name": "Role", "type": "singleSelect", "options": {"choices": [{"name": "New"}]}}
    proxy.order(fault, method="POST")
    proxy.order(fault, method="PATCH")
    applied = desk.report("apply", "--file", desk.write([more]), ends=0)
    assert places(applied["made"]) == {("People", "Age"), ("People", "Role")}
    assert (proxy.answered("POST"), proxy.answered("PATCH")) == (2, 1)
    assert [each["name"] for each in desk.tables()["People"]["Role"]["options"]["choices"]] == ["Lead", "Guest", "New"]


@pytest.mark.parametrize("fault", [Fault.LOST_REQUEST, Fault.RETRIABLE_503, Fault.EARLY_500])
def test_a_step_that_did_not_arrive_is_repeated(desk: Desk, proxy: FaultyProxy, fault: Fault) -> None:
    proxy.order(fault, method="POST")
    proxy.order(fault, method="GET")
    applied = desk.report("apply", "--file", desk.write([WANTED[1]]), ends=0)
    assert places(applied["made"]) == {("People", None)}
    assert proxy.answered("POST") == 2


def test_a_base_that_never_answers_well_ends_the_command(desk: Desk, proxy: FaultyProxy) -> None:
    proxy.order(Fault.EARLY_500, method="POST", times=9)
    ended = desk.run("apply")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "it is not known whether Airtable did what it was asked" in ended.stderr
    assert proxy.answered("POST") == 3


def test_what_airtable_refuses_is_told_and_the_others_are_made(desk: Desk) -> None:
    broken = {"name": "Zone", "type": "dateTime", "options": {"timeZone": "Mars/Olympus"}}
    fields = [*WANTED[1]["fields"][:1], broken]
    desk.change("POST", "", name="People", fields=fields[:1])
    applied = desk.report("apply", "--file", desk.write([{"name": "People", "fields": fields}]), ends=1)
    (refused,) = applied["refused"]
    assert (refused["field"], refused["type"]) == ("Zone", "INVALID_FIELD_TYPE_OPTIONS_FOR_CREATE")
    assert places(applied["made"]) == {("People", "CONNECTOR_KEY")}


def test_an_export_is_a_file_that_other_tables_are_made_from(desk: Desk) -> None:
    desk.run("apply", "--file", desk.write(WANTED))
    exported = desk.run("export")
    assert exported.returncode == 0
    assert "views" not in exported.stdout
    definitions = json.loads(exported.stdout)
    assert {table["name"] for table in definitions} == desk.tables().keys()

    copies = [{**table, "name": f"Copy of {table['name']}"} for table in definitions]
    left = desk.report("apply", "--file", desk.write(copies), ends=1)["findings"]
    assert [(each["kind"], each["table"], each["field"]) for each in left] == [
        ("by-hand", "Copy of Heartbeats", "Timestamp"),
        ("differs", "Copy of People", "Teams"),  # the inverse of a link has the name that Airtable gives it
    ]
    made = desk.tables()
    inverse = made["Copy of People"]["Copy of Teams"]
    assert made["Copy of Teams"]["Members"]["options"]["inverseLinkFieldId"] == inverse["id"]
    for table in definitions:
        types = {name: field["type"] for name, field in made[f"Copy of {table['name']}"].items()}
        lacking = [field["name"] for field in table["fields"] if types.get(field["name"]) != field["type"]]
        assert lacking == {"Heartbeats": ["Timestamp"], "People": ["Teams"]}.get(table["name"], [])


def test_the_bases_limits_are_kept(desk: Desk) -> None:
    with FaultyProxy(desk.service.address, limits=Limits()) as proxy:
        desk.address = proxy.address
        desk.report("apply", ends=0)
        assert proxy.gate is not None
        assert proxy.gate.refused == 0


def test_a_key_that_may_not_change_the_schema_ends_the_command_and_is_not_shown(desk: Desk) -> None:
    key = desk.service.token("read,write")
    ended = desk.run("apply", AIRTABLE_API_KEY=key)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Airtable refused the connector's own key" in ended.stderr
    assert key not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "settings", "words"),
    [
        (("plan",), {"AIRTABLE_API_KEY": ""}, "AIRTABLE_API_KEY is not set"),
        (("export",), {"AIRTABLE_API_KEY": "", "BASE_ID": ""}, "AIRTABLE_API_KEY and BASE_ID are not set"),
        (("plan",), {"AIRTABLE_ENDPOINT_URL": "http://airtable.example"}, "is not an https address"),
        (("plan", "--file", "nowhere.json"), {}, "nowhere.json"),
        (("apply", "--delete"), {}, "--delete"),
    ],
)
def test_a_command_that_is_asked_wrongly_says_what_is_wrong(
    tmp_path: Path, arguments: tuple[str, ...], settings: dict[str, str], words: str
) -> None:
    asked = {
        "AIRTABLE_API_KEY": "patSECRET.secret",
        "BASE_ID": DERIVED_ID,
        "AIRTABLE_ENDPOINT_URL": "http://127.0.0.1:9",
    }
    ended = subprocess.run(
        [*COMMAND, "schema", *arguments], cwd=tmp_path, env=environment(asked, settings),
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout) == (2, "")
    assert words in ended.stderr
    assert "SECRET" not in ended.stderr
