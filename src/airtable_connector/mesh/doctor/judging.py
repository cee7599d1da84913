"""Judging answers: pure functions from a reply to what there is to complain about."""

from collections.abc import Callable
from typing import Final

from airtable_connector.mesh.doctor.replies import NoAnswer, Reply, object_in

_TOO_MANY: Final = 429

UNKNOWN_CALLER: Final = frozenset({401, 403})

BAD_REQUEST: Final = frozenset(range(400, 500)) - {401, 403, 404, 405, _TOO_MANY}
"""How a body may be refused. 404 and 405 are not among them: a missing endpoint would refuse everything."""


def status_complaints(reply: Reply, good: Callable[[int], bool], *, wanted: str) -> list[str]:
    """Complain when nothing came, or an answer with another status; ``wanted`` names the good ones."""
    if isinstance(reply, NoAnswer):
        return [f"{reply.request}: {reply.why}"]
    if good(reply.status):
        return []
    if reply.status == _TOO_MANY:
        return [f"{reply.request} answered 429: it takes no more requests now, so examine it again later"]
    hint = "; a redirect is not followed" if 300 <= reply.status < 400 else ""
    return [f"{reply.request} answered {reply.status}, not {wanted}{hint}"]


def exactly(status: int) -> Callable[[int], bool]:
    """Accept one status only."""
    return lambda seen: seen == status


def content_complaints(reply: Reply) -> list[str]:
    """Complain when an answer is not a JSON object, or is not called one."""
    if isinstance(reply, NoAnswer):
        return []  # the status was complained about
    media_type = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    complaints = []
    if media_type != "application/json":
        complaints.append(f"{reply.request} is not application/json")
    if reply.unread is not None:
        complaints.append(f"{reply.request} gave an answer that {reply.unread}")
    elif object_in(reply) is None:
        complaints.append(f"{reply.request} gave no JSON object")
    return complaints


def object_complaints(reply: Reply) -> list[str]:
    """Complain when an answer is not 200 with a JSON object."""
    return status_complaints(reply, exactly(200), wanted="200") or content_complaints(reply)
