"""The UDC dialect: what the Universal Droplet Contract v1.0 asks every droplet to answer."""

from airtable_connector.web.udc.about import AboutEndpoints
from airtable_connector.web.udc.control import ChangedSetting, ControlEndpoints, Reload, Reloaded
from airtable_connector.web.udc.health import HealthEndpoint
from airtable_connector.web.udc.messages import LetterEndpoints, MessageEndpoint
from airtable_connector.web.udc.peers import PeerEndpoints, Required
from airtable_connector.web.udc.routes import ADMIN, own_routes

__all__ = [
    "ADMIN",
    "AboutEndpoints",
    "ChangedSetting",
    "ControlEndpoints",
    "HealthEndpoint",
    "LetterEndpoints",
    "MessageEndpoint",
    "PeerEndpoints",
    "Reload",
    "Reloaded",
    "Required",
    "own_routes",
]
