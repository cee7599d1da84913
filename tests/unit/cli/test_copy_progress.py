from datetime import timedelta

import pytest
from tests.fakes import FakeClock

from airtable_connector.cli.copy_progress import Copied, Pace, shown_copy

pytestmark = pytest.mark.anyio

SECOND = timedelta(seconds=1)


def state(*listed: int, age: float | None = None, locked_out: float = 0.0) -> dict[str, object]:
    tables = [{"listed": count} for count in listed]
    return {"airtable": {"locked_out_seconds": locked_out, "mirror": {"tables": tables, "age_seconds": age}}}


def test_a_copy_is_whole_when_the_mirror_has_an_age() -> None:
    assert Copied.from_state(state(24, 100)) == Copied(124, is_whole=False)
    assert Copied.from_state(state(24, 300, age=0.0)) == Copied(324, is_whole=True)


async def test_the_pace_counts_from_the_first_records_that_were_seen() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    for records in (0, 0, 100, 500, 1_060):
        pace.saw(records)
        await clock.advance(SECOND)
    assert pace.a_second == 480
    assert pace.beside() == ", 480 a second of the 500 that Airtable allows"


async def test_a_copy_that_was_there_already_has_no_pace() -> None:
    clock = FakeClock()
    pace = Pace(clock)
    for _ in range(3):
        pace.saw(20_000)
        await clock.advance(SECOND)
    assert pace.beside() == ""


async def test_without_a_terminal_a_line_comes_every_five_seconds_and_names_a_lockout(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FakeClock()
    pace = Pace(clock)
    with shown_copy(20_000, clock=clock) as show:
        for second in range(12):
            copied = Copied(100 + second * 480, is_whole=False, locked_out=20 * SECOND if second > 9 else 0 * SECOND)
            pace.saw(copied.records)
            show(copied, pace)
            await clock.advance(SECOND)
    assert capsys.readouterr().out.splitlines() == [
        "copying: 2,500 of 20,000 records, 480 a second of the 500 that Airtable allows",
        "copying: 4,900 of 20,000 records, locked out for 20 s: somebody asked Airtable too often",
    ]
