"""What goes wrong between us and Airtable, as leaves of the kernel's families.

Airtable's own words may quote a cell, so no message here repeats them; an error's type names no content and is shown.
"""

from datetime import timedelta

from airtable_connector.kernel.errors import Conflict, Invalid, LimitReached, Unavailable

SHOWN = 80
"""Characters of a text of Airtable's in a message."""


class CloudDenied(Unavailable):
    """Airtable does not let our key do this, or does not show it what was named. Nothing was changed."""

    code = "cloud-denied"

    def __init__(self, kind: str, *, retry_after: timedelta) -> None:
        super().__init__(
            f"Airtable refused the connector's own key ({kind[:SHOWN]})",
            retry_after=retry_after,
            hint="give the key access to the base, with scopes to read and write records and schema and to manage"
            " webhooks, or correct the base's id",
            facts={"type": kind[:SHOWN]},
        )


class CloudRefused(Invalid):
    """Airtable refused what was asked; asked again, it will refuse again. Nothing was changed."""

    code = "cloud-refused"

    def __init__(self, kind: str) -> None:
        super().__init__(
            f"Airtable refused the request ({kind[:SHOWN]})",
            hint="compare what was sent with the base's fields; Airtable's own words are with the outcome",
            facts={"type": kind[:SHOWN]},
        )


class CloudUnavailable(Unavailable):
    """Airtable was not reached, or did not take the request; nothing was changed, and it may be repeated."""

    code = "cloud-unavailable"

    def __init__(self, why: str, *, retry_after: timedelta) -> None:
        super().__init__(
            f"Airtable did not do what it was asked: {why}",
            retry_after=retry_after,
            hint="it can be repeated without harm",
        )


class CloudOutcomeUnknown(Unavailable):
    """A change was sent to Airtable and no proper answer came: it may have taken effect."""

    code = "cloud-outcome-unknown"

    def __init__(self, why: str, *, retry_after: timedelta) -> None:
        super().__init__(
            f"it is not known whether Airtable did what it was asked: {why}",
            retry_after=retry_after,
            hint="look whether it took effect before it is repeated",
        )


class CloudQuotaSpent(LimitReached):
    """The month's calls are used up, says Airtable; none is made before the next month or an operator's word."""

    code = "cloud-quota-spent"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__(
            "Airtable says that the month's calls are used up",
            retry_after=retry_after,
            hint="raise the plan at Airtable and reopen the quota, or wait for the next month",
        )


class PaceQueueFull(LimitReached):
    """As many calls of one kind wait for their turn as are kept; this one was not taken."""

    code = "pace-queue-full"

    def __init__(self, most: int, *, retry_after: timedelta) -> None:
        super().__init__(
            f"{most} calls to Airtable wait for their turn; this one was not taken",
            retry_after=retry_after,
            hint="Airtable takes five calls a second for a base; ask again later",
        )


class CloudClientClosed(Conflict):
    """The connector is stopping, and asks Airtable no more; nothing was sent."""

    code = "cloud-client-closed"

    def __init__(self) -> None:
        super().__init__("the connector asks Airtable no more, because it is stopping", hint="ask again when it runs")
