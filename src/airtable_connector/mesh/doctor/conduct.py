"""Checks of everything that was said during the visit: its form, its headers, and what it gives away."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from airtable_connector.mesh.doctor.check import CONTRACT, HOUSE_RULES, HTTP, Check, Need
from airtable_connector.mesh.doctor.outcomes import Outcome, Severity, Skipped, verdict
from airtable_connector.mesh.doctor.replies import Answer, object_in, shown
from airtable_connector.mesh.doctor.shapes import ERROR, misshapen
from airtable_connector.mesh.doctor.visit import Visit

_CODES: Final = frozenset(
    {
        "INVALID_REQUEST",
        "UNAUTHORIZED",
        "FORBIDDEN",
        "NOT_FOUND",
        "RATE_LIMITED",
        "INTERNAL_ERROR",
        "DEPENDENCY_UNAVAILABLE",
        "CONFLICT",  # this one and the next were added by peers
        "TIMEOUT",
    }
)

_CODE_OF_STATUS: Final[Mapping[int, str]] = {
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    422: "INVALID_REQUEST",
    429: "RATE_LIMITED",
    503: "DEPENDENCY_UNAVAILABLE",
}

_SAFE_REFERRERS: Final = frozenset({"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"})

_SLIPS: Final[Mapping[str, re.Pattern[str]]] = {
    "a stack trace": re.compile(
        r"Traceback \(most recent call last\)|File \\?\"[^\"]{1,200}\", line \d"
        r"|\bat [\w.$<> ]{1,80} ?\([^)\s]{1,200}:\d+:\d+\)"
    ),
    "SQL": re.compile(
        r"\bselect\b[^\"]{1,200}\bfrom\b[^\"]{1,200}\bwhere\b|\binsert into \w|\bdelete from \w|\bupdate \w+ set \w"
        r"|\bsqlstate\b|violates [\w-]+ constraint|sqlite3?\.\w*error|psycopg|asyncpg",
        re.IGNORECASE,
    ),
    # not within an address: https://host/app/x is no path of the machine
    "a file path": re.compile(
        r"(?<![\w.:/-])/(?:home|root|usr|var|etc|opt|srv|tmp|app|Users)/[\w.-]|\b[A-Za-z]:\\\\\w"
    ),
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
}


# the form of errors


def _errors(visit: Visit) -> list[Answer]:
    return [answer for answer in visit.seen if answer.status >= 400]


async def some_error(visit: Visit) -> str | None:
    """Want an error among the answers."""
    return None if _errors(visit) else "no error was seen"


async def _errors_have_the_form(visit: Visit) -> Outcome:
    return verdict([complaint for answer in _errors(visit) if (complaint := _form_complaint(answer))])


def _form_complaint(answer: Answer) -> str | None:
    where = f"{answer.request} ({answer.status})"
    document = object_in(answer)
    if document is None:
        return f"{where} has no JSON object"
    complaints = misshapen(document, ERROR)
    return f"{where}: {complaints[0]}" if complaints else None


def _codes(visit: Visit) -> Iterable[tuple[Answer, object]]:
    for answer in _errors(visit):
        error = (object_in(answer) or {}).get("error")
        if isinstance(error, Mapping) and "code" in error:
            yield answer, error["code"]


async def _codes_are_known(visit: Visit) -> Outcome:
    strangers = [(answer, code) for answer, code in _codes(visit) if not isinstance(code, str) or code not in _CODES]
    return verdict([f"{answer.request} ({answer.status}) has code {shown(code)}" for answer, code in strangers])


async def _codes_fit(visit: Visit) -> Outcome:
    return verdict(
        [
            f"{answer.request} ({answer.status}) has code {shown(code)}, not {fitting}"
            for answer, code in _codes(visit)
            if code in _CODES and (fitting := _CODE_OF_STATUS.get(answer.status, code)) != code
        ]
    )


async def _names_methods(visit: Visit) -> Outcome:
    refused = [answer for answer in visit.seen if answer.status == 405]
    if not refused:
        return Skipped("no method was refused")
    return verdict([f"{answer.request} (405) has no Allow" for answer in refused if "allow" not in answer.headers])


# what every answer carries


async def encrypted(visit: Visit) -> str | None:
    """Want https, without which the header means nothing."""
    return None if visit.encrypted else "the droplet was asked over http"


def _carries(header: str, good: Callable[[str], bool]) -> Callable[[Visit], Awaitable[Outcome]]:
    async def run(visit: Visit) -> Outcome:
        return verdict(
            [
                f"{answer.request} ({answer.status}) has {header} {shown(answer.headers[header])}"
                if header in answer.headers
                else f"{answer.request} ({answer.status}) has no {header}"
                for answer in visit.seen
                if not good(answer.headers.get(header, ""))
            ]
        )

    return run


def _keeps_to_https(value: str) -> bool:
    found = re.search(r"max-age=\"?(\d{1,10})", value, re.IGNORECASE)
    return found is not None and int(found[1]) > 0


_HEADERS: Final[tuple[tuple[str, str, Callable[[str], bool], tuple[Need, ...]], ...]] = (
    ("header-nosniff", "x-content-type-options", lambda value: value.lower() == "nosniff", ()),
    ("header-frames", "x-frame-options", lambda value: value.upper() == "DENY", ()),
    (
        "header-csp",
        "content-security-policy",
        lambda value: re.search(r"default-src '(self|none)'", value) is not None,
        (),
    ),
    ("header-referrer", "referrer-policy", lambda value: value.lower() in _SAFE_REFERRERS, ()),
    ("header-hsts", "strict-transport-security", _keeps_to_https, (encrypted,)),
)

_WANTED: Final[Mapping[str, str]] = {
    "header-nosniff": "X-Content-Type-Options: nosniff",
    "header-frames": "X-Frame-Options: DENY",
    "header-csp": "a Content-Security-Policy with default-src 'self' or 'none'",
    "header-referrer": "a Referrer-Policy that keeps paths from strangers",
    "header-hsts": "Strict-Transport-Security, over https",
}


async def _echoes_the_trace(visit: Visit) -> Outcome:
    silent = [answer for answer in visit.seen if answer.headers.get("x-trace-id") != answer.trace_id]
    return verdict(
        [f"{answer.request} ({answer.status}) does not carry the X-Trace-ID it was asked with" for answer in silent]
    )


# what nobody must see


async def _keeps_its_secrets(visit: Visit) -> Outcome:
    complaints = []
    for answer in visit.seen:
        said = answer.body.decode("utf-8", errors="replace")
        gave_away = [what for what, pattern in _SLIPS.items() if pattern.search(said)]
        if visit.token_text and visit.token_text in said:
            gave_away.append("the token it was shown")
        complaints += [f"{answer.request} ({answer.status}) shows {what}" for what in gave_away]
    return verdict(complaints)


CONDUCT_CHECKS: Final[tuple[Check, ...]] = (
    Check(
        "error-form",
        "Every error seen is {status: error, error: {code, message, details}, timestamp}",
        CONTRACT,
        Severity.MUST,
        _errors_have_the_form,
        (some_error,),
    ),
    Check(
        "error-codes", "Every error's code is one of the list", CONTRACT, Severity.MUST, _codes_are_known, (some_error,)
    ),
    Check(
        "error-code-fits",
        "The code says the same as the HTTP status",
        CONTRACT,
        Severity.SHOULD,
        _codes_fit,
        (some_error,),
    ),
    Check("allow-named", "A refused method is answered with Allow", HTTP, Severity.SHOULD, _names_methods),
    Check(
        "no-leaks",
        "No answer shows a stack trace, SQL, a file path or a secret",
        HOUSE_RULES,
        Severity.MUST,
        _keeps_its_secrets,
    ),
    *(
        Check(name, f"Every answer carries {_WANTED[name]}", HOUSE_RULES, Severity.MUST, _carries(header, good), needs)
        for name, header, good, needs in _HEADERS
    ),
    Check(
        "trace-echoed",
        "Every answer carries the X-Trace-ID it was asked with",
        HOUSE_RULES,
        Severity.SHOULD,
        _echoes_the_trace,
    ),
)
