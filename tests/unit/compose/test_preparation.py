import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from tests.fakes import FakeClock

from airtable_connector.compose.preparation import FIRST_LOOK, Preparation
from airtable_connector.mesh import PeerClient

pytestmark = pytest.mark.anyio


class House:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.client = PeerClient(clock=self.clock)
        self.preparation = Preparation(self.client, clock=self.clock)
        self.done: list[str] = []
        self.threads: set[threading.Thread] = set()

    async def ask_peers(self) -> timedelta:
        self.done.append("peers")
        return timedelta(seconds=7)

    def load_first(self) -> None:
        self.done.append("first")
        self.threads.add(threading.current_thread())

    def load_second(self) -> None:
        self.done.append("second")


@pytest.fixture
async def house() -> AsyncIterator[House]:
    opened = House()
    yield opened
    await opened.client.close()


async def test_peers_are_asked_and_the_rest_is_loaded_after_the_first_look(house: House) -> None:
    prepare = house.preparation.step(house.load_first, house.load_second)
    asking = asyncio.ensure_future(house.preparation.before(house.ask_peers)())
    preparing = asyncio.ensure_future(prepare())
    await house.clock.advance(FIRST_LOOK / 2)
    assert house.done == []
    await house.clock.advance(FIRST_LOOK)
    assert await asking == timedelta(seconds=7)
    assert await preparing is None
    assert sorted(house.done) == ["first", "peers", "second"]
    assert house.done.index("first") < house.done.index("second")
    assert threading.current_thread() not in house.threads
    assert house.client._client is not None


async def test_later_rounds_are_not_held_back(house: House) -> None:
    asking = house.preparation.before(house.ask_peers)
    preparing = asyncio.ensure_future(house.preparation.step()())
    await house.clock.advance(FIRST_LOOK)
    await preparing
    assert [await asking(), await asking()] == [timedelta(seconds=7)] * 2
