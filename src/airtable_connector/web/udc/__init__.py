"""The UDC dialect: what the Universal Droplet Contract v1.0 asks every droplet to answer."""

from airtable_connector.web.udc.health import HealthEndpoint
from airtable_connector.web.udc.peers import PeerEndpoints, Required

__all__ = ["HealthEndpoint", "PeerEndpoints", "Required"]
