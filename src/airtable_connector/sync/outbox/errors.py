"""What goes wrong around writes on their way to Airtable."""

from datetime import timedelta

from airtable_connector.kernel.errors import Conflict, LimitReached, NotFound


class ReceiptNotFound(NotFound):
    """There is no such receipt, or none any more."""

    code = "receipt-not-found"

    def __init__(self, receipt: str) -> None:
        super().__init__(
            f"there is no receipt {receipt[:60]!r}, or it is so old that it was forgotten",
            hint="a receipt's id is in the answer to the write",
        )


class DeadLetterNotFound(NotFound):
    """No refused write has this number, or it was replayed or dropped."""

    code = "refused-write-not-found"

    def __init__(self, number: int) -> None:
        super().__init__(f"no refused write has the number {number}", hint="list the refused writes")


class ReplayRefused(Conflict):
    """A refused write cannot be replayed as it is."""

    code = "replay-refused"

    def __init__(self, why: str) -> None:
        super().__init__(f"the refused write cannot be replayed: {why}", hint="give other cells, or drop it")


class TooMuchOnItsWay(LimitReached):
    """As many writes wait for Airtable as are kept; one more is not taken."""

    code = "outgoing-full"

    def __init__(self, waiting: int, *, retry_after: timedelta) -> None:
        super().__init__(
            f"{waiting} writes wait for Airtable, and no more are taken",
            retry_after=retry_after,
            facts={"waiting": waiting},
        )
