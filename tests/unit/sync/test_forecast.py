from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.sync.budget.forecast import forecast
from airtable_connector.sync.budget.policy import Standing

NOON = datetime(2026, 4, 16, 12, tzinfo=UTC)
TODAY = NOON.date()


def standing(calls: int, *, allowance: int | None = 1_000, at: datetime = NOON, spent: bool = False) -> Standing:
    return Standing(allowance, 0.25, calls, spent, at)


def days_back(*calls: int) -> dict[date, int]:
    """Today's calls first, then yesterday's, and so on."""
    return {TODAY - timedelta(days=back): count for back, count in enumerate(calls)}


def test_the_last_seven_days_go_on_until_the_month_ends() -> None:
    coming = forecast(standing(100), days_back(10, 20, 20, 20, 20, 20, 20, 5_000))
    assert coming.calls == 100 + 20 * 14.5  # 130 calls in 6.5 days, and half of April's 16th is still to come
    assert coming.runs_out is None


def test_it_tells_when_the_calls_run_out() -> None:
    coming = forecast(standing(900), days_back(10, 20, 20, 20, 20, 20, 20))
    assert coming.runs_out == NOON + timedelta(days=5)


def test_a_base_that_was_connected_today_is_judged_by_today() -> None:
    assert forecast(standing(60), days_back(60)).calls == 60 + 120 * 14.5


def test_an_hour_is_the_shortest_time_that_a_rate_is_taken_from() -> None:
    just_begun = datetime(2026, 4, 16, 0, 0, 1, tzinfo=UTC)
    assert forecast(standing(2, at=just_begun), days_back(2)).calls == 2 + round(48 * (15 - 1 / 86_400))


def test_without_calls_nothing_is_foreseen() -> None:
    assert forecast(standing(7), {}) == forecast(standing(7), {TODAY: 0})
    assert (forecast(standing(7), {}).calls, forecast(standing(7), {}).runs_out) == (7, None)


def test_calls_that_are_used_up_ran_out_by_now() -> None:
    assert forecast(standing(1_000), days_back(10)).runs_out == NOON
    assert forecast(standing(3, spent=True), {}).runs_out == NOON


def test_calls_that_are_not_counted_never_run_out() -> None:
    assert forecast(standing(10**9, allowance=None), days_back(10**8)).runs_out is None


@given(st.integers(0, 2_000), st.lists(st.integers(0, 1_000), max_size=10))
def test_it_never_foresees_fewer_calls_than_there_were(calls: int, days: list[int]) -> None:
    coming = forecast(standing(calls), days_back(*days))
    assert coming.calls >= calls
    assert (coming.runs_out is None) == (calls < 1_000 and coming.calls <= 1_000)
    assert coming.runs_out is None or NOON <= coming.runs_out <= datetime(2026, 5, 1, tzinfo=UTC)
