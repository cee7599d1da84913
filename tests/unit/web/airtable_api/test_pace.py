from datetime import timedelta

import pytest
from tests.fakes import FakeClock

from airtable_connector.web.airtable_api.errors import CalledTooFast
from airtable_connector.web.airtable_api.pace import Pace, Paces, PaceSettings
from airtable_connector.web.http import Answer, Call

pytestmark = pytest.mark.anyio

FIVE = PaceSettings(per_second=5, lockout=timedelta(seconds=30))


async def test_the_sixth_request_of_a_second_closes_the_base_for_a_while() -> None:  # 29
    clock = FakeClock()
    pace = Pace(FIVE, clock)
    for _ in range(5):
        pace.spend()
    with pytest.raises(CalledTooFast) as caught:
        pace.spend()
    assert caught.value.retry_after == timedelta(seconds=30)
    await clock.advance(timedelta(seconds=29.9))
    with pytest.raises(CalledTooFast):
        pace.spend()
    await clock.advance(timedelta(seconds=0.1))
    pace.spend()


async def test_five_requests_a_second_may_come_for_ever() -> None:
    clock = FakeClock()
    pace = Pace(FIVE, clock)
    for _ in range(10):
        for _ in range(5):
            pace.spend()
        await clock.advance(timedelta(seconds=1))


async def test_without_a_limit_endpoints_are_left_as_they_are() -> None:
    async def endpoint(_call: Call) -> Answer:
        return Answer(200)

    assert Paces(PaceSettings(), FakeClock(), bool).keep(endpoint) is endpoint
    assert Paces(FIVE, FakeClock(), bool).keep(endpoint) is not endpoint


def test_each_base_has_a_pace_of_its_own_and_what_is_no_base_counts_for_ours() -> None:
    paces = Paces(FIVE, FakeClock(), {"appOne", "appTwo"}.__contains__)
    for base in (*["appOne"] * 5, *["appTwo"] * 5, *["appOurs"] * 3, "appNowhere", ""):
        paces.of(base).spend()
    for base in ("appOne", "appTwo", "appOurs", "appElsewhere", ""):
        with pytest.raises(CalledTooFast):
            paces.of(base).spend()
