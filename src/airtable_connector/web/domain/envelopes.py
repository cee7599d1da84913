"""Answers of the domain API: ``{"status":"success","data":…,"timestamp":…}`` as bytes.

Lists also carry ``records`` and ``offset`` at the top level, because the Dashboard reads them there (a setting turns
that off).
"""

from collections.abc import Sequence
from typing import Final

import orjson

from airtable_connector.kernel.clock import Clock

STATUS: Final = b'{"status":"success","data":'


class Envelopes:
    """Puts data into the success form."""

    def __init__(self, clock: Clock, *, records_alias: bool) -> None:
        self._clock = clock
        self._alias = records_alias

    def data(self, data: bytes, *, warnings: Sequence[str] = (), beside: bytes = b"") -> bytes:
        """Wrap JSON bytes; ``beside`` are further top-level members, each with a comma in front."""
        return b"".join((STATUS, data, _shown(warnings), beside, self._end()))

    def records(self, blobs: Sequence[bytes], *, offset: str | None = None, warnings: Sequence[str] = ()) -> bytes:
        """Wrap records that are JSON bytes already."""
        joined = b",".join(blobs)
        close = b"]" if offset is None else b'],"offset":"%b"' % offset.encode()
        # the members of data stand at the top level again; joining once is what keeps a list of hundreds cheap
        again = (b',"records":[', joined, close) if self._alias else ()
        return b"".join((STATUS, b'{"records":[', joined, close, b"}", _shown(warnings), *again, self._end()))

    def _end(self) -> bytes:
        # orjson writes a moment ten times as fast as Python does; whole seconds it writes without a fraction
        text = orjson.dumps(self._clock.now(), option=orjson.OPT_UTC_Z)
        moment = text[:24] if len(text) > 24 else text[:20] + b".000"
        return b',"timestamp":%bZ"}' % moment


def _shown(warnings: Sequence[str]) -> bytes:
    return b',"warnings":' + orjson.dumps(list(warnings)) if warnings else b""
