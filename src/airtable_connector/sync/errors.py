"""What goes wrong in keeping the base like the one at Airtable, as leaves of the kernel's families."""

from datetime import timedelta

from airtable_connector.kernel.errors import LimitReached, Unavailable


class NoWebhookFree(LimitReached):
    """The base at Airtable has as many webhooks as it may have, and none of them is ours to delete."""

    code = "no-webhook-free"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__(
            "the base at Airtable has as many webhooks as it may have, so that changes there cannot be followed",
            retry_after=retry_after,
            hint="delete a webhook that nobody uses (GET /v0/bases/{base}/webhooks lists them); one is made at the next"
            " try",
        )


class SchemaNotBelieved(Unavailable):
    """Airtable told of a base without any table, while there are some here; nothing was changed."""

    code = "schema-not-believed"

    def __init__(self, *, retry_after: timedelta) -> None:
        super().__init__(
            "Airtable told of a base without any table; the tables here stay as they are",
            retry_after=retry_after,
            hint="look at the base in Airtable; it is asked again",
        )
