"""Airtable's Web API over the record store, for clients that were written for Airtable."""

from airtable_connector.web.airtable_api.addresses import BEGINNING, is_base_id
from airtable_connector.web.airtable_api.base import DERIVED_ID, BaseName
from airtable_connector.web.airtable_api.pace import PaceSettings
from airtable_connector.web.airtable_api.routes import NOT_OFFERED, AirtableApi
from airtable_connector.web.airtable_api.scopes import Scope

__all__ = ["BEGINNING", "DERIVED_ID", "NOT_OFFERED", "AirtableApi", "BaseName", "PaceSettings", "Scope", "is_base_id"]
