"""Airtable's Web API over the record store, for clients that were written for Airtable.

All but its place is loaded when somebody asks for it: a service starts without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from airtable_connector.web.airtable_api.place import BEGINNING, DERIVED_ID, WORKSPACE_ID

if TYPE_CHECKING:
    from airtable_connector.web.airtable_api.base import BaseName
    from airtable_connector.web.airtable_api.pace import PaceSettings
    from airtable_connector.web.airtable_api.routes import NOT_OFFERED, AirtableApi
    from airtable_connector.web.airtable_api.scopes import Scope

__all__ = ["BEGINNING", "DERIVED_ID", "NOT_OFFERED", "WORKSPACE_ID", "AirtableApi", "BaseName", "PaceSettings", "Scope"]

_LOADED_LATER = {
    "AirtableApi": "routes",
    "BaseName": "base",
    "NOT_OFFERED": "routes",
    "PaceSettings": "pace",
    "Scope": "scopes",
}
"""The module of each name that is not loaded yet."""


def __getattr__(name: str) -> object:
    if name in _LOADED_LATER:
        return getattr(import_module(f"{__name__}.{_LOADED_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
