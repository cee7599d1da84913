"""The UDC dialect: what the Universal Droplet Contract v1.0 asks every droplet to answer."""

from airtable_connector.web.udc.health import HealthEndpoint

__all__ = ["HealthEndpoint"]
