"""What can be wrong with a request before any dialect sees it, as leaves of the kernel's families."""

from collections.abc import Iterable
from datetime import timedelta

from airtable_connector.kernel.errors import (
    Forbidden,
    Invalid,
    LimitReached,
    NotFound,
    Unauthenticated,
    Unavailable,
)


class ClientGone(Exception):
    """The caller closed the connection before it was answered."""


class RouteUnknown(NotFound):
    """Nothing answers at this path."""

    code = "route-unknown"

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing answers at {path[:80]!r}", hint="/openapi.json lists the paths")


class MethodNotAllowed(Invalid):
    """The path exists, but not for this method."""

    code = "method-not-allowed"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{method[:16]} is not possible here", hint=f"allowed: {self.allowed}")


class TooManyHeaders(Invalid):
    """The request's headers are more or longer than we read."""

    code = "too-many-headers"

    def __init__(self, *, most: int, longest: int) -> None:
        super().__init__(
            "the request's headers are too many or too long",
            hint=f"send at most {most} headers of {longest} bytes in all",
            facts={"most": most, "bytes": longest},
        )


class DoubledHeader(Invalid):
    """A header that may stand once stands twice, so that two readers could read two things."""

    code = "doubled-header"

    def __init__(self, name: str) -> None:
        super().__init__(f"the header {name} stands more than once", field=name, hint="send it once")


class AddressTooLong(Invalid):
    """The path or the query is longer than we read."""

    code = "address-too-long"

    def __init__(self, part: str, *, longest: int) -> None:
        super().__init__(f"the {part} is longer than {longest} bytes", field=part, facts={"bytes": longest})


class TooManyParameters(Invalid):
    """The query has more parameters than we read."""

    code = "too-many-parameters"

    def __init__(self, *, most: int) -> None:
        super().__init__(f"the query has more than {most} parameters", field="query", facts={"most": most})


class MalformedQuery(Invalid):
    """The query is no percent-encoded UTF-8."""

    code = "malformed-query"

    def __init__(self) -> None:
        super().__init__("the query is not percent-encoded UTF-8", field="query", hint="encode each name and value")


class BodyTooLarge(Invalid):
    """The body is larger than this path takes."""

    code = "body-too-large"

    def __init__(self, *, most: int) -> None:
        super().__init__(
            f"the body is larger than {most} bytes",
            field="body",
            hint="split the request into smaller ones",
            facts={"bytes": most},
        )


class BodyTooSlow(Invalid):
    """The body did not arrive in time."""

    code = "body-too-slow"

    def __init__(self, waited: timedelta) -> None:
        super().__init__(
            f"the body did not arrive within {waited.total_seconds():g} s", field="body", hint="repeat the request"
        )


class NotJson(Invalid):
    """The body is declared as something other than JSON."""

    code = "not-json"

    def __init__(self) -> None:
        super().__init__(
            "the body is not declared as JSON",
            field="Content-Type",
            hint="send Content-Type: application/json (UTF-8)",
        )


class MalformedJson(Invalid):
    """The body is not JSON."""

    code = "malformed-json"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the body is not JSON: {reason}", field="body", hint="send UTF-8 JSON, as RFC 8259 says")


class NestedTooDeeply(Invalid):
    """The body's lists and objects stand too deep in each other."""

    code = "nested-too-deeply"

    def __init__(self, *, most: int) -> None:
        super().__init__(
            f"the body is nested deeper than {most} levels",
            field="body",
            hint="send flatter JSON",
            facts={"levels": most},
        )


class EmptyBody(Invalid):
    """A body is needed and there is none."""

    code = "empty-body"

    def __init__(self) -> None:
        super().__init__("the request has no body", field="body", hint="send a JSON body")


class MalformedRequest(Invalid):
    """The request does not have the shape that the route declares."""

    code = "malformed-request"


class HttpsRequired(Forbidden):
    """The request came in plain text."""

    code = "https-required"

    def __init__(self) -> None:
        super().__init__(
            "https required",
            hint="use the https address; a proxy in front must be in TRUSTED_PROXIES and send X-Forwarded-Proto",
        )


