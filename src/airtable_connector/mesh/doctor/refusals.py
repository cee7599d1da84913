"""Checks that strangers, wrong methods and unknown paths are refused."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from airtable_connector.mesh.doctor.check import CONTRACT, Check, token, writing
from airtable_connector.mesh.doctor.judging import UNKNOWN_CALLER, exactly, status_complaints
from airtable_connector.mesh.doctor.outcomes import Outcome, Severity, verdict
from airtable_connector.mesh.doctor.visit import Showing, Visit

_NO_SUCH_PATH: Final = "/no-such-path-of-this-droplet"


@dataclass(frozen=True)
class _Guarded:
    """An endpoint that wants a token. Its body is refused as well, so that a missing guard does no harm."""

    method: str
    path: str

    @property
    def body(self) -> bytes | None:
        return b"{}" if self.method == "POST" else None


_GUARDED: Final = (
    _Guarded("GET", "/capabilities"),
    _Guarded("GET", "/state"),
    _Guarded("GET", "/dependencies"),
    _Guarded("GET", "/version"),
    _Guarded("POST", "/message"),
    _Guarded("POST", "/send"),
)


def _refuses(endpoint: _Guarded, showing: Showing) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        reply = await visit.ask(endpoint.method, endpoint.path, showing=showing, body=endpoint.body)
        return verdict(status_complaints(reply, UNKNOWN_CALLER.__contains__, wanted="401 or 403"))

    return run


def _refuses_method(path: str) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        return verdict(status_complaints(await visit.ask("DELETE", path), exactly(405), wanted="405"))

    return run


async def _knows_no_such_path(visit: Visit) -> Outcome:
    return verdict(status_complaints(await visit.ask("GET", _NO_SUCH_PATH), exactly(404), wanted="404"))


def _of_endpoint(endpoint: _Guarded) -> tuple[Check, ...]:
    name, what = endpoint.path.removeprefix("/"), f"{endpoint.method} {endpoint.path}"
    return (
        Check(
            f"{name}-no-token",
            f"{what} without a token is refused with 401 or 403",
            CONTRACT,
            Severity.MUST,
            _refuses(endpoint, Showing.NOTHING),
        ),
        Check(
            f"{name}-broken-token",
            f"{what} with a token that nobody signed is refused with 401 or 403",
            CONTRACT,
            Severity.MUST,
            _refuses(endpoint, Showing.BROKEN_TOKEN),
        ),
        Check(
            f"{name}-method",
            f"DELETE {endpoint.path} is refused with 405",
            CONTRACT,
            Severity.MUST,
            _refuses_method(endpoint.path),
            (writing,),
        ),
    )


REFUSAL_CHECKS: Final[tuple[Check, ...]] = (
    *(check for endpoint in _GUARDED for check in _of_endpoint(endpoint)),
    Check(
        "health-method", "DELETE /health is refused with 405", CONTRACT, Severity.MUST, _refuses_method("/health"),
        (writing,),
    ),
    Check(
        "unknown-path", "A path that does not exist answers 404", CONTRACT, Severity.MUST, _knows_no_such_path,
        (token,),
    ),
)  # fmt: skip
