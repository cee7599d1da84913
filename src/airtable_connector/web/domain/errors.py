"""What can be wrong with a domain request, as leaves of the kernel's families."""

from collections.abc import Iterable
from datetime import timedelta

from airtable_connector.kernel.errors import Forbidden, Invalid, NotFound, Unavailable
from airtable_connector.kernel.suggest import did_you_mean


class UnknownParameter(Invalid):
    """A query parameter is neither an option nor a field."""

    code = "unknown-parameter"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"{name[:80]!r} is neither a parameter nor a field here", field=name[:80], hint=did_you_mean(name, known)
        )


class NoBudget(NotFound):
    """The base is kept here alone: there are no calls to Airtable to tell of."""

    code = "no-budget"

    def __init__(self) -> None:
        super().__init__(
            "this base is kept here alone, and no calls are made to Airtable",
            hint="a budget is there once AIRTABLE_API_KEY and BASE_ID name a base at Airtable",
        )


class NotMirrored(NotFound):
    """The base is kept here alone: nothing is on its way to Airtable, and nothing comes from there."""

    code = "not-mirrored"

    def __init__(self) -> None:
        super().__init__(
            "this base is kept here alone; its writes are done when they are answered",
            hint="there is something here once AIRTABLE_API_KEY and BASE_ID name a base at Airtable",
        )


class InvalidParameter(Invalid):
    """A query parameter's value is not one of those that are allowed."""

    code = "invalid-parameter"

    def __init__(self, name: str, *, allowed: str) -> None:
        super().__init__(f"the value of {name} is not valid", field=name, hint=f"allowed: {allowed}")


class InvalidBody(Invalid):
    """The body is JSON of another shape."""

    code = "invalid-body"

    def __init__(self, got: str, *, expected: str) -> None:
        super().__init__(f"the body is {got}", field="body", hint=f"expected: {expected}")


class InvalidMember(Invalid):
    """A member of the body is missing or of the wrong kind."""

    code = "invalid-member"

    def __init__(self, name: str, *, expected: str) -> None:
        super().__init__(f"{name} is missing or is not {expected}", field=name, hint=f"send {name} as {expected}")


class TooManyRecords(Invalid):
    """More records in one request than are taken at once."""

    code = "too-many-records"

    def __init__(self, sent: int, most: int) -> None:
        super().__init__(
            f"{sent} records in one request",
            field="body",
            hint=f"send 1 to {most} records at a time",
            facts={"most": most},
        )


class InvalidHeader(Invalid):
    """A header's value cannot be used."""

    code = "invalid-header"

    def __init__(self, name: str, *, expected: str) -> None:
        super().__init__(f"the header {name} is not usable", field=name, hint=f"send {expected}")


class NotInProduction(Forbidden):
    """Sample data is for laptops and tests."""

    code = "not-in-production"

    def __init__(self) -> None:
        super().__init__(
            "sample data is refused in production; nothing was changed",
            hint="use the tables' own paths, or set ENVIRONMENT=development on a test system",
        )


class TooManyStreams(Unavailable):
    """More event streams are open than the connector keeps."""

    code = "too-many-streams"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} event streams are open already",
            retry_after=timedelta(seconds=30),
            hint="share one stream, or pull from /changes",
        )
