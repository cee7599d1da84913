import asyncio
from datetime import timedelta

import httpx2
import pytest

from airtable_connector.localmesh import Courier

pytestmark = pytest.mark.anyio

SOON = timedelta(milliseconds=10)


async def never(_request: httpx2.Request) -> httpx2.Response:
    await asyncio.Event().wait()
    raise AssertionError


async def endless(_request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=b"x" * (1024 * 1024 + 1))


def courier(answer: object) -> Courier:
    return Courier(httpx2.AsyncClient(transport=httpx2.MockTransport(answer)))


async def test_a_droplet_that_never_answers_is_given_up_in_time() -> None:
    outcome = await courier(never).deliver("http://d2/message", {}, within=SOON)
    assert type(outcome).__name__ == "TimedOut"
    assert await courier(never).fetch("http://registry/droplets", within=SOON) is None


@pytest.mark.parametrize(
    "url",
    ["no scheme/message", "http://[::/message", "http://d:99999/message", "http://\x00/", "ftp://d/", "http:///m", ""],
)
async def test_an_address_that_is_none_is_unreachable(url: str) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        outcome = await Courier(client).deliver(url, {}, within=timedelta(seconds=5))
    assert type(outcome).__name__ == "Unreachable"


async def test_an_answer_without_end_is_not_read_to_its_end() -> None:
    assert await courier(endless).fetch("http://registry/droplets", within=timedelta(seconds=5)) is None
