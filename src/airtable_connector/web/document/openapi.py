"""The whole OpenAPI document."""

from functools import cache
from typing import Final

import orjson

from airtable_connector import __version__
from airtable_connector.web.document.airtable_answers import airtable_responses
from airtable_connector.web.document.airtable_parameters import airtable_parameters
from airtable_connector.web.document.answers import headers, responses
from airtable_connector.web.document.parameters import parameters
from airtable_connector.web.document.paths import TAGS, paths
from airtable_connector.web.document.schemas import schemas
from airtable_connector.web.document.shapes import Schema

ABOUT: Final = (
    "Sprints, cells, proofs and heartbeats of the mesh, and what is counted from them.\n\n"
    "GET paths answer HEAD as well; OPTIONS answers pages of allowed origins. Another method is answered 405 with"
    " `Allow`, another path 404. Query parameters that are not listed are refused with 422 wherever some are listed."
    " Every answer carries `X-Trace-ID`; errors carry it in `error.details.trace_id`.\n\n"
    "Below `/v0/` the same records are served under Airtable's Web API, in its own words: errors have its form, another"
    " method is answered 404, and what a token may do is told in its scopes."
)


@cache
def document() -> Schema:
    """Return the document as data; treat it as read-only."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Airtable Connector", "version": __version__, "description": ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": paths(),
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "RS256. GET needs the permission read, everything else write, except where"
                    " an operation lists admin or, below `/v0/`, a scope that one of the permissions comes to."
                    " `airtable-connector token` prints one.",
                }
            },
            "parameters": {**parameters(), **airtable_parameters()},
            "headers": headers(),
            "responses": {**responses(), **airtable_responses()},
            "schemas": schemas(),
        },
    }


@cache
def describe() -> bytes:
    """Return the document as JSON (OpenAPI 3.1)."""
    return orjson.dumps(document())
