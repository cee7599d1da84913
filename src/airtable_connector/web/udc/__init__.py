"""The UDC dialect: what the Universal Droplet Contract v1.0 asks every droplet to answer."""

from airtable_connector.web.udc.health import HealthEndpoint
from airtable_connector.web.udc.messages import LetterEndpoints, MessageEndpoint

__all__ = ["HealthEndpoint", "LetterEndpoints", "MessageEndpoint"]
