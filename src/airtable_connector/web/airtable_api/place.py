"""Where the dialect is found."""

from typing import Final

from airtable_connector.records import stable_id

BEGINNING: Final = "/v0/"
"""How every path of the dialect begins."""

WORKSPACE_ID: Final = stable_id("wsp", "Airtable Connector")
"""The id of the one workspace, in which bases are made: the same everywhere."""

DERIVED_ID: Final = stable_id("app", "Airtable Connector")
"""The id of a base that was given none: the same everywhere, as the ids of the standard tables are."""
