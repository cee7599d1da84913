"""The page about Airtable's Web API says what the code does: routes, parameters, members, types, errors."""

import re
from pathlib import Path

import pytest
from tests.integration.test_openapi import started

from airtable_connector.records import FieldType
from airtable_connector.records.formula import FUNCTIONS, Function
from airtable_connector.web.airtable_api import DERIVED_ID, NOT_OFFERED, AirtableApi
from airtable_connector.web.airtable_api.bodies import CHANGE_MEMBERS, CHANGE_ONE_MEMBERS, CREATE_MEMBERS
from airtable_connector.web.airtable_api.options import LIST_PARAMETERS, RECORD_PARAMETERS
from airtable_connector.web.airtable_api.scopes import BY_PERMISSION, Scope
from airtable_connector.web.airtable_api.words import FAMILIES, LEAVES, TYPES

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "airtable-compatibility.md").read_text(encoding="utf-8")

SPOKEN_OF_APART = {
    "FAILED_STATE_CHECK", "INVALID_FILTER_BY_FORMULA", "INVALID_REQUEST_BODY", "UNKNOWN_FIELD_NAME",
    "VIEW_ID_NOT_FOUND", "VIEW_NAME_NOT_FOUND",
}  # fmt: skip
"""Types that depend on more than the error's class."""


def known_functions() -> list[Function]:
    return sorted(FUNCTIONS.values(), key=lambda function: function.name)


def rows(heading: str) -> dict[str, str]:
    """Return the first two cells of the table below a heading."""
    section = MANUAL.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| ([^|]*?) \|", section, re.MULTILINE)
    names = [name for name, _ in found]
    assert len(set(names)) == len(names)
    return dict(found)


@pytest.mark.anyio
async def test_the_manual_names_every_route_and_whether_it_is_answered(tmp_path: Path) -> None:
    async with started(tmp_path) as edge:
        (late,) = edge._dialects
        dialect = late._loaded
        assert isinstance(dialect, AirtableApi)
        offered = {f"{method} {path}" for path, methods in dialect.routes.items() for method in methods}
    missing = {f"{method} {path}" for path, methods in NOT_OFFERED.items() for method in methods}
    told = rows("Routes")
    assert {route for route, how in told.items() if how != "not offered"} == offered
    assert {route for route, how in told.items() if how == "not offered"} == missing
    assert set(told.values()) == {"works", "differs", "not offered"}


def test_the_manual_names_every_scope_and_the_permission_that_comes_to_it() -> None:
    told = rows("Scopes")
    assert told.keys() == set(Scope)
    for permission, scopes in BY_PERMISSION.items():
        assert {scope for scope, named in told.items() if named == permission} == scopes


def test_the_manual_names_every_parameter() -> None:
    assert rows("Parameters of lists").keys() == set(LIST_PARAMETERS)
    (single,) = re.findall(r"^A single record takes (.*?);", MANUAL, re.MULTILINE | re.DOTALL)
    assert set(re.findall(r"`(\w+)`", single)) == set(RECORD_PARAMETERS)


def test_the_manual_names_every_member_of_a_write() -> None:
    assert rows("Members of writes").keys() == CREATE_MEMBERS | CHANGE_MEMBERS | CHANGE_ONE_MEMBERS


def test_the_manual_names_every_type_of_field() -> None:
    told = rows("Field types")
    assert {name for name, how in told.items() if how != "not offered"} == set(FieldType)


def test_the_manual_names_every_function() -> None:
    section = MANUAL.partition("\n## Functions\n")[2].partition("\n## ")[0]
    told = re.findall(r"^\| `(\w+)` \| (\w+) \| ?(.*?) ?\|$", section, re.MULTILINE)
    assert told == [
        (each.name, "differs" if each.differs else "works", each.differs or "") for each in known_functions()
    ]


def test_the_manual_names_every_type_of_error() -> None:
    named = {kind for _, kind in [*FAMILIES.values(), *LEAVES.values()]} | set(TYPES.values())
    assert rows("Errors").keys() == named | SPOKEN_OF_APART


def test_the_manual_names_the_base() -> None:
    assert f"`{DERIVED_ID}`" in MANUAL
