from datetime import UTC, datetime, timedelta, timezone

import pytest

from airtable_connector.airtable import Month


@pytest.mark.parametrize(
    ("moment", "month", "ends"),
    [
        (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), Month(2026, 1), datetime(2026, 2, 1, tzinfo=UTC)),
        (datetime(2026, 12, 1, tzinfo=UTC), Month(2026, 12), datetime(2027, 1, 1, tzinfo=UTC)),
        (
            datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2))),
            Month(2026, 2),
            datetime(2026, 3, 1, tzinfo=UTC),
        ),
    ],
)
def test_a_month_begins_and_ends_in_utc(moment: datetime, month: Month, ends: datetime) -> None:
    assert Month.of(moment) == month
    assert month.ends == ends
