"""Checks of what the endpoints say when they are asked properly."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final

from airtable_connector.kernel.clock import parse_iso
from airtable_connector.mesh.doctor.check import CONTRACT, SETTLED, Check, Need, token
from airtable_connector.mesh.doctor.judging import object_complaints
from airtable_connector.mesh.doctor.outcomes import Failed, Held, Outcome, Severity, Skipped, verdict
from airtable_connector.mesh.doctor.replies import NoAnswer, object_in, shown
from airtable_connector.mesh.doctor.shapes import (
    CAPABILITIES,
    DEPENDENCIES,
    HEALTH,
    STATE,
    VERSION,
    Shape,
    misshapen,
    moment,
)
from airtable_connector.mesh.doctor.visit import Showing, Visit

SHAPES: Final[Mapping[str, Shape]] = {
    "/health": HEALTH,
    "/capabilities": CAPABILITIES,
    "/state": STATE,
    "/dependencies": DEPENDENCIES,
    "/version": VERSION,
}
"""What each path answers to GET."""

_FAST_MS: Final = 500
_TIMES_ASKED: Final = 5

_GROWING: Final = ("uptime_seconds", "requests_total")
_SLACK_S: Final = 2.0  # a droplet may count whole seconds, and may round them


async def _is_reachable(visit: Visit) -> Outcome:
    reply = await visit.first("/health")
    return Failed(reply.why) if isinstance(reply, NoAnswer) else Held()


def _answers(path: str) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        return verdict(object_complaints(await visit.first(path)))

    return run


def _has_its_shape(path: str, shape: Shape) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        reply = await visit.first(path)
        document = object_in(reply)
        if document is None or object_complaints(reply):
            return Skipped(f"GET {path} did not answer 200 with a JSON object")
        return verdict(misshapen(document, shape))

    return run


async def _is_fast(visit: Visit) -> Outcome:
    took = []
    for _ in range(_TIMES_ASKED):
        reply = await visit.ask("GET", "/health", showing=Showing.NOTHING)
        if isinstance(reply, NoAnswer):
            return Failed(f"{reply.request}: {reply.why}")
        took.append(reply.took / timedelta(milliseconds=1))
    middle = sorted(took)[_TIMES_ASKED // 2]
    if middle < _FAST_MS:
        return Held()
    return Failed(f"the median of {_TIMES_ASKED} answers took {middle:.0f} ms, not under {_FAST_MS}")


async def _grows_plausibly(visit: Visit) -> Outcome:
    began = visit.clock.monotonic()
    first = object_in(await visit.ask("GET", "/state"))
    second = object_in(await visit.ask("GET", "/state"))
    if first is None or second is None or misshapen(first, STATE) or misshapen(second, STATE):
        return Skipped("GET /state did not give its numbers twice")
    complaints = [
        f"{name} fell from {shown(first[name])} to {shown(second[name])}"
        for name in _GROWING
        if _number(second[name]) < _number(first[name])
    ]
    grown = _number(second["uptime_seconds"]) - _number(first["uptime_seconds"])
    passed = visit.clock.monotonic() - began
    if grown > passed + _SLACK_S:
        complaints.append(f"uptime_seconds grew by {grown:.1f} in {passed:.1f} s")
    if abs((parse_iso(str(second["last_restart"])) - parse_iso(str(first["last_restart"]))).total_seconds()) > _SLACK_S:
        complaints.append("last_restart moved, although it did not restart")
    return verdict(complaints)


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return value


async def _tell_the_time(visit: Visit) -> Outcome:
    documents = {path: object_in(await visit.first(path)) for path in SHAPES if path != "/health"}
    told = {path: document.get("timestamp") for path, document in documents.items() if document is not None}
    if not told:
        return Skipped("no endpoint answered with a JSON object")
    return verdict([f"GET {path} has no timestamp in ISO 8601" for path, time in told.items() if moment(time)])


def _of_path(path: str, shape: Shape) -> tuple[Check, Check]:
    name, needs = path.removeprefix("/"), _needs(path)
    without = ", without a token" if path == "/health" else ""
    return (
        Check(
            f"{name}-answers",
            f"GET {path} answers 200 with a JSON object{without}",
            CONTRACT,
            Severity.MUST,
            _answers(path),
            needs,
        ),
        Check(
            f"{name}-shape",
            f"It says {', '.join(each.name for each in shape)}, each of its kind",
            CONTRACT,
            Severity.MUST,
            _has_its_shape(path, shape),
            needs,
        ),
    )


def _needs(path: str) -> tuple[Need, ...]:
    return () if path == "/health" else (token,)


REACHABLE: Final = Check("reachable", "The droplet answers at its address", CONTRACT, Severity.MUST, _is_reachable)

ENDPOINT_CHECKS: Final[tuple[Check, ...]] = (
    *(check for path, shape in SHAPES.items() for check in _of_path(path, shape)),
    Check(
        "health-fast",
        "GET /health answers in less than 500 ms, in the median of five",
        CONTRACT,
        Severity.MUST,
        _is_fast,
    ),
    Check(
        "state-plausible",
        "Between two reads of /state, uptime, requests and the last restart go on as they must",
        CONTRACT,
        Severity.MUST,
        _grows_plausibly,
        (token,),
    ),
    Check(
        "timestamps",
        "Every answer to a caller that is known carries a timestamp",
        SETTLED,
        Severity.SHOULD,
        _tell_the_time,
        (token,),
    ),
)
