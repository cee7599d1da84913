"""Answers that sum up: hourly load of cells, the Dashboard's overview, the daily digest."""

import base64
import binascii
import contextlib
import re
from datetime import date, datetime, timedelta
from typing import Final

import orjson

from airtable_connector.kernel.clock import Clock, parse_iso
from airtable_connector.ops import DailyDigest, Dashboard, HourPosition, Rollups
from airtable_connector.records import Actor, InvalidOffset
from airtable_connector.web.domain.envelopes import Envelopes
from airtable_connector.web.domain.errors import InvalidBody, InvalidMember, InvalidParameter, UnknownParameter
from airtable_connector.web.domain.listing import read_count
from airtable_connector.web.http import Answer, Call

LARGEST_ROLLUP: Final = 1_000
"""Rows of hourly load in one answer."""

USUAL_SPAN: Final = timedelta(days=1)
"""How far back hourly load is shown when nobody says."""

ROLLUP_PARAMETERS: Final = ("cell", "since", "until", "limit", "offset")

LONGEST_OFFSET: Final = 2_000

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


class OverviewEndpoints:
    """HTTP endpoints over what ``ops`` sums up."""

    def __init__(
        self, *, rollups: Rollups, digest: DailyDigest, dashboard: Dashboard, envelopes: Envelopes, clock: Clock
    ) -> None:
        self._rollups = rollups
        self._digest = digest
        self._dashboard = dashboard
        self._envelopes = envelopes
        self._clock = clock

    async def rollup(self, call: Call) -> Answer:
        """Answer ``GET /heartbeats/rollup?cell=&since=&until=&limit=&offset=``: load of cells by the UTC hour.

        Without ``since`` the last day is shown.
        """
        cell, limit, after = None, LARGEST_ROLLUP, None
        until = self._clock.now()
        since = until - USUAL_SPAN
        for name, value in call.query:
            match name:
                case "cell":
                    cell = _read_name(value)
                case "since":
                    since = _read_moment(name, value)
                case "until":
                    until = _read_moment(name, value)
                case "limit":
                    limit = read_count(name, value, most=LARGEST_ROLLUP)
                case "offset":
                    after = _read_position(value)
                case _:
                    raise UnknownParameter(name, ROLLUP_PARAMETERS)
        page = await self._rollups.page(cell=cell, since=since, until=until, count=limit, after=after)
        data: dict[str, object] = {"rollups": page.rows}
        if page.next is not None:
            data["offset"] = _write_position(page.next)
        return Answer(200, self._envelopes.data(orjson.dumps(data)))

    async def dashboard(self, call: Call) -> Answer:
        """Answer ``GET /dashboard``: droplets and their sum, in ``data`` and, as the Dashboard reads it, beside it."""
        for name, _ in call.query:
            raise UnknownParameter(name, ())
        shown = orjson.dumps(await self._dashboard.show())
        return Answer(200, self._envelopes.data(shown, beside=b"," + shown[1:-1]))

    async def write_digest(self, call: Call) -> Answer:
        """Answer ``POST /daily-digest`` ``{"date"?: "YYYY-MM-DD"}``: count and write the day's row, and show it.

        Without a body, or with an empty object, the present day is taken. However often it runs, a date has one row.
        """
        day = await self._read_day(call)
        digest = await self._digest.write(day, Actor(call.caller.droplet, call.trace_id))
        table, record = digest.written.table, digest.written.record
        assert table is not None
        assert record is not None
        data = b'{"records":[' + table.encode(record) + b"]}"
        beside = b',"summary":' + orjson.dumps(digest.summary)
        position = (b"x-feed-position", b"%d" % digest.seq)
        return Answer(200, self._envelopes.data(data, beside=beside), (position,))

    async def _read_day(self, call: Call) -> date:
        if not call.has_body():
            return self._digest.today()
        body = await call.json()
        if not isinstance(body, dict):
            raise InvalidBody("no object", expected='{"date"?: "YYYY-MM-DD"}')
        for name in body:
            if name != "date":
                raise UnknownParameter(name, ("date",))
        day = body.get("date")
        return self._digest.today() if day is None else read_date(day)


def _read_name(text: str) -> str:
    if not 0 < len(text) <= 255 or "\x00" in text:
        raise InvalidParameter("cell", allowed="a Cell_ID of 1 to 255 characters")
    return text


def read_date(value: object) -> date:
    """Read a day as ``YYYY-MM-DD``, or raise `InvalidMember`."""
    if isinstance(value, str) and _DATE.fullmatch(value):
        with contextlib.suppress(ValueError):
            day = date.fromisoformat(value)
            # in some time zone the first and the last of all days begin or end outside of the calendar
            if date.min < day < date.max:
                return day
    raise InvalidMember("date", expected="a day as YYYY-MM-DD")


def _read_moment(name: str, text: str) -> datetime:
    try:
        return parse_iso(text)
    except (ValueError, OverflowError) as cause:
        raise InvalidParameter(name, allowed="a moment as ISO 8601 (2026-01-31T12:00:00Z)") from cause


def _write_position(position: HourPosition) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(position))).decode().rstrip("=")


def _read_position(text: str) -> HourPosition:
    try:
        parts = orjson.loads(base64.urlsafe_b64decode((text + "=" * (-len(text) % 4)).encode("ascii")))
    except (ValueError, binascii.Error) as cause:
        raise InvalidOffset from cause
    fits = isinstance(parts, list) and len(parts) == 2 and len(text) <= LONGEST_OFFSET
    if not fits or not all(isinstance(part, str) and "\x00" not in part for part in parts):
        raise InvalidOffset
    return HourPosition(*parts)
