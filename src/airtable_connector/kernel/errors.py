"""The seven families of trouble; leaves live in the rooms.

A leaf has a stable ``code`` (kebab-case, unique in the project, listed in ``docs/errors.md``) and carries facts.
Only ``web`` turns families into HTTP numbers. An exception outside these families is a bug.

``field`` names the input that was wrong, ``hint`` says what to do; both reach the caller. Never put a secret,
a path, SQL or a cell's content into a message.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar


class ConnectorError(Exception):
    """Anything that goes wrong in a way we foresaw."""

    code: ClassVar[str] = "error"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        hint: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        self.facts: Mapping[str, object] = facts or {}


class NotFound(ConnectorError):
    """What was named does not exist."""

    code = "not-found"


class Conflict(ConnectorError):
    """The state of things does not allow it."""

    code = "conflict"


class Invalid(ConnectorError):
    """The input is wrong; the same input will be wrong again."""

    code = "invalid"


class Unauthenticated(ConnectorError):
    """The caller did not say, or could not prove, who they are."""

    code = "unauthenticated"


class Forbidden(ConnectorError):
    """The caller is known and may not do this."""

    code = "forbidden"


class _Temporary(ConnectorError):
    """A refusal that time may lift."""

    def __init__(
        self,
        message: str,
        *,
        retry_after: timedelta,
        field: str | None = None,
        hint: str | None = None,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message, field=field, hint=hint, facts=facts)
        self.retry_after = retry_after


class LimitReached(_Temporary):
    """The caller asked for more than they are given."""

    code = "limit-reached"


class Unavailable(_Temporary):
    """Something that is needed does not answer; nothing was changed unless the message says otherwise."""

    code = "unavailable"
