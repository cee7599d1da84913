"""What can be wrong with a webhook, as leaves of the kernel's families."""

from airtable_connector.kernel.errors import Conflict, Invalid, NotFound


class WebhookNotFound(NotFound):
    """The base has no webhook of that id."""

    code = "webhook-not-found"

    def __init__(self, hook: str) -> None:
        super().__init__(f"Could not find a webhook with ID {hook}", hint="it may have expired or been deleted")


class TooManyWebhooks(Conflict):
    """The base has as many webhooks as it may have; the oldest expires by itself when nobody reads it."""

    code = "too-many-webhooks"

    def __init__(self, most: int) -> None:
        super().__init__(
            f"Cannot create webhook: the base already has the maximum of {most} webhooks",
            hint="delete one that nobody needs",
        )


class WebhookFiltersInvalid(Invalid):
    """A webhook's specification is not of Airtable's form, or names what the base has not."""

    code = "webhook-filters-invalid"

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"The webhook's specification is invalid: {field} {why}", field=field)


class WebhookExpired(Conflict):
    """The webhook has expired; its payloads can be read a while longer, and it cannot come back."""

    code = "webhook-expired"

    def __init__(self) -> None:
        super().__init__(
            "The webhook has expired",
            hint="create another one, and read the tables anew: what changed since is not told",
        )


class NotificationUrlRefused(Invalid):
    """Notifications are not sent to this address."""

    code = "notification-url-refused"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Notifications are not sent to this address: {why}",
            field="notificationUrl",
            hint="give an https address without user and password",
        )
