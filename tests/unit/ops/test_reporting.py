import json

import pytest

from airtable_connector.kernel.clock import SystemClock
from airtable_connector.mesh import PeerBack, PeerLost, TaskCrashed
from airtable_connector.ops import LogForm, Metrics, Reporter, configure_logging


@pytest.mark.parametrize(
    ("fact", "level"),
    [
        (PeerLost("registry", "nobody listens at its address"), "warning"),
        (PeerBack("registry", None), "info"),
        (TaskCrashed(7, "digest", KeyError("date")), "error"),
    ],
)
def test_how_loud_a_fact_is_said(fact, level: str) -> None:
    lines: list[bytes] = []
    logs = configure_logging("info", LogForm.JSON, lines.append, clock=SystemClock())
    Reporter(logs, Metrics()).saw(fact)
    logs.close()
    (line,) = map(json.loads, b"".join(lines).splitlines())
    assert line["level"] == level
    assert isinstance(fact, TaskCrashed) == ("KeyError" in line.get("exception", ""))