class OriginNotAllowed(Forbidden):
    """A browser's page of a foreign origin asks to call us."""

    code = "origin-not-allowed"

    def __init__(self) -> None:
        super().__init__("pages of this origin may not call", field="Origin", hint="add the origin to ALLOWED_ORIGINS")


class MissingPermission(Forbidden):
    """The caller is known but may not do this."""

    code = "missing-permission"

    def __init__(self, needed: str, held: Iterable[str]) -> None:
        self.needed = needed
        names = sorted(held)
        has = ", ".join(names) if names else "none"
        super().__init__(
            f"this needs the permission {needed}; the caller has {has}",
            hint=f"use a token whose permissions include {needed}",
            facts={"needed": needed, "held": names},
        )


class UnknownScheme(Unauthenticated):
    """The Authorization header is there, but is no bearer token."""

    code = "unknown-scheme"

    def __init__(self) -> None:
        super().__init__(
            "the Authorization header is not a bearer token",
            field="Authorization",
            hint="send Authorization: Bearer <token>",
        )


class RequestsTooOften(LimitReached):
    """The caller's requests of the minute are used up."""

    code = "requests-too-often"

    def __init__(self, *, per_minute: int, retry_after: timedelta) -> None:
        super().__init__(
            f"more than {per_minute} requests a minute",
            retry_after=retry_after,
            hint="wait for Retry-After; the RateLimit header tells what is left",
            facts={"per_minute": per_minute},
        )


class RefusedTooOften(LimitReached):
    """Too many bad tokens came from this address; it is not listened to for a while."""

    code = "refused-too-often"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__(
            "too many bad tokens came from this address",
            retry_after=retry_after,
            field="Authorization",
            hint="wait for Retry-After, then use a valid token",
        )


class Overloaded(Unavailable):
    """More requests are at work than we take at once."""

    code = "overloaded"

    def __init__(self) -> None:
        super().__init__(
            "too many requests are at work; nothing was changed",
            retry_after=timedelta(seconds=1),
            hint="repeat it after a pause",
        )


class StalenessMalformed(Invalid):
    """How old an answer may be is no number of seconds."""

    code = "staleness-malformed"

    def __init__(self, name: str) -> None:
        super().__init__(f"the value of {name} is not valid", field=name, hint="allowed: seconds, such as 0, 2.5 or 60")


class TooStale(Unavailable):
    """Reads did not become as fresh as the caller wants them."""

    code = "too-stale"

    def __init__(self, wanted: timedelta, age: timedelta | None) -> None:
        shown = "of unknown age" if age is None else f"{age.total_seconds():.3f} s old"
        super().__init__(
            f"reads are {shown}, and {wanted.total_seconds():g} s were asked for",
            retry_after=timedelta(seconds=1),
            field="max_staleness",
            hint="repeat, or allow more; without max_staleness reads are answered as they are",
            facts={} if age is None else {"age": age.total_seconds()},
        )


class MalformedPreference(Invalid):
    """How long a writer wants to wait is no number of seconds."""

    code = "malformed-preference"

    def __init__(self, most: int) -> None:
        super().__init__(
            "the time to wait is not valid", field="Prefer", hint=f"send Prefer: wait=N with whole seconds up to {most}"
        )


class RefusedUpstream(Invalid):
    """Airtable has refused a write that was taken here, so that it is undone here; ``type`` is Airtable's."""

    code = "refused-upstream"

    def __init__(self, kind: str, said: str, *, receipt: str | None, index: int | None, others: int) -> None:
        rest = f"; the other {others} of the request went through" if others else ""
        facts: dict[str, object] = {"airtable_type": kind, "receipt": receipt}
        if index is not None:
            facts["index"] = index
        super().__init__(
            f"Airtable refused it: {said}{rest}",
            hint=f"GET /receipts/{receipt} tells what became of each record",
            facts=facts,
        )
        self.type, self.said = kind, said
