"""``GET /health``: public, and answered from what this process knows already (UDC v1.0)."""

from airtable_connector.ops import Health
from airtable_connector.web.http import Answer, Call


class HealthEndpoint:
    """Tells whether the droplet works."""

    def __init__(self, health: Health) -> None:
        self._health = health

    async def read(self, _call: Call) -> Answer:
        """Answer with the UDC health object; status is ``active``, ``inactive`` (leaving) or ``error``.

        The HTTP status is 200 in each case: the droplet answers, and its body says how it is.
        """
        return Answer(200, self._health.body())
