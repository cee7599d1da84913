from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airtable_connector.ops.census import uptime
from airtable_connector.ops.days import date_at, day_of, last_due, moment_on

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)
ZONES = ["UTC", "Europe/Berlin", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Auckland"]

dates = st.dates(date(2015, 1, 1), date(2035, 12, 31))
zones = st.sampled_from(ZONES).map(ZoneInfo)
times = st.times().map(lambda at: at.replace(microsecond=0))


# --- days -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 1, 5), 24)])
def test_a_day_is_as_long_as_its_clocks_say(day, hours):
    span = day_of(day, BERLIN)
    assert span.end - span.start == hours * HOUR


@given(dates, zones)
def test_days_follow_each_other_without_gap_and_a_moment_belongs_to_the_day_its_calendar_shows(day, zone):
    span = day_of(day, zone)
    assert span.end == day_of(day + timedelta(days=1), zone).start
    assert date_at(span.start, zone) == day
    assert date_at(span.end - timedelta(seconds=1), zone) == day
    assert date_at(span.end, zone) == day + timedelta(days=1)


def test_a_time_of_day_that_is_left_out_comes_an_hour_later_and_one_that_is_doubled_comes_first():
    assert moment_on(date(2026, 3, 29), time(2, 30), BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert moment_on(date(2026, 10, 25), time(2, 30), BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@given(dates, times, zones, st.timedeltas(timedelta(0), timedelta(hours=26)))
def test_the_last_due_date_is_the_last_one_whose_moment_has_come(day, at, zone, later):
    now = moment_on(day, at, zone) + later
    due = last_due(now, at, zone)
    assert moment_on(due, at, zone) <= now < moment_on(due + timedelta(days=1), at, zone)


def test_at_midnight_the_new_day_is_due():
    midnight = datetime(2026, 1, 5, 0, 0, tzinfo=UTC)
    assert last_due(midnight, time(0), ZoneInfo("UTC")) == date(2026, 1, 5)
    assert last_due(midnight - timedelta(milliseconds=1), time(0), ZoneInfo("UTC")) == date(2026, 1, 4)


# --- uptime -----------------------------------------------------------------------------------------------------

START = datetime(2026, 1, 5, tzinfo=UTC)
YESTERDAY = START - timedelta(hours=9)


def test_uptime_is_what_was_heard_of_what_was_expected():
    assert uptime([(YESTERDAY, 7200.0), (YESTERDAY, 3600.0)], START, START + 2 * HOUR) == 75.0


def test_a_cell_is_expected_from_the_end_of_its_first_hour():
    assert uptime([(START + HOUR, 3600.0)], START, START + 3 * HOUR) == 100.0
    assert uptime([(START + 2 * HOUR, 0.0)], START, START + 3 * HOUR) is None


def test_a_cell_cannot_make_up_for_another():
    assert uptime([(YESTERDAY, 9999.0), (YESTERDAY, 0.0)], START, START + HOUR) == 50.0


def test_without_cells_there_is_no_uptime():
    assert uptime([], START, START + HOUR) is None
