"""Other settings for an edge that serves already."""

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from tests.unit.web.harness import READER, WRITER, Door, Droplet

from airtable_connector.web.http import Answer, Call, EdgeSettings

pytestmark = pytest.mark.anyio


async def hello(_call: Call) -> Answer:
    return Answer(200, b'"hello"')


async def echo(call: Call) -> Answer:
    return Answer(200, await call.body())


FEW = {"requests_per_minute": 3, "body_limit": 100, "bulk_limit": 100, "bulk_paths": frozenset({"/bulk"})}


@pytest.fixture
def door() -> Door:
    return Door({"/hello": {"GET": hello}, "/echo": {"POST": echo}, "/bulk": {"POST": echo}}, **FEW)


def adopt(door: Door, network: Droplet | None = None, **settings: Any) -> None:
    def identify(address: str) -> Droplet | None:
        return network if address == "203.0.113.9" else None

    door.edge.adopt(replace(EdgeSettings(**FEW), **settings), identify)


async def test_the_quota(door: Door) -> None:
    for _ in range(3):
        assert (await door.ask("GET", "/hello")).status == 200
    assert (await door.ask("GET", "/hello")).status == 429
    adopt(door, requests_per_minute=5)
    for _ in range(5):
        answer = await door.ask("GET", "/hello", token=READER)
        assert (answer.status, answer.header("ratelimit-policy")) == (200, '"default";q=5;w=60')
    assert (await door.ask("GET", "/hello", token=READER)).status == 429


@pytest.mark.parametrize(("path", "setting"), [("/echo", "body_limit"), ("/bulk", "bulk_limit")])
async def test_limits_of_bodies(path: str, setting: str, door: Door) -> None:
    body = b'"' + b"a" * 200 + b'"'
    assert (await door.ask("POST", path, body=body)).status == 413
    adopt(door, **{setting: 300})
    assert (await door.ask("POST", path, body=body)).status == 200


async def test_origins(door: Door) -> None:
    page = {"Origin": "https://dashboard.example"}
    assert (await door.ask("GET", "/hello", headers=page)).header("access-control-allow-origin") is None
    adopt(door, allowed_origins=frozenset({"https://dashboard.example"}))
    allowed = await door.ask("GET", "/hello", headers=page)
    assert allowed.header("access-control-allow-origin") == "https://dashboard.example"


async def test_addresses_that_are_known(door: Door) -> None:
    assert (await door.ask("GET", "/hello", token=None, peer="203.0.113.9")).status == 401
    adopt(door, network=Droplet(7))
    assert (await door.ask("GET", "/hello", token=None, peer="203.0.113.9")).status == 200
    assert (await door.ask("GET", "/hello", token=None, peer="203.0.113.8")).status == 401


async def test_proxies_even_when_it_was_remembered_that_they_are_none(door: Door) -> None:
    told = {"X-Forwarded-For": "198.51.100.1"}
    adopt(door, trusted_proxies=(ip_network("198.51.100.0/24"),))
    await door.ask("GET", "/hello", token=WRITER, headers=told, peer="192.0.2.7")
    adopt(door, trusted_proxies=(ip_network("192.0.2.0/24"),))
    await door.ask("GET", "/hello", token=WRITER, headers=told, peer="192.0.2.7")
    assert [line["address"] for line in door.log.lines] == ["192.0.2.7", "198.51.100.1"]
