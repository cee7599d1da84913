"""Which paths tell about the droplet itself, or change it."""

from collections.abc import Mapping
from typing import Final

from airtable_connector.web.http import Methods
from airtable_connector.web.udc.about import AboutEndpoints
from airtable_connector.web.udc.control import ControlEndpoints

ADMIN: Final = frozenset({"/shutdown", "/emergency-stop", "/reload-config"})
"""Paths that need the permission admin, whatever the method."""


def own_routes(about: AboutEndpoints, control: ControlEndpoints) -> Mapping[str, Methods]:
    """Return the endpoints about ourselves by path."""
    return {
        "/state": {"GET": about.state},
        "/capabilities": {"GET": about.capabilities},
        "/version": {"GET": about.version},
        "/shutdown": {"POST": control.shut_down, "DELETE": control.cancel_shutdown},
        "/emergency-stop": {"POST": control.emergency_stop},
        "/reload-config": {"POST": control.reload_config},
    }
